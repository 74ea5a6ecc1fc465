"""Guarded processes of this machine: Pebble's pool loses exactly the sample that crashes or hangs."""

import faulthandler
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pebble import ProcessExpired, ProcessPool

from genmech_fem.datasets.blocks import Failure, write_block
from genmech_fem.datasets.engines import Engine, Outcome, as_finished, compute, packed, unpacked
from genmech_fem.errors import GenmechError

if TYPE_CHECKING:
    from genmech_fem.datasets.campaign import Campaign

HEADER = 20  # bytes of the first line of a trace, the number of the sample
MPI_PREFIXES = ("PMI", "PMIX", "OMPI_", "HYDI_", "HYDRA_", "MPI_LOCAL")


@dataclass(frozen=True)
class Processes(Engine):
    """Processes of this machine that survive samples that crash or hang.

    A sample that kills its process or exceeds the limit becomes a failure with the line of
    code where it was; its process is replaced. Functions of scripts and notebooks are sent
    by value, so a script needs no ``if __name__ == "__main__"``.

    Args:
        workers: Number of processes.
        time_limit: Longest time of one sample [s], loading and building the model left out.

    Raises:
        ValueError: There are no workers, or the limit is not positive.
    """

    workers: int = 2
    time_limit: float | None = None

    def __post_init__(self) -> None:
        if self.workers < 1 or (self.time_limit is not None and not self.time_limit > 0):
            raise ValueError(f"Processes: expected workers >= 1 and a time limit > 0 or None, got {self}")

    def results(self, campaign: "Campaign", numbers: Iterator[int], folder: Path) -> Generator[Outcome, None, None]:
        """See `Engine`.

        Raises:
            GenmechError: The campaign cannot be sent to other processes.
        """
        with Pool(packed(campaign), self.workers, self.time_limit, folder) as pool:
            yield from pool.outcomes(numbers)


class Pool:
    """Guarded processes for one campaign; a context manager.

    Args:
        payload: The packed campaign.
        workers: Number of processes.
        time_limit: Longest time of one sample [s].
        folder: Where the processes leave samples as blocks; without it they send them.
    """

    def __init__(self, payload: bytes, workers: int, time_limit: float | None, folder: Path | None = None) -> None:
        self.workers, self.time_limit = workers, time_limit
        self._traces = tempfile.TemporaryDirectory(prefix="genmech-")
        self._pool = ProcessPool(
            max_workers=workers,
            initializer=_start,
            initargs=(payload, self._traces.name, time_limit, folder),
            context=multiprocessing.get_context("spawn"),
        )

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End the processes, whatever they are doing."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()
        self._traces.cleanup()

    def outcomes(self, numbers: Iterator[int]) -> Generator[Outcome, None, None]:
        """Outcomes of the samples `numbers` as they are finished.

        Raises:
            GenmechError: The campaign cannot be loaded in the processes, or they end as they begin.
        """
        with _bare_children():
            for i, future in as_finished(lambda i: self._schedule(_compute, i), numbers, 2 * self.workers):
                yield self._outcome(i, future)

    def _schedule(self, function: Callable[[int], Any], i: int) -> "Future[Any]":
        future: Future[Any] = self._pool.schedule(function, args=(i,), timeout=self.time_limit)
        return future

    def _outcome(self, i: int, future: "Future[Any]") -> Outcome:
        try:
            return future.result()
        except ProcessExpired as error:
            kind, message, seconds = "crashed", f"its process ended with {_status(error.exitcode)}", 0.0
        except TimeoutError:
            seconds = self.time_limit or 0.0
            kind, message = "timed out", f"not finished within {seconds:g} s"
        except OSError:  # the sample cannot be written
            raise
        except BrokenProcessPool as error:
            raise GenmechError(
                "the processes end before their first sample: out of memory, a limit of the system, or a campaign "
                "that ends its process: try fewer workers, or the engine 'serial'"
            ) from error
        except Exception as error:
            raise GenmechError(
                f"the campaign cannot be loaded in another process ({type(error).__name__}: {error}): its functions "
                "and classes have to be in installed modules, or in the script itself"
            ) from error
        return Outcome(i, Failure(kind, message, self._parameters(i), self._last_line(i)), seconds)

    def _parameters(self, i: int) -> dict[str, Any]:
        """The sample's inputs, drawn again under guard, for drawing may be what failed."""
        try:
            return dict(self._schedule(_parameters, i).result())
        except (ProcessExpired, TimeoutError):
            return {"not drawn": "the sampler fails"}

    def _last_line(self, i: int) -> str:
        """The line of code where the process of sample `i` was when it ended."""
        for trace in Path(self._traces.name).iterdir():
            number, _, text = trace.read_text(errors="replace").partition("\n")
            if number.strip() == str(i):
                threads = [part for part in text.split("hread 0x") if "in _compute" in part]
                frames = [line.strip() for line in (threads[-1] if threads else text).splitlines() if " line " in line]
                return frames[0] if frames else ""
        return ""


class _Process:
    """What a process of the pool keeps."""

    payload = b""
    trace = 0
    time_limit: float | None = None
    folder: Path | None = None
    error: Exception | None = None


def _start(payload: bytes, traces: str, time_limit: float | None, folder: Path | None) -> None:
    """Begin a process of the pool and load the campaign, outside of any time limit; Ctrl-C is left to the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _Process.payload, _Process.time_limit, _Process.folder = payload, time_limit, folder
    _Process.trace = os.open(Path(traces) / str(os.getpid()), os.O_RDWR | os.O_CREAT)
    faulthandler.enable(_Process.trace)
    try:
        _ = unpacked(payload).specs
    except Exception as error:  # the first sample reports it
        _Process.error = error


def _compute(i: int) -> Outcome:
    """Compute sample `i`; should this process end, its trace tells in which line it was."""
    if _Process.error is not None:
        raise _Process.error
    if os.fstat(_Process.trace).st_size > HEADER:
        os.ftruncate(_Process.trace, 0)
    os.lseek(_Process.trace, 0, os.SEEK_SET)
    os.write(_Process.trace, b"%*d\n" % (HEADER - 1, i))
    if _Process.time_limit is not None:
        faulthandler.dump_traceback_later(0.9 * _Process.time_limit, file=_Process.trace)
    outcome = compute(_Process.payload, i)
    if _Process.time_limit is not None:
        faulthandler.cancel_dump_traceback_later()
    if _Process.folder is None or isinstance(outcome.result, Failure | Path):
        return outcome
    specs = unpacked(_Process.payload).specs
    return replace(outcome, result=write_block(_Process.folder, specs, [i], outcome.result, {}, sync=False))


def _parameters(i: int) -> dict[str, Any]:
    return unpacked(_Process.payload).parameters(i)


def _status(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


@contextmanager
def _bare_children() -> Iterator[None]:
    """Let child processes start as programs of their own.

    They must neither join the MPI job of this process nor run its script again, use one thread each, and leave
    signals to the system, not to PETSc.
    """
    main, kept = sys.modules["__main__"], dict(os.environ)
    script = {name: main.__dict__.pop(name, None) for name in ("__file__", "__spec__")}
    main.__spec__ = None
    for name in kept:
        if name.startswith(MPI_PREFIXES):
            del os.environ[name]
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["PETSC_OPTIONS"] = f"{kept.get('PETSC_OPTIONS', '')} -no_signal_handler".strip()
    try:
        yield
    finally:
        main.__dict__.update({name: value for name, value in script.items() if value is not None or name == "__spec__"})
        for name in os.environ.keys() - kept.keys():
            del os.environ[name]
        os.environ.update(kept)
