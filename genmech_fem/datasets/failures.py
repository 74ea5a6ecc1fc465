"""Samples that failed: why, told by the error, and all of them in a table."""

import logging
import traceback
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from genmech_fem.datasets.blocks import Failure
from genmech_fem.datasets.provenance import describe
from genmech_fem.errors import ConvergenceError, MeshingError, NotFiniteError
from genmech_fem.fields import Arrays

KINDS: dict[type[Exception], str] = {
    ConvergenceError: "diverged",
    MeshingError: "not meshed",
    NotFiniteError: "not finite",
    MemoryError: "out of memory",
}
SHORT = 16  # entries of a parameter that a failure quotes


def failure_of(error: Exception, drawn: Arrays, log: str) -> Failure:
    """The failure of a sample.

    Args:
        error: What ended it.
        drawn: Its inputs, a batch of one.
        log: The last line that it wrote to the log; the line of code where it ended stands for an empty one.
    """
    kind = next((word for cls, word in KINDS.items() if isinstance(error, cls)), type(error).__name__)
    return Failure(kind, str(error), summary(drawn), log or _place(error))


def _place(error: BaseException) -> str:
    """The line of code where an error began: that of its cause, where it was raised from one."""
    while error.__cause__ is not None and error.__cause__.__traceback__ is not None:
        error = error.__cause__
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(where.filename).name}:{where.lineno} {where.name}"


def summary(arrays: Arrays) -> dict[str, Any]:
    """Arrays as JSON data: small ones as lists, large ones as shape, mean and sha256."""
    return {
        name: array.ravel().tolist() if array.size <= SHORT else {"mean": float(np.mean(array)), **describe(array)}
        for name, array in arrays.items()
    }


def failure_table(failures: Mapping[int, Failure]) -> str:
    """Failures as a text table: kind, how many, and the first one with its message, parameters and log line."""
    rows = [
        (kind, count, number, first.message, str(dict(first.parameters)), first.log)
        for kind, count, number, first in by_kind(failures)
    ]
    widths = [None, None, None, 40, 40, 40]
    headers = ("failure", "samples", "such as", "message", "parameters", "log")
    return tabulate(rows, headers, maxcolwidths=widths, tablefmt="simple") if rows else ""


def failure_counts(failures: Mapping[int, Failure]) -> str:
    """How many samples failed in which way, in one line, with the first message."""
    counts = ", ".join(f"{count} {kind}" for kind, count, *_ in by_kind(failures))
    return f"{counts}; such as: {next(iter(failures.values())).message}"


def by_kind(failures: Mapping[int, Failure]) -> Iterator[tuple[str, int, int, Failure]]:
    """Kinds of failures, the most frequent first: kind, how many, and number and failure of the first sample."""
    for kind, count in Counter(failure.kind for failure in failures.values()).most_common():
        number, first = next((i, f) for i, f in failures.items() if f.kind == kind)
        yield kind, count, number, first


class LastLine(logging.Handler):
    """Keeps the last warning or error that was logged."""

    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        self.text = f"{record.name}: {record.getMessage()}"


@contextmanager
def last_line_logged() -> Iterator[LastLine]:
    """Listen to the log of everything in this block."""
    handler = LastLine(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        yield handler
    finally:
        logging.getLogger().removeHandler(handler)
