"""Campaigns, carried out: every sample that the store lacks is computed and stored."""

import csv
import io
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from genmech_fem.datasets.blocks import Failure
from genmech_fem.datasets.campaign import Campaign
from genmech_fem.datasets.engines import Engine, Futures, Outcome, Serial
from genmech_fem.datasets.failures import failure_counts, failure_table
from genmech_fem.datasets.processes import Processes
from genmech_fem.datasets.samplers import Design
from genmech_fem.datasets.store import Store
from genmech_fem.datasets.writer import Writer
from genmech_fem.drafts import write_atomic
from genmech_fem.errors import ContractError, DatasetError

ENOUGH = 20  # samples before the share of failures means anything


@dataclass(frozen=True)
class Progress:
    """How far a campaign is: `finished` of `total` samples, `failed` ones among them, `computed` by this call."""

    finished: int
    total: int
    failed: int
    computed: int


@dataclass(frozen=True)
class Report:
    """Outcome of a campaign.

    Attributes:
        finished: Number of samples in the store, failed ones included.
        computed: How many of them this call computed.
        failures: Failed samples by number.
        seconds: Wall time of this call [s].
        solve_seconds: Median time of one sample computed by this call [s], 0 if none.
    """

    finished: int
    computed: int
    failures: Mapping[int, Failure]
    seconds: float
    solve_seconds: float

    def table(self) -> str:
        """The failures, kind by kind, with an example of each; empty if there are none."""
        return failure_table(self.failures)


def generate(
    campaign: Campaign,
    path: Path | str,
    *,
    engine: Engine | Executor | int | None = None,
    part: tuple[int, int] = (0, 1),
    redo: Collection[Literal["failed", "damaged"]] = (),
    failure_limit: float = 0.5,
    progress: Callable[[Progress], None] | None = None,
) -> Report:
    """Compute the samples that the store at `path` lacks.

    Every finished sample is on the disk at once and never computed again, so an interrupted
    campaign resumes; a failed sample is recorded with its reason, and the campaign goes on.

    Args:
        campaign: What to compute; any engine gives the same data.
        path: Folder of the store.
        engine: Where to compute: None is here, a number is that many local processes; or an
            `Engine`, or any `concurrent.futures.Executor`.
        part: ``(k, n)`` computes the samples k, k + n, k + 2 n, ... only, so that n jobs share a campaign.
        redo: ``"failed"`` tries failed samples again, ``"damaged"`` puts damaged files aside and makes
            their samples again.
        failure_limit: Share of failed samples, of at least 20, that ends the campaign.
        progress: Called after every sample.

    Raises:
        ContractError: Sampler and model do not fit together.
        DatasetError: `path` holds the data of another campaign, is damaged, or is being written; or too many
            samples failed (they are stored).
        GenmechError: The engine broke down.
        OSError: The store cannot be written.
        ValueError: An argument is out of range.
    """
    k, n = part
    if not 0 <= k < n or not 0 < failure_limit <= 1:
        raise ValueError(f"generate: expected part 0 <= k < n and 0 < failure_limit <= 1, got {part}, {failure_limit}")
    engine = _engine(engine)
    if not engine.leads:
        engine.follow(campaign)
        return Report(0, 0, {}, 0.0, 0.0)
    failed = True
    try:
        report = _generate(campaign, Path(path), engine, part, redo, failure_limit, progress)
        failed = False
    finally:
        engine.finish(failed=failed)
    return report


def _engine(engine: Engine | Executor | int | None) -> Engine:
    """The engine that the argument of `generate` means."""
    match engine:
        case None:
            return Serial()
        case int():
            return Processes(engine)
        case Engine():
            return engine
        case Executor():
            return Futures(engine)
    raise TypeError(f"engine: expected None, a number of processes, an Engine or an Executor, got {engine!r}")


def _generate(
    campaign: Campaign,
    path: Path,
    engine: Engine,
    part: tuple[int, int],
    redo: Collection[str],
    failure_limit: float,
    progress: Callable[[Progress], None] | None,
) -> Report:
    began = time.perf_counter()
    store = _opened(campaign, path)
    if "damaged" in redo:
        store.quarantine()
    k, n = part
    with closing(Writer(store, f"part-{k}-of-{n}")) as writer:
        state = _State(store, campaign.size, failure_limit, progress, retry="failed" in redo)
        state.tell()
        todo = [i for i in range(k, campaign.size, n) if i not in state.finished]
        with closing(engine.results(campaign, iter(todo), writer.folder)) as results, writer.full_disk_said():
            for outcome in results:
                _store(writer, outcome, first=not state.times)
                state.add(outcome)
                state.tell()
    if len(store.numbers()):
        from genmech_fem.datasets.card import write_card  # the processes that solve do not need it

        write_card(store)
    failures = {i: f for i, f in store.failures().items() if i < campaign.size}
    seconds, typical = time.perf_counter() - began, float(np.median(state.times or [0.0]))
    return Report(len(state.finished), len(state.times), failures, seconds, typical)


def _opened(campaign: Campaign, path: Path) -> Store:
    """The store of a campaign, with the table of its design if it has one."""
    about = {"title": campaign.title, "licence": campaign.licence, "size": campaign.size}
    about = {key: value for key, value in about.items() if value}
    store = Store.create(path, campaign.specs, campaign.description, about)
    if isinstance(campaign.sampler, Design):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(campaign.sampler.table(campaign.seed, campaign.size))
        write_atomic(path / "design.csv", text.getvalue().encode())
    return store


def _store(writer: Writer, outcome: Outcome, *, first: bool) -> None:
    """Store a sample; a first one that breaks the contract is a mistake in the campaign, not a bad sample."""
    i, result = outcome.number, outcome.result
    if isinstance(result, Path):
        writer.count(result)
    elif not isinstance(result, Failure):
        writer.add([i], result, {})
    elif first and result.kind == ContractError.__name__:
        raise ContractError(f"sample {i}: {result.message}")
    else:
        writer.add([], {}, {i: result})


class _State:
    """What is finished so far, and whether to go on."""

    def __init__(
        self,
        store: Store,
        size: int,
        limit: float,
        progress: Callable[[Progress], None] | None,
        *,
        retry: bool,
    ) -> None:
        self.store, self.size, self.limit, self.progress = store, size, limit, progress
        self.failed = {} if retry else {i: f for i, f in store.failures().items() if i < size}
        self.finished = {i for i in store.numbers().tolist() if i < size} | set(self.failed)
        self.times: list[float] = []

    def add(self, outcome: Outcome) -> None:
        self.finished.add(outcome.number)
        self.times.append(outcome.seconds)
        if isinstance(outcome.result, Failure):
            self.failed[outcome.number] = outcome.result

    def tell(self) -> None:
        """Report the progress, and end the campaign if too many samples have failed."""
        if self.progress is not None:
            self.progress(Progress(len(self.finished), self.size, len(self.failed), len(self.times)))
        if len(self.finished) >= ENOUGH and len(self.failed) > self.limit * len(self.finished):
            raise DatasetError(
                f"{self.store.path}: {len(self.failed)} of {len(self.finished)} samples failed, more than the limit of "
                f"{self.limit:.0%} ({failure_counts(self.failed)}): change the campaign, or raise failure_limit"
            )
