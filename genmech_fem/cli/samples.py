"""Samples for a surrogate from data sets, or from parts of their splits."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genmech_fem.datasets import Store, read_splits
from genmech_fem.errors import ContractError, DatasetError
from genmech_fem.fields import Spec

type Pairs = tuple[np.ndarray, np.ndarray]
"""Inputs and outputs (samples, ...)."""


def open_part(source: str) -> tuple[Store, np.ndarray]:
    """The store ``FOLDER[:PART]``, and the numbers of its samples.

    Raises:
        DatasetError: There is no such store or part.
    """
    folder, colon, part = source.rpartition(":")
    store = Store.open(folder if colon and Path(folder).is_dir() else source)
    numbers = store.numbers()
    if colon and Path(folder).is_dir():
        parts = read_splits(store)
        if part not in parts:
            raise DatasetError(f"{folder}: expected a part of its split, one of {sorted(parts)}, got '{part}'")
        numbers = np.intersect1d(parts[part], numbers)
    return store, numbers


def read_pairs(store: Store, numbers: np.ndarray, names: Sequence[str], count: int | None = None) -> Pairs:
    """Two arrays of the first of these samples.

    Raises:
        DatasetError: An array is unknown.
    """
    arrays = store.read(numbers[:count], names)[1]
    return arrays[names[0]], arrays[names[1]]


def read_fitting(source: str, specs: Sequence[Spec], count: int | None = None) -> Pairs:
    """The input and the output of a surrogate, by their specs, of the first samples of ``FOLDER[:PART]``.

    Raises:
        DatasetError: There is no such store, part or array.
        ContractError: Its arrays have another grid, other components or another unit than those of the surrogate.
    """
    store, numbers = open_part(source)
    wanted = {spec.name: spec for spec in specs}
    for spec in store.specs:
        if wanted.get(spec.name, spec) != spec:
            raise ContractError(f"{source}: expected {wanted[spec.name]} of the surrogate, got {spec}")
    return read_pairs(store, numbers, list(wanted), count)
