"""Random access to the samples of a store."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from genmech_fem.datasets.blocks import Block, join
from genmech_fem.errors import DatasetError
from genmech_fem.fields import Spec


class Samples:
    """Random access to the samples of a store: ``samples[rows]`` are arrays (rows, *spec.shape).

    Raises:
        DatasetError: There are no samples.
    """

    def __init__(self, path: Path, specs: Sequence[Spec], blocks: Sequence[Block]) -> None:
        self.path, self.specs = path, tuple(specs)
        self._blocks = [block for block in blocks if len(block.numbers)]
        if not self._blocks:
            raise DatasetError(f"{path} holds no finished samples: run the campaign first")
        self.numbers, first = np.unique(np.concatenate([b.numbers for b in self._blocks]), return_index=True)
        ends = np.cumsum([len(b.numbers) for b in self._blocks])
        self._block = np.searchsorted(ends, first, side="right")
        self._row = first - np.concatenate([[0], ends])[self._block]

    def __len__(self) -> int:
        return len(self.numbers)

    def rows_of(self, numbers: np.ndarray) -> np.ndarray:
        """Rows of samples by their numbers.

        Raises:
            DatasetError: One is not among the good samples.
        """
        rows = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        missing = np.asarray(numbers)[self.numbers[rows] != numbers]
        if len(missing):
            raise DatasetError(f"{self.path}: sample {missing[0]} is not among its {len(self)} good samples")
        return rows

    def __getitem__(self, rows: np.ndarray | Sequence[int]) -> dict[str, np.ndarray]:
        """Arrays of the samples in `rows`, in their order."""
        rows = np.asarray(rows, dtype=np.int64)
        if not len(rows):
            raise DatasetError(f"{self.path}: expected at least one sample, got none")
        order = np.argsort(self._block[rows], kind="stable")
        starts = np.flatnonzero(np.diff(self._block[rows[order]], prepend=-1))
        parts = [rows[part] for part in np.split(order, starts[1:])]
        back = np.argsort(order)
        joined: dict[str, np.ndarray] = {}
        for spec in self.specs:
            found = [self._blocks[self._block[part[0]]].rows(spec, self._row[part]) for part in parts]
            joined |= join(spec, found)
        return {name: array[back] for name, array in joined.items()}
