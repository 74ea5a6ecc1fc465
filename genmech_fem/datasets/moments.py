"""Statistics of the arrays of a data set, batch by batch.

Chan, Golub and LeVeque (1983), doi:10.1080/00031305.1983.10483115.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from genmech_fem.datasets.store import Store
from genmech_fem.errors import ContractError, DatasetError
from genmech_fem.fields import Arrays, Spec

BATCH_BYTES = 2**25
MANY_POINTS = 10_000  # stands for a number of points that differs by sample


@dataclass(frozen=True, eq=False)
class Statistics:
    """Statistics of one array over samples and points, for each component [unit of the array].

    Attributes:
        mean: Means (channels,); the value shape is flattened as in `FieldSpec.channel_shape`.
        std: Standard deviations (channels,), without Bessel's correction.
        minimum: Smallest values (channels,).
        maximum: Largest values (channels,).
        count: Number of values of each component.
    """

    mean: np.ndarray
    std: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray
    count: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; `from_json` gives the same numbers back."""
        return {field.name: np.asarray(getattr(self, field.name)).tolist() for field in fields(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Statistics":
        """Make statistics from what `to_json` wrote.

        Raises:
            ContractError: The data does not describe statistics.
        """
        try:
            values = {name: np.array(data[name], dtype=np.float64) for name in ("mean", "std", "minimum", "maximum")}
            if len({array.shape for array in values.values()}) > 1 or values["mean"].ndim != 1:
                raise ValueError("arrays of different shapes")
            return cls(**values, count=int(data["count"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ContractError(f"expected the JSON of Statistics, got {data!r} ({error})") from error


def statistics(
    store: Store, numbers: Sequence[int] | np.ndarray | None = None, names: Sequence[str] | None = None
) -> dict[str, Statistics]:
    """Compute the statistics of stored arrays; the memory does not grow with the set.

    Args:
        store: The data set.
        numbers: The samples that count, usually those for training; None is all.
        names: The arrays; None is all.

    Raises:
        DatasetError: There are no samples, or a number or a name is unknown.
    """
    specs = store.specs_of(names)
    batches = store.batches(batch_size(spec.shape for spec in specs), numbers, names)
    found = statistics_of((arrays for _, arrays in batches), specs)
    if any(not one.count for one in found.values()):
        raise DatasetError(f"{store.path}: expected samples to compute statistics of, got none")
    return found


def batch_size(shapes: Iterable[tuple[int, ...]]) -> int:
    """Number of samples whose arrays, each of a shape, fit into `BATCH_BYTES`; -1 is any number of points."""
    numbers = sum(math.prod(n if n >= 0 else MANY_POINTS for n in shape) for shape in shapes)
    return max(1, BATCH_BYTES // (8 * max(numbers, 1)))


def statistics_of(batches: Iterable[Arrays], specs: Sequence[Spec]) -> dict[str, Statistics]:
    """Compute the statistics of arrays that come in batches, with the masks of padded fields."""
    running = {spec.name: _Running(spec.channel_shape[0]) for spec in specs}
    for arrays in batches:
        for spec in specs:
            running[spec.name].add(_components(arrays[spec.name], arrays.get(f"{spec.name}.mask"), spec))
    return {name: one.result() for name, one in running.items()}


class _Running:
    """Statistics of what was added so far.

    Sums are taken of differences from the first value: without that offset the digits
    would be lost of values that vary little about a large mean.
    """

    def __init__(self, channels: int) -> None:
        self.count = 0
        self.offset, self.mean, self.squares = np.zeros((3, channels))
        self.minimum, self.maximum = np.full((2, channels), [[np.inf], [-np.inf]])

    def add(self, values: np.ndarray) -> None:
        """Add values (channels, n)."""
        if not values.size:
            return
        if not self.count:
            self.offset = values[:, 0].copy()
        self.minimum = np.minimum(self.minimum, values.min(axis=1))
        self.maximum = np.maximum(self.maximum, values.max(axis=1))
        values = values - self.offset[:, None]
        count, mean = values.shape[1], values.mean(axis=1)
        both, apart = self.count + count, mean - self.mean
        self.squares += ((values - mean[:, None]) ** 2).sum(axis=1) + apart**2 * (self.count * count / both)
        self.mean += apart * (count / both)
        self.count = both

    def result(self) -> Statistics:
        std = np.sqrt(self.squares / max(self.count, 1))
        return Statistics(self.offset + self.mean, std, self.minimum, self.maximum, self.count)


def _components(array: np.ndarray, mask: np.ndarray | None, spec: Spec) -> np.ndarray:
    """Values of each component (channels, n) at the points of all samples."""
    channels = spec.channel_shape[0]
    values = np.moveaxis(array.reshape(len(array), channels, -1), 1, 0)
    return values.reshape(channels, -1).astype(np.float64) if mask is None else values[:, mask].astype(np.float64)
