"""A design that looks like its mirror image, or like itself after a part of a turn."""

from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from math import prod

import numpy as np
from scipy import sparse

from genmech_fem.design.density_field import SOLID, density
from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays
from genmech_fem.microstructure.images import check_axis


@dataclass(frozen=True)
class Symmetry:
    """Like its mirror image, or like itself after an n-th of a turn: mean squared difference to that image.

    Args:
        axis: Axis of the grid that the mirror reverses, 0 for x; unused with an order.
        name: The density.
        order: n of a turn about the centre of a 2D grid, instead of a mirror: 5 for a wheel of five spokes. Linear
            between cells; cells that the turn moves off the grid are left out.

    Raises:
        ValueError: The order is below 2.
    """

    axis: int = 0
    name: str = "density"
    _: KW_ONLY
    order: int | None = None

    def __post_init__(self) -> None:
        if self.order is not None and self.order < 2:
            raise ValueError(f"order: expected a part of a turn, 2 or more, got {self.order}")

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Mean squared difference (batch,)."""
        matrix, x = self._difference(density(arrays, self.name))
        return ((matrix @ x.T) ** 2).sum(axis=0) / matrix.shape[0]

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative by the density."""
        field = density(arrays, self.name)
        matrix, x = self._difference(field)
        return {self.name: 2 / matrix.shape[0] * (matrix.T @ (matrix @ x.T)).T.reshape(field.shape)}

    def measure(self, arrays: Arrays) -> np.ndarray:
        """Share of the cells that are solid in one of the two images only (batch,)."""
        matrix, x = self._difference((density(arrays, self.name) > SOLID).astype(float))
        return (np.abs(matrix @ x.T) > SOLID).sum(axis=0) / matrix.shape[0]

    def _difference(self, field: np.ndarray) -> tuple[sparse.csr_array, np.ndarray]:
        """Matrix of the difference to the image, and the field as rows (batch, cells)."""
        if self.order is None:
            check_axis(self.axis, field)
            matrix = _less_mirrored(field.shape[1:], self.axis)
        elif field.ndim == 3:
            matrix = _less_turned(field.shape[1:], 2 * np.pi / self.order)
        else:
            raise ContractError(f"Symmetry: expected a 2D field to turn, got shape {field.shape}: take a mirror's axis")
        return matrix, field.reshape(len(field), -1)


@lru_cache(maxsize=4)
def _less_mirrored(shape: tuple[int, ...], axis: int) -> sparse.csr_array:
    cells = np.arange(prod(shape)).reshape(shape)
    mirror = sparse.csr_array((np.ones(cells.size), (cells.ravel(), np.flip(cells, axis).ravel())))
    return sparse.csr_array(sparse.eye_array(cells.size) - mirror)


@lru_cache(maxsize=4)
def _less_turned(shape: tuple[int, ...], angle: float) -> sparse.csr_array:
    """Rows of the cells that stay on the grid."""
    most = np.array(shape) - 1
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    places = (np.indices(shape).reshape(2, -1).T - most / 2) @ turn.T + most / 2
    places = np.round(places, 9)  # a quarter of a turn moves cells onto cells
    stays = np.flatnonzero(((places >= 0) & (places <= most)).all(axis=1))
    low = np.floor(places[stays]).astype(int)
    share = places[stays] - low
    result = sparse.eye_array(prod(shape), format="csr")[stays]
    for corner in np.ndindex(2, 2):
        weight = np.where(corner, share, 1 - share).prod(axis=1)
        column = np.ravel_multi_index(tuple(np.minimum(low + corner, most).T), shape)
        result = result - sparse.csr_array((weight, (np.arange(len(stays)), column)), shape=result.shape)
    return sparse.csr_array(result)
