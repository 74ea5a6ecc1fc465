"""Progress bars with the time left."""

import sys

from tqdm import tqdm


def progress_bar(total: int, label: str) -> "tqdm[None]":
    """A bar on the standard error; where that is not a terminal, a line now and then."""
    interval = 0.2 if sys.stderr.isatty() else 10.0
    return tqdm(total=total, desc=f"{label:<22}", mininterval=interval, maxinterval=interval, file=sys.stderr)
