"""Covariance matrix adaptation that fills an archive, of the package pyribs.

CMA-ME: Fontaine, Togelius, Hoover and Nikolaidis (2020), doi:10.1145/3377930.3390232.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from genmech_fem.design.map_elites import check_cells
from genmech_fem.design.search import Search, Space
from genmech_fem.errors import require


@dataclass(frozen=True)
class CMAME:
    """Quality diversity as `MapElites`, by changes that adapt to what fills or improves cells.

    Each start has a distribution of its own. A measure outside its range counts to the nearest cell. It ends when the
    loop ends it.

    Args:
        ranges: Least and largest value of each measure.
        cells: Number of cells along each.
        sigma: First standard deviation, in the unit of the design variables.
        batch: Designs per generation and start, evaluated as one batch.
        seed: Seed of the proposals.

    Raises:
        ValueError: The settings do not fit each other, or are not positive.
    """

    gradients: ClassVar[bool] = False
    ranges: tuple[tuple[float, float], ...]
    cells: tuple[int, ...]
    sigma: float
    batch: int = 36
    seed: int = 0

    def __post_init__(self) -> None:
        check_cells(self.ranges, self.cells)
        if not (0 < self.sigma < np.inf and self.batch >= 4):
            raise ValueError(f"CMAME: expected sigma > 0 and batch >= 4, got {self.sigma} and {self.batch}")

    def search(self, space: Space) -> Search:
        """See `Optimizer`.

        Raises:
            MissingExtraError: The package ribs is not installed.
        """
        require("ribs", "diversity")
        from ribs.archives import GridArchive
        from ribs.emitters import EvolutionStrategyEmitter
        from ribs.schedulers import Scheduler

        space.check("CMAME", objectives=1 + len(self.ranges), constraints=False)
        archive = GridArchive(solution_dim=space.lower.size, dims=self.cells, ranges=self.ranges, seed=self.seed)
        emitters = [
            EvolutionStrategyEmitter(archive, x0=start, sigma0=self.sigma, batch_size=self.batch, seed=self.seed + i)
            for i, start in enumerate(space.start)
        ]
        scheduler = Scheduler(archive, emitters)
        while True:  # bounds given to an emitter make it draw for ever in a corner
            found = yield np.clip(scheduler.ask(), space.lower, space.upper)
            scheduler.tell(-found.values[:, 0], found.values[:, 1:])
