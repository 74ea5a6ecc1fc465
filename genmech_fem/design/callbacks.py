"""Searches of optimisers that call a function: they run in a thread of their own."""

from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

import numpy as np

from genmech_fem.design.search import Evaluation, Search

type Ask = Callable[[np.ndarray], Evaluation]


class _EndedError(Exception):
    """The design loop wants no more designs."""


def called_back(run: Callable[[Ask], str]) -> Search:
    """Make a search of an optimiser that calls a function.

    The designs are evaluated where the search is driven, in the thread that drives it.

    Args:
        run: Calls its argument with designs (batch, size) and returns why it stopped.
    """
    questions: SimpleQueue[Any] = SimpleQueue()
    answers: SimpleQueue[Evaluation | None] = SimpleQueue()

    def ask(designs: np.ndarray) -> Evaluation:
        questions.put(np.array(designs))
        answer = answers.get()
        if answer is None:
            answers.put(None)  # for an optimiser that catches the error and asks again
            raise _EndedError
        return answer

    def work() -> None:
        try:
            questions.put(run(ask))
        except _EndedError:
            pass
        except BaseException as error:  # it is raised again where the search is driven
            questions.put(error)

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        while isinstance(question := questions.get(), np.ndarray):
            answers.put((yield question))
    finally:
        answers.put(None)
        thread.join()
    if isinstance(question, BaseException):
        raise question
    return str(question)


class LastAnswer:
    """Asks once for a design whose value, constraints and gradients are wanted one after the other."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._last: tuple[np.ndarray, Evaluation] | None = None

    def __call__(self, x: np.ndarray) -> Evaluation:
        """Evaluation of the design (size,), a batch of one."""
        if self._last is None or not np.array_equal(self._last[0], x):
            self._last = x.copy(), self._ask(x[None])
        return self._last[1]
