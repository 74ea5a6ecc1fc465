"""Campaigns on clusters: Dask distributes batches of samples, a guarded process beside each of its workers solves them.

Dask: Rocklin (2015), doi:10.25080/Majora-7b98e3ed-013.
"""

import multiprocessing
from collections.abc import Generator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from genmech_fem.datasets.engines import Engine, Outcome, as_finished, packed
from genmech_fem.datasets.processes import Pool
from genmech_fem.errors import GenmechError, MissingExtraError

try:
    from distributed import Client, KilledWorker
except ImportError as error:
    raise MissingExtraError("distributed", "cluster") from error

if TYPE_CHECKING:
    from genmech_fem.datasets.campaign import Campaign

BATCH_SECONDS = 1.0  # a task of Dask costs some milliseconds
LONGEST_BATCH = 64


@dataclass(frozen=True)
class Dask(Engine):
    """The workers of a Dask cluster, on this machine or through dask-jobqueue on SLURM, PBS, LSF and others.

    Each worker keeps one process of its own for the samples, so that a crash or a hang
    costs one sample and no worker. Start workers with one thread each.

    Args:
        client: A client of the cluster; it stays open.
        time_limit: Longest time of one sample [s].
        batch: Samples of one task; None chooses it so that a task takes about a second.
        shared: The workers see the folder of the store under its path, as on a parallel file system: they write
            samples there, and no arrays pass through the network.
    """

    client: Client
    time_limit: float | None = None
    batch: int | None = None
    shared: bool = False

    def results(self, campaign: "Campaign", numbers: Iterator[int], folder: Path) -> Generator[Outcome, None, None]:
        """See `Engine`.

        Raises:
            GenmechError: The campaign cannot be sent, the cluster has no workers, or its workers die.
        """
        workers = len(self.client.scheduler_info(n_workers=-1)["workers"])
        if not workers:
            raise GenmechError(
                "Dask: expected a cluster with workers, got none: scale it, or wait for its jobs to start"
            )
        payload = self.client.scatter(packed(campaign), broadcast=True, hash=False)  # type: ignore[no-untyped-call]
        longest = [0.0]  # mean seconds of a sample in the slowest batch so far

        def batches() -> Iterator[tuple[int, ...]]:
            while batch := tuple(islice(numbers, self._batch(longest[-1]))):
                yield batch

        def submit(batch: tuple[int, ...]) -> Future[list[Outcome]]:
            return executor.submit(_batch, payload, batch, self.time_limit, target)

        target = folder.resolve() if self.shared else None
        executor = self.client.get_executor(pure=False)  # type: ignore[no-untyped-call]
        try:
            for _, future in as_finished(submit, batches(), 2 * workers):
                outcomes = future.result()
                longest.append(max(longest[-1], sum(o.seconds for o in outcomes) / len(outcomes)))
                yield from outcomes
        except KilledWorker as error:
            raise GenmechError(
                f"Dask: the workers die ({error}): give them more memory; finished samples are kept, repeat to go on"
            ) from error
        finally:
            executor.shutdown(wait=False)
            self.client.run(_close_pools)

    def _batch(self, seconds: float) -> int:
        if self.batch is not None:
            return self.batch
        return 1 if seconds == 0 else max(1, min(LONGEST_BATCH, int(BATCH_SECONDS / seconds)))


_pools: dict[tuple[bytes, float | None, Path | None], Pool] = {}
_turn = Lock()


def _batch(payload: bytes, numbers: tuple[int, ...], time_limit: float | None, folder: Path | None) -> list[Outcome]:
    """Compute samples in the guarded process of this worker."""
    key = (payload, time_limit, folder)
    with _turn:  # one at a time, should the worker have more threads
        if key not in _pools:
            _close_pools()
            _pools[key] = _new_pool(*key)
        return list(_pools[key].outcomes(iter(numbers)))


def _new_pool(payload: bytes, time_limit: float | None, folder: Path | None) -> Pool:
    # a worker under Dask's nanny is marked as a daemon, which multiprocessing forbids to have children
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    return Pool(payload, 1, time_limit, folder)


def _close_pools() -> None:
    while _pools:
        _pools.popitem()[1].stop()
