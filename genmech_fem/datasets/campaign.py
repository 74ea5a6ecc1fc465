"""Campaigns: sample, solve, store. Sample i depends on the seed and on i only."""

import csv
import io
import logging
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from tabulate import tabulate

from genmech_fem.datasets.blocks import Failure, write_atomic
from genmech_fem.datasets.engines import Engine, Outcome, engine_of
from genmech_fem.datasets.provenance import describe
from genmech_fem.datasets.samplers import Design
from genmech_fem.datasets.store import Store, Writer
from genmech_fem.errors import ContractError, ConvergenceError, DatasetError, MeshingError, NotFiniteError
from genmech_fem.fields import Arrays, Spec, check
from genmech_fem.forward import ForwardModel, LazyModel

KINDS: dict[type[Exception], str] = {
    ConvergenceError: "diverged",
    MeshingError: "not meshed",
    NotFiniteError: "not finite",
    MemoryError: "out of memory",
}
ENOUGH = 20  # samples before the share of failures means anything
SHORT = 16  # entries of a parameter that a failure quotes


@dataclass(frozen=True)
class Campaign:
    """What to compute.

    Args:
        model: The solver; a `LazyModel` if other processes have to build their own.
        sampler: Draws the model's inputs, a batch of one sample, from a generator; or a `Design`. If it has
            `outputs` (specs), those are stored too.
        size: Number of samples; more can be added later.
        seed: Sample i is drawn with ``numpy.random.default_rng([seed, i])``.
        title: What the data are, for people.
        licence: Under which licence they are.
    """

    model: ForwardModel
    sampler: Callable[[np.random.Generator], Arrays] | Design
    size: int
    seed: int = 0
    title: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        if self.size < 1 or self.seed < 0:
            raise ValueError(f"Campaign: expected size >= 1 and seed >= 0, got {self.size} and {self.seed}")

    @property
    def specs(self) -> tuple[Spec, ...]:
        """Specs of what is stored: what the sampler makes, the model's inputs and its outputs.

        Raises:
            ContractError: Sampler and model do not fit together.
        """
        drawn = {spec.name: spec for spec in getattr(self.sampler, "outputs", ())}
        for spec in self.model.inputs:
            if drawn.setdefault(spec.name, spec) != spec:
                raise ContractError(f"'{spec.name}': the sampler makes {drawn[spec.name]}, the model takes {spec}")
        return (*drawn.values(), *(spec for spec in self.model.outputs if spec.name not in drawn))

    @property
    def description(self) -> dict[str, Any]:
        """What makes the data, as JSON data."""
        return {"model": describe(self.model), "sampler": describe(self.sampler), "seed": self.seed}

    def draw(self, i: int) -> Arrays:
        """What the sampler makes for sample `i`, a batch of one."""
        if isinstance(self.sampler, Design):
            return self.sampler.draw(self.seed, i)
        return self.sampler(np.random.default_rng([self.seed, i]))

    def sample(self, i: int) -> dict[str, np.ndarray]:
        """Draw and solve sample `i`: everything that is stored, a batch of one."""
        return self._solved(self.draw(i))

    def outcome(self, i: int) -> Outcome:
        """Draw and solve sample `i`; an error becomes a `Failure`."""
        began = time.perf_counter()
        drawn: Arrays = {}
        with _last_line_logged() as log:
            try:
                drawn = self.draw(i)
                result: Arrays | Failure = self._solved(drawn)
            except Exception as error:  # a failure is data: it is recorded with its reason
                result = _failure(error, drawn, log.text)
                if isinstance(self.model, LazyModel):
                    self.model.forget()  # a bad sample may leave a solver that spoils the next ones
        return Outcome(i, result, time.perf_counter() - began)

    def parameters(self, i: int) -> dict[str, Any]:
        """What the sampler makes for sample `i` as JSON data (see `summary`)."""
        return summary(self.draw(i))

    def _solved(self, drawn: Arrays) -> dict[str, np.ndarray]:
        inputs = {name: drawn[name] for name in _names(self.model.inputs) if name in drawn}
        arrays = {**drawn, **self.model(check(inputs, self.model.inputs))}
        check(arrays, self.specs, "stored array")
        return arrays


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


def failure_table(failures: Mapping[int, Failure]) -> str:
    """Failures as a text table: kind, how many, and the first one with its message, parameters and log line."""
    rows = []
    for kind, count in Counter(f.kind for f in failures.values()).most_common():
        i, first = next((i, f) for i, f in failures.items() if f.kind == kind)
        rows.append((kind, count, i, first.message, str(dict(first.parameters)), first.log))
    widths = [None, None, None, 40, 40, 40]
    headers = ("failure", "samples", "such as", "message", "parameters", "log")
    return tabulate(rows, headers, maxcolwidths=widths, tablefmt="simple") if rows else ""


