"""Run tasks side by side, each in a process of its own; Ctrl-C reaches them all and is waited for."""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from genmech_fem.errors import GenmechError


def in_parallel(task: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Call ``task(*args)`` for each of `arguments` at the same time.

    Returns:
        The results, in order.

    Raises:
        GenmechError: A task failed or its process died; the others are finished first.
        KeyboardInterrupt: Ctrl-C; every task has been interrupted and has cleaned up.
    """
    context = multiprocessing.get_context("spawn")
    ends, children = [], []
    for args in arguments:
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=_call, args=(sender, task, args))
        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the child inherits it until its task begins
        child.start()
        signal.signal(signal.SIGINT, handler)
        sender.close()
        ends.append(receiver)
        children.append(child)
    try:
        answers = [_receive(end) for end in ends]
    except KeyboardInterrupt:
        for child in children:
            _interrupt(child)
        raise
    finally:
        for child in children:
            child.join()
    for error, _ in answers:
        if error:
            raise GenmechError(error)
    return [result for _, result in answers]


def _call(sender: Connection, task: Callable[..., Any], args: tuple[Any, ...]) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sender.send((None, task(*args)))
    except KeyboardInterrupt:
        sender.send(("interrupted", None))
    except (GenmechError, ValueError, OSError) as error:
        sender.send((str(error), None))
    except Exception:  # a bug: its traceback is the message
        sender.send((traceback.format_exc(), None))


def _end_with_parent() -> None:
    """Interrupt this process once its parent has been killed: nobody waits for what it computes."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGINT)


def _interrupt(child: BaseProcess) -> None:
    """Wait for a child that Ctrl-C may have reached too; send it on to one that goes on."""
    child.join(timeout=2)
    while child.pid and child.is_alive():
        os.kill(child.pid, signal.SIGINT)
        child.join(timeout=2)


def _receive(end: Connection) -> tuple[str | None, Any]:
    try:
        return end.recv()
    except EOFError:
        return "a process was killed (out of memory?); the same command resumes where it was", None
