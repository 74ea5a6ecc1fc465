"""Mesh and solve one cell at a time in another process, which can be stopped."""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from pebble import ProcessExpired, ProcessPool

from genmech_fem.adapters import ConformingHomogenization
from genmech_fem.errors import ContractError
from genmech_fem.explorer.cells import Cell
from genmech_fem.explorer.solving import Answer, Solved, begin, solve

LIMIT = 900.0  # longest time of one solve [s]
REFINES = (1, 2, 4, 8)


@dataclass(frozen=True)
class Progress:
    """How far a verification is.

    Args:
        state: ``idle``, ``starting``, ``running``, ``done``, ``failed`` or ``cancelled``.
        elapsed: Time of waiting for the process, then of solving [s], while it is not done.
        left: Time that solving will still take, by earlier solves [s], None while waiting.
        failure: Why it failed.
    """

    state: str = "idle"
    elapsed: float = 0.0
    left: float | None = None
    failure: str = ""


@dataclass(frozen=True, eq=False)
class _Job:
    cell: Cell
    refine: int
    future: "Future[Answer]"
    began: float

    @cached_property
    def solved(self) -> Solved:
        """The answer of a solve that is done."""
        answers, seconds = self.future.result()
        return Solved(self.cell, self.refine, answers, seconds)


class Verifier:
    """A process that stays ready between solves; the first thing it does is to solve a coarse mesh, to know its speed.

    Args:
        solver: The solver by mesh cells a pixel.
        sample: A phase field (nx, ny) to begin with.
    """

    def __init__(self, solver: Callable[[int], ConformingHomogenization], sample: np.ndarray) -> None:
        self._solver, self._sample = solver, sample
        self._seconds: dict[int, float] = {}
        self._job: _Job | None = None
        self._freed = 0.0  # when the process was done with the task before
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPool(max_workers=1, initializer=begin, context=context)
        self._warm()

    def start(self, cell: Cell, refine: int) -> None:
        """Begin to solve a cell on a mesh of `refine` cells a pixel.

        Raises:
            ContractError: Another cell is being solved.
            ValueError: `refine` is not one of `REFINES`.
        """
        if self.busy:
            raise ContractError("a cell is being solved: wait for it, or cancel")
        if refine not in REFINES:
            raise ValueError(f"refine: expected one of {REFINES} mesh cells a pixel, got {refine}")
        self._job = _Job(cell, refine, self._schedule(refine, cell.phase), time.monotonic())

    @property
    def busy(self) -> bool:
        """Whether a cell is being solved."""
        return self._job is not None and not self._job.future.done()

    def progress(self) -> Progress:
        """How far it is."""
        if self._job is None:
            return Progress()
        if self.busy:
            waits, now = not (self._ready.done() and self._job.future.running()), time.monotonic()
            if waits:
                return Progress("starting", now - self._job.began)
            elapsed = now - max(self._job.began, self._freed)
            return Progress("running", elapsed, self._left(self._job.refine, elapsed))
        if failure := _failure(self._job.future):
            return Progress("failed", failure=failure)
        return Progress("cancelled" if self._job.future.cancelled() else "done")

    def result(self) -> Solved | None:
        """What the solver says of the last cell, None where it has not said anything."""
        return self._job.solved if self._job is not None and self.progress().state == "done" else None

    def cancel(self) -> None:
        """Stop the solve at hand; the process is replaced."""
        if self.busy and self._job is not None:
            began = self._job.future.running()
            self._job.future.cancel()
            if began:  # its process is killed
                self._warm()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._pool.stop()  # type: ignore[no-untyped-call]
        self._pool.join()

    def _warm(self) -> None:
        self._ready = self._schedule(REFINES[0], self._sample)

    def _schedule(self, refine: int, phase: np.ndarray) -> "Future[Answer]":
        solver = replace(self._solver(refine), keep_mesh=True)
        future: Future[Answer] = self._pool.schedule(solve, args=(solver, phase), timeout=LIMIT)
        future.add_done_callback(lambda done: self._learn(refine, done))
        return future

    def _learn(self, refine: int, done: "Future[Answer]") -> None:
        self._freed = time.monotonic()
        if not done.cancelled() and done.exception() is None:
            self._seconds[refine] = done.result()[1]

    def _left(self, refine: int, elapsed: float) -> float | None:
        """By the time of the same mesh, or of the nearest one in proportion to the cells."""
        known = dict(self._seconds)
        if not known:
            return None
        nearest = min(known, key=lambda other: abs(np.log(other / refine)))
        return max(0.0, known[nearest] * (refine / nearest) ** 2 - elapsed)


def _failure(future: "Future[Answer]") -> str:
    """Why a solve that is done failed, nothing where it did not."""
    try:
        error = future.exception()
    except CancelledError:
        return ""
    match error:
        case None:
            return ""
        case ProcessExpired():
            return f"the process of the solver ended with {error.exitcode}: out of memory? Take a coarser mesh"
        case TimeoutError():
            return f"not solved within {LIMIT:g} s: take a coarser mesh"
    return str(error).removeprefix("sample 0: ")
