"""Campaigns: sample, solve, store. Sample i depends on the seed and on i only."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genmech_fem.datasets.store import Store
from genmech_fem.errors import GenmechError
from genmech_fem.fields import Arrays, Spec, concatenate
from genmech_fem.forward import ForwardModel


@dataclass(frozen=True)
class Campaign:
    """What to compute.

    Args:
        model: The solver.
        sampler: Draws the model's inputs, a batch of one sample.
        size: Number of samples.
        seed: Sample i is drawn with ``numpy.random.default_rng([seed, i])``.
    """

    model: ForwardModel
    sampler: Callable[[np.random.Generator], Arrays]
    size: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.size < 1 or self.seed < 0:
            raise ValueError(f"Campaign: expected size >= 1 and seed >= 0, got {self.size} and {self.seed}")

    @property
    def specs(self) -> tuple[Spec, ...]:
        """Specs of what is stored: inputs and outputs."""
        return (*self.model.inputs, *self.model.outputs)

    def sample(self, i: int) -> dict[str, np.ndarray]:
        """Draw and solve sample `i`: inputs and outputs, a batch of one."""
        inputs = self.sampler(np.random.default_rng([self.seed, i]))
        return {**inputs, **self.model(inputs)}


@dataclass(frozen=True)
class Report:
    """Outcome of a campaign.

    Attributes:
        finished: Number of samples in the store, failed ones included.
        computed: How many of them this call computed.
        failures: Reason of every failed sample by its number.
        seconds: Wall time of this call [s].
        solve_seconds: Median time of one sample computed by this call [s], 0 if none.
    """

    finished: int
    computed: int
    failures: Mapping[int, str]
    seconds: float
    solve_seconds: float


def local_processes(workers: int) -> ProcessPoolExecutor:
    """An engine of `workers` processes on this machine; Ctrl-C is left to the parent."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, context, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))


def generate(
    campaign: Campaign,
    path: Path,
    *,
    engine: Executor | None = None,
    shard: int = 16,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Compute the samples that the store at `path` lacks.

    A finished shard is never computed again, so an interrupted campaign resumes; a
    sample that raises is recorded with its reason, and the campaign goes on.

    Args:
        campaign: What to compute; any engine gives the same data.
        path: Folder of the store.
        engine: Where to compute (any `concurrent.futures.Executor`); None is here.
        shard: Samples per shard.
        progress: Called with the number of finished samples and `campaign.size`.

    Raises:
        DatasetError: `path` holds the data of another campaign, or is damaged.
        GenmechError: A process of the engine died.
        OSError: The store cannot be written.
    """
    began = time.perf_counter()
    description = {"sampler": repr(campaign.sampler), "model": repr(campaign.model), "seed": campaign.seed}
    store = Store.create(path, campaign.specs, description)
    done = {i for record in store.records() for i in range(record["start"], record["stop"])}
    todo = _ranges([i for i in range(campaign.size) if i not in done], shard)
    computed = sum(stop - start for start, stop in todo)
    finished = campaign.size - computed
    times = []
    if progress:
        progress(finished, campaign.size)
    with closing(_results(campaign, todo, engine)) as results:
        for result in results:
            store.append(result.start, result.stop, result.arrays, result.failures)
            finished += result.stop - result.start
            times.append(result.seconds)
            if progress:
                progress(finished, campaign.size)
    failures = {i: reason for i, reason in store.failures().items() if i < campaign.size}
    return Report(finished, computed, failures, time.perf_counter() - began, float(np.median(times or [0.0])))


@dataclass(frozen=True)
class _Shard:
    start: int
    stop: int
    arrays: Arrays | None
    failures: Mapping[int, str]
    seconds: float


def _results(campaign: Campaign, todo: list[tuple[int, int]], engine: Executor | None) -> Generator[_Shard, None, None]:
    """Shards as they are finished; those not begun are given up when this is closed."""
    if engine is None:
        yield from (_compute(campaign, start, stop) for start, stop in todo)
        return
    futures = [engine.submit(_compute, campaign, start, stop) for start, stop in todo]
    try:
        for future in as_completed(futures):
            yield future.result()
    except BrokenExecutor as error:
        raise GenmechError(
            "a process of the engine died (out of memory, or a crash in one sample); finished samples are kept: "
            "repeat to go on, with fewer workers if memory is short"
        ) from error
    finally:
        for future in futures:
            future.cancel()


def _compute(campaign: Campaign, start: int, stop: int) -> _Shard:
    samples, failures, times = [], {}, []
    for i in range(start, stop):
        began = time.perf_counter()
        try:
            samples.append(campaign.sample(i))
        except Exception as error:  # a failure is data: it is recorded with its reason
            failures[i] = f"{type(error).__name__}: {error}"
        times.append(time.perf_counter() - began)
    arrays = concatenate(samples) if samples else None
    return _Shard(start, stop, arrays, failures, float(np.median(times)))


def _ranges(numbers: list[int], longest: int) -> list[tuple[int, int]]:
    """Split sorted numbers into runs of neighbours, at most `longest` each: (first, last + 1)."""
    ranges: list[tuple[int, int]] = []
    for i in numbers:
        if ranges and ranges[-1][1] == i and i - ranges[-1][0] < longest:
            ranges[-1] = (ranges[-1][0], i + 1)
        else:
            ranges.append((i, i + 1))
    return ranges
