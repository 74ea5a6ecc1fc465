"""Errors of a batch that say which of its samples failed."""

from collections.abc import Iterator
from contextlib import contextmanager

from genmech_fem.errors import ConvergenceError, MeshingError


@contextmanager
def naming_sample(i: int) -> Iterator[None]:
    """Put the number of the sample before what a failed mesh or solve says."""
    try:
        yield
    except (ConvergenceError, MeshingError, ValueError) as error:
        raise type(error)(f"sample {i}: {error}") from error
