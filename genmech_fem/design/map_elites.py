"""Archives of different designs: MAP-Elites, Mouret and Clune (2015), doi:10.48550/arXiv.1504.04909.

The changes along lines between elites: Vassiliades and Mouret (2018), doi:10.1145/3205455.3205602.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from genmech_fem.design.search import Evaluation, Search, Space


@dataclass(frozen=True)
class MapElites:
    """Quality diversity: the best design in each cell of a grid of measures, found by changes of such designs.

    The first objective is made small, the others are the measures. Designs outside the ranges, or that break
    constraints, have no cell. It ends when the loop ends it.

    Args:
        ranges: Least and largest value of each measure.
        cells: Number of cells along each.
        sigma: Standard deviation of a change, in the unit of the design variables.
        line: Standard deviation of a change along the line to another elite, over the distance to it.
        batch: Designs per generation, evaluated as one batch.
        seed: Seed of the proposals.

    Raises:
        ValueError: The settings do not fit each other, or are not positive.
    """

    gradients: ClassVar[bool] = False
    ranges: tuple[tuple[float, float], ...]
    cells: tuple[int, ...]
    sigma: float
    line: float = 0.2
    batch: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        check_cells(self.ranges, self.cells)
        if not (0 < self.sigma < np.inf and 0 <= self.line < np.inf and self.batch >= 1):
            raise ValueError(
                f"MapElites: expected sigma > 0, line >= 0 and batch >= 1, got {self.sigma}, {self.line}, {self.batch}"
            )

    def search(self, space: Space) -> Search:
        """See `Optimizer`."""
        space.check("MapElites", objectives=1 + len(self.ranges))
        generator = np.random.default_rng(self.seed)
        elites: dict[int, tuple[float, np.ndarray]] = {}
        designs = space.start
        while True:
            self._add(elites, designs, (yield designs))
            parents = np.stack([design for _, design in elites.values()]) if elites else space.start
            one, two = parents[generator.integers(len(parents), size=(2, self.batch))]
            change = self.sigma * generator.standard_normal(one.shape)
            change += self.line * generator.standard_normal((self.batch, 1)) * (two - one)
            designs = np.clip(one + change, space.lower, space.upper)

    def _add(self, elites: dict[int, tuple[float, np.ndarray]], designs: np.ndarray, found: Evaluation) -> None:
        """Keep designs that are the best of their cells."""
        cells = cell_numbers(found.values[:, 1:], self.ranges, self.cells)
        for i in np.flatnonzero((cells >= 0) & (found.constraints <= 0).all(axis=1)):
            cell, value = int(cells[i]), float(found.values[i, 0])
            if cell not in elites or value < elites[cell][0]:
                elites[cell] = value, designs[i]


def cell_numbers(measures: np.ndarray, ranges: Sequence[tuple[float, float]], cells: Sequence[int]) -> np.ndarray:
    """Number of the cell of each row of measures (batch, measures), -1 outside the ranges.

    Args:
        measures: Measures of designs.
        ranges: Least and largest value of each measure, both inside.
        cells: Number of cells along each.
    """
    low, high = np.array(ranges, dtype=float).T
    share = (measures - low) / (high - low)
    inside = ((share >= 0) & (share <= 1)).all(axis=1)
    places = np.minimum(share[inside] * cells, np.subtract(cells, 1)).astype(int)
    numbers = np.full(len(measures), -1)
    numbers[inside] = np.ravel_multi_index(tuple(places.T), tuple(cells))
    return numbers


def check_cells(ranges: Sequence[tuple[float, float]], cells: Sequence[int]) -> None:
    """Refuse what is no grid of measures.

    Raises:
        ValueError: The numbers of ranges and cells differ, a range is empty, or a number of cells is not positive.
    """
    fits = len(ranges) == len(cells) > 0 and all(-np.inf < low < high < np.inf for low, high in ranges)
    if not (fits and min(cells) >= 1):
        raise ValueError(f"expected a range (least, largest) and cells for each measure, got {ranges} and {cells}")
