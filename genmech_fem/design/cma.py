"""Covariance matrix adaptation: Hansen (2016), doi:10.48550/arXiv.1604.00772."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from cmaes import CMA

from genmech_fem.design.search import Search, Space


@dataclass(frozen=True)
class CMAES:
    """CMA-ES: without gradients, for up to some hundred variables.

    A design that breaks constraints counts as worse than all of its generation that keep them.

    Args:
        sigma: First standard deviation, in the unit of the design variables.
        seed: Seed of the proposals.
        population: Proposals per generation, evaluated as one batch, at least 4; None takes the usual number.

    Raises:
        ValueError: The deviation is not positive, or the population too small.
    """

    gradients: ClassVar[bool] = False
    sigma: float
    seed: int = 0
    population: int | None = None

    def __post_init__(self) -> None:
        if not (0 < self.sigma < np.inf and (self.population is None or self.population >= 4)):
            raise ValueError(f"CMAES: expected sigma > 0 and population >= 4, got {self.sigma} and {self.population}")

    def search(self, space: Space) -> Search:
        """See `Optimizer`."""
        start, bounds = space.single("CMAES"), np.stack([space.lower, space.upper], axis=1)
        search = CMA(start, self.sigma, bounds=bounds, seed=self.seed, population_size=self.population)
        while not search.should_stop():
            proposals = np.stack([search.ask() for _ in range(search.population_size)])
            found = yield proposals
            search.tell(list(zip(proposals, ranked(found.values[:, 0], found.constraints).tolist(), strict=True)))
        return "CMA-ES: converged"


def ranked(values: np.ndarray, constraints: np.ndarray) -> np.ndarray:
    """Values (batch,), and above all of them those of designs that break constraints (batch, constraints)."""
    broken = np.maximum(constraints, 0.0).sum(axis=1)
    return np.where(broken > 0, values.max() + broken, values)
