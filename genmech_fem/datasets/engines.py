"""Engines: where the samples of a campaign are computed, and how campaigns travel to other processes.

Any `concurrent.futures.Executor` serves; `genmech_fem.datasets.processes` guards against samples that crash or hang.
"""

import pickle
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cloudpickle

from genmech_fem.datasets.blocks import Failure
from genmech_fem.errors import GenmechError
from genmech_fem.fields import Arrays

if TYPE_CHECKING:
    from genmech_fem.datasets.campaign import Campaign


@dataclass(frozen=True)
class Outcome:
    """What became of a sample: its arrays, each a batch of one, the block they are in, or its failure.

    Attributes:
        number: Number of the sample.
        result: What came out.
        seconds: How long it took [s].
    """

    number: int
    result: Arrays | Path | Failure
    seconds: float


class Engine(ABC):
    """Computes samples. Which engine does it makes no difference to the data."""

    @property
    def leads(self) -> bool:
        """Whether this process writes the store; the others of an MPI job `follow`."""
        return True

    @abstractmethod
    def results(self, campaign: "Campaign", numbers: Iterator[int], folder: Path) -> Generator[Outcome, None, None]:
        """Outcomes of the samples `numbers` in any order; those not begun are given up when this is closed.

        `folder` is where processes that see it may leave their samples as blocks.
        """

    def follow(self, campaign: "Campaign") -> None:
        """Take part in the samples of the process that leads."""
        raise NotImplementedError

    def finish(self, *, failed: bool) -> None:  # noqa: B027 - most engines have nothing to do
        """Called at the end of a campaign by the process that leads, whatever happened."""


class Serial(Engine):
    """One sample after another in this process."""

    def results(
        self,
        campaign: "Campaign",
        numbers: Iterator[int],
        folder: Path,  # noqa: ARG002
    ) -> Generator[Outcome, None, None]:
        """See `Engine`."""
        yield from map(campaign.outcome, numbers)


@dataclass(frozen=True)
class Futures(Engine):
    """Any executor of ``concurrent.futures``, such as MPI's or loky's.

    Args:
        executor: Where to compute; it stays open.
        window: Number of samples that it is given at a time.
    """

    executor: Executor
    window: int = 32

    def results(
        self,
        campaign: "Campaign",
        numbers: Iterator[int],
        folder: Path,  # noqa: ARG002
    ) -> Generator[Outcome, None, None]:
        """See `Engine`.

        Raises:
            GenmechError: The campaign cannot be sent to other processes, or one of them died.
        """
        payload = packed(campaign)
        try:
            for _, future in as_finished(lambda i: self.executor.submit(compute, payload, i), numbers, self.window):
                yield future.result()
        except BrokenExecutor as error:
            raise GenmechError(
                "a process of the engine died (out of memory, or a crash in one sample); finished samples are kept: "
                "repeat to go on, with Processes to find the sample"
            ) from error


def packed(campaign: "Campaign") -> bytes:
    """A campaign as bytes for other processes, functions of scripts and notebooks by value.

    Raises:
        GenmechError: It holds objects that live in this process only.
    """
    try:
        return bytes(cloudpickle.dumps(campaign))
    except (TypeError, AttributeError, ValueError, pickle.PicklingError) as error:
        raise GenmechError(
            f"the campaign cannot be sent to other processes ({error}): give it a LazyModel, which each of them builds "
            "for itself, and samplers without open files or solvers"
        ) from error


@lru_cache(maxsize=1)
def unpacked(payload: bytes) -> "Campaign":
    """The campaign of this process."""
    campaign: Campaign = pickle.loads(payload)  # noqa: S301 - from the parent process
    return campaign


def compute(payload: bytes, i: int) -> Outcome:
    """Compute sample `i` of a packed campaign."""
    return unpacked(payload).outcome(i)


def as_finished[T](
    submit: "Callable[[T], Future[Any]]", tasks: Iterator[T], window: int
) -> "Iterator[tuple[T, Future[Any]]]":
    """Submit tasks, at most `window` at a time, and yield each with its future when it is done."""
    waiting: dict[Future[Any], T] = {}
    try:
        while True:
            waiting |= {submit(task): task for task in islice(tasks, window - len(waiting))}
            if not waiting:
                return
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                yield waiting.pop(future), future
    finally:
        for future in waiting:
            future.cancel()