def failure_counts(failures: Mapping[int, Failure]) -> str:
    """How many samples failed in which way, in one line, with the first message."""
    counts = Counter(f.kind for f in failures.values()).most_common()
    return (
        ", ".join(f"{count} {kind}" for kind, count in counts) + f"; such as: {next(iter(failures.values())).message}"
    )


def generate(
    campaign: Campaign,
    path: Path | str,
    *,
    engine: "Engine | Executor | int | None" = None,
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
    engine = engine_of(engine)
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
    about = {"title": campaign.title, "licence": campaign.licence, "size": campaign.size}
    about = {key: value for key, value in about.items() if value}
    store = Store.create(path, campaign.specs, campaign.description, about)
    if "damaged" in redo:
        store.quarantine()
    if isinstance(campaign.sampler, Design):
        _write_design(campaign, campaign.sampler, store.path / "design.csv")
    k, n = part
    with closing(Writer(store, f"part-{k}-of-{n}")) as writer:
        state = _State(store, campaign.size, failure_limit, "failed" in redo)
        todo = [i for i in range(k, campaign.size, n) if i not in state.finished]
        progress = progress or (lambda _: None)
        progress(state.progress)
        state.check_limit()
        with closing(engine.results(campaign, iter(todo), writer.folder)) as results, writer.full_disk_said():
            for outcome in results:
                _store(writer, outcome, first=not state.times)
                state.add(outcome)
                progress(state.progress)
                state.check_limit()
    if len(store.numbers()):
        from genmech_fem.datasets.card import write_card  # the processes that solve do not need it

        write_card(store)
    return Report(
        len(state.finished),
        len(state.times),
        {i: f for i, f in store.failures().items() if i < campaign.size},
        time.perf_counter() - began,
        float(np.median(state.times or [0.0])),
    )


def _store(writer: Writer, outcome: Outcome, *, first: bool) -> None:
    i, result = outcome.number, outcome.result
    if isinstance(result, Path):
        writer.count(result)
    elif not isinstance(result, Failure):
        writer.add([i], result, {})
    elif first and result.kind == ContractError.__name__:  # a mistake in the campaign, not a bad sample
        raise ContractError(f"sample {i}: {result.message}")
    else:
        writer.add([], {}, {i: result})


class _State:
    """What is finished so far, and whether to go on."""

    def __init__(self, store: Store, size: int, limit: float, retry: bool) -> None:
        self.store, self.size, self.limit = store, size, limit
        self.failed = {} if retry else {i: f for i, f in store.failures().items() if i < size}
        self.finished = {i for i in store.numbers().tolist() if i < size} | set(self.failed)
        self.times: list[float] = []

    @property
    def progress(self) -> Progress:
        return Progress(len(self.finished), self.size, len(self.failed), len(self.times))

    def add(self, outcome: Outcome) -> None:
        self.finished.add(outcome.number)
        self.times.append(outcome.seconds)
        if isinstance(outcome.result, Failure):
            self.failed[outcome.number] = outcome.result

    def check_limit(self) -> None:
        if len(self.finished) >= ENOUGH and len(self.failed) > self.limit * len(self.finished):
            raise DatasetError(
                f"{self.store.path}: {len(self.failed)} of {len(self.finished)} samples failed, more than the limit of "
                f"{self.limit:.0%} ({failure_counts(self.failed)}): change the campaign, or raise failure_limit"
            )


def _names(specs: Collection[Spec]) -> list[str]:
    return [name for spec in specs for name in (spec.name, f"{spec.name}.mask")]


def _failure(error: Exception, drawn: Arrays, log: str) -> Failure:
    kind = next((word for cls, word in KINDS.items() if isinstance(error, cls)), type(error).__name__)
    where = traceback.extract_tb(error.__traceback__)[-1]
    return Failure(kind, str(error), summary(drawn), log or f"{Path(where.filename).name}:{where.lineno} {where.name}")


def summary(arrays: Arrays) -> dict[str, Any]:
    """Arrays as JSON data: small ones as lists, large ones as shape, mean and sha256."""
    return {
        name: array.ravel().tolist() if array.size <= SHORT else {"mean": float(np.mean(array)), **describe(array)}
        for name, array in arrays.items()
    }


class _LastLine(logging.Handler):
    """Keeps the last warning or error that was logged."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = f"{record.name}: {record.getMessage()}"


@contextmanager
def _last_line_logged() -> Iterator[_LastLine]:
    handler = _LastLine(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        yield handler
    finally:
        logging.getLogger().removeHandler(handler)


def _write_design(campaign: Campaign, design: Design, file: Path) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(design.table(campaign.seed, campaign.size))
    write_atomic(file, text.getvalue().encode())
