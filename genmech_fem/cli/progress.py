"""Progress bars with the time left."""

import sys
from typing import Any

from tqdm import tqdm


def progress_bar(total: int, label: str, *, position: int = 0) -> "tqdm[Any]":
    """A bar on the standard error; where that is not a terminal, a line now and then."""
    interval = 0.2 if sys.stderr.isatty() else 10.0
    bar: tqdm[Any] = tqdm(
        total=total,
        desc=f"{label:<22}",
        position=position,
        mininterval=interval,
        maxinterval=interval,
        file=sys.stderr,
    )
    return bar


def advance(bar: "tqdm[Any]", done: int) -> None:
    """Move a bar on to `done` steps."""
    bar.update(done - bar.n)
