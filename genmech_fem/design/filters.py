"""Filters of densities on a grid, which give a design a smallest feature size.

Bruns and Tortorelli (2001), doi:10.1016/S0045-7825(00)00278-4 (densities); Sigmund (1997),
doi:10.1080/08905459708945415 (sensitivities).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from scipy import sparse
from scipy.spatial import KDTree

from genmech_fem.fields import Grid

_LEAST_DENSITY = 1e-3


class Filter(Protocol):
    """A linear map from variables to densities, both (batch, *grid), and what an optimiser sees of gradients."""

    @property
    def grid(self) -> Grid:
        """Where the variables and densities are."""

    def __call__(self, variables: np.ndarray) -> np.ndarray:
        """Densities of the variables."""

    def pull_back(self, gradient: np.ndarray) -> np.ndarray:
        """Derivative with respect to the variables from that with respect to the densities."""

    def sensitivity(self, variables: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """What the optimiser takes for the derivative of the objective by the variables."""


def hat_matrix(grid: Grid, radius: float) -> sparse.csr_array:
    r"""Make the weights :math:`w_{ij} \propto \max(0, r - |x_i - x_j|)`, the sum of each row being 1.

    Args:
        grid: Grid of any dimension; its points are numbered in the order of ``array.ravel()``.
        radius: r [length]; below the spacing the matrix is the identity.

    Returns:
        Matrix (points, points).

    Raises:
        ValueError: The radius is not positive.
    """
    if not 0 < radius < np.inf:
        raise ValueError(f"radius: expected a finite positive length, got {radius}")
    tree = KDTree(grid.points())
    distances = tree.sparse_distance_matrix(tree, radius, output_type="coo_matrix")
    weights = sparse.csr_array((radius - distances.data, (distances.row, distances.col)), shape=distances.shape)
    return sparse.csr_array(sparse.diags_array(1 / weights.sum(axis=1)) @ weights)


@dataclass(frozen=True)
class DensityFilter:
    """A density is the mean of the variables around it, weighted by a linear hat.

    Args:
        grid: Where the densities are.
        radius: Radius of the hat [length].

    Raises:
        ValueError: The radius is not positive.
    """

    grid: Grid
    radius: float

    def __post_init__(self) -> None:
        _ = self.matrix

    @cached_property
    def matrix(self) -> sparse.csr_array:
        """The `hat_matrix`."""
        return hat_matrix(self.grid, self.radius)

    def __call__(self, variables: np.ndarray) -> np.ndarray:
        """Densities (batch, *grid)."""
        return self._times(self.matrix, variables)

    def pull_back(self, gradient: np.ndarray) -> np.ndarray:
        """Product (batch, *grid) with the transposed matrix."""
        return self._times(self._transposed, gradient)

    def sensitivity(self, variables: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """The exact derivative (batch, *grid), `pull_back`."""
        del variables
        return self.pull_back(gradient)

    @cached_property
    def _transposed(self) -> sparse.csr_array:
        return sparse.csr_array(self.matrix.T)

    @staticmethod
    def _times(matrix: sparse.csr_array, fields: np.ndarray) -> np.ndarray:
        return (matrix @ fields.reshape(len(fields), -1).T).T.reshape(fields.shape)


@dataclass(frozen=True)
class SensitivityFilter:
    """The variables are the densities; the derivative of the objective is smoothed instead, which is a heuristic.

    Args:
        grid: Where the densities are.
        radius: Radius of the hat [length].

    Raises:
        ValueError: The radius is not positive.
    """

    grid: Grid
    radius: float

    def __post_init__(self) -> None:
        _ = self._smooth

    @cached_property
    def _smooth(self) -> DensityFilter:
        return DensityFilter(self.grid, self.radius)

    def __call__(self, variables: np.ndarray) -> np.ndarray:
        """The variables."""
        return variables

    def pull_back(self, gradient: np.ndarray) -> np.ndarray:
        """The gradient (batch, *grid)."""
        return gradient

    def sensitivity(self, variables: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Weighted mean (batch, *grid) of x dc/dx around each point, divided by x."""
        return self._smooth(variables * gradient) / np.maximum(_LEAST_DENSITY, variables)
