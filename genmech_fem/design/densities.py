"""Design variables on a grid made into moduli: filter, projection, interpolation."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from genmech_fem.design.filters import Filter
from genmech_fem.design.interpolation import SIMP, Interpolation
from genmech_fem.design.projection import Projection


@dataclass(frozen=True)
class Densities:
    """A parametrisation by variables from 0 to 1, one a grid cell.

    Args:
        filter: From variables to smooth densities.
        interpolation: From densities to moduli.
        projection: From smooth to nearly black-and-white densities; None leaves them smooth.
    """

    filter: Filter
    interpolation: Interpolation = field(default_factory=SIMP)
    projection: Projection | None = None

    def __call__(self, variables: np.ndarray) -> np.ndarray:
        """Densities (*grid) of variables (*grid)."""
        smooth = self.filter(variables)
        return smooth if self.projection is None else self.projection(smooth)

    def pull_back(self, variables: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Exact derivative by the variables from that by the densities."""
        return self.filter.pull_back(self._before_projection(variables, gradient))

    def sensitivity(self, variables: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """What the optimiser takes for the derivative by the variables, from that by the densities."""
        return self.filter.sensitivity(variables, self._before_projection(variables, gradient))

    def volume(self, variables: np.ndarray) -> float:
        """Volume fraction; without a projection it is linear, which saves the filter."""
        if self.projection is None:
            return float(np.vdot(self._shares, variables))
        return float(self(variables).mean())

    def volume_gradient(self, variables: np.ndarray) -> np.ndarray:
        """Derivative (*grid) of the volume fraction by the variables."""
        return self._shares if self.projection is None else self.pull_back(variables, self._mean)

    @cached_property
    def _mean(self) -> np.ndarray:
        shape = self.filter.grid.shape
        return np.full(shape, 1 / np.prod(shape))

    @cached_property
    def _shares(self) -> np.ndarray:
        return self.filter.pull_back(self._mean)

    def _before_projection(self, variables: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        return gradient if self.projection is None else gradient * self.projection.derivative(self.filter(variables))
