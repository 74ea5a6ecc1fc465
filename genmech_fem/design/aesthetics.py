"""What a design looks like: symmetry, length of its outline, likeness to a picture.

Total variation: Rudin, Osher and Fatemi (1992), doi:10.1016/0167-2789(92)90242-F; structural similarity: Wang et al.
(2004), doi:10.1109/TIP.2003.819861.
"""

from dataclasses import KW_ONLY, dataclass
from functools import lru_cache
from math import prod

import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter

from genmech_fem.design.features import SOLID, density
from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays
from genmech_fem.microstructure import minkowski_functionals
from genmech_fem.microstructure.images import check_axis

C1, C2 = 0.01**2, 0.03**2  # the usual constants for pictures from 0 to 1


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


@dataclass(frozen=True)
class TotalVariation:
    r"""A short outline: sum of :math:`\sqrt{|\nabla x|^2 + \epsilon^2} - \epsilon` over the cells.

    Differences are those to the next cell. Per side of the box (in 3D: per face); that of a box that is no square or
    cube is taken from the square or cube of its volume.

    Args:
        name: The density.
        smoothing: epsilon, in densities from a cell to the next.

    Raises:
        ValueError: The smoothing is not positive.
    """

    name: str = "density"
    smoothing: float = 1e-2

    def __post_init__(self) -> None:
        if not 0 < self.smoothing < np.inf:
            raise ValueError(f"smoothing: expected a number above 0, got {self.smoothing}")

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Length of the outline, shades counted by their contrast (batch,)."""
        x = density(arrays, self.name)
        return (self._steepness(_slopes(x)) - self.smoothing).reshape(len(x), -1).sum(axis=1) / _side(x)

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative by the density."""
        x = density(arrays, self.name)
        slopes = _slopes(x)
        directions = slopes / self._steepness(slopes)
        return {self.name: -sum(np.diff(d, axis=a, prepend=0.0) for a, d in enumerate(directions, 1)) / _side(x)}

    def measure(self, arrays: Arrays) -> np.ndarray:
        """Length (area in 3D) of the interface of solid and void, without the border of the box (batch,).

        By Crofton's formula, hence without the steps of cells; see `minkowski_functionals` for its accuracy.
        """
        x = density(arrays, self.name)
        # mirrored at the border, the image is periodic and has no interface there
        mirrored = np.pad(x, [(0, 0), *((0, n) for n in x.shape[1:])], mode="symmetric")
        found = minkowski_functionals(mirrored > SOLID)
        return found["perimeter" if x.ndim == 3 else "surface"] / 2 ** (x.ndim - 1) / _side(x)

    def _steepness(self, slopes: np.ndarray) -> np.ndarray:
        return np.sqrt((slopes**2).sum(axis=0) + self.smoothing**2)


@dataclass(frozen=True, eq=False)
class Similarity:
    """Like a picture: one minus the mean structural similarity, between 0 and 2.

    Args:
        reference: The picture (*grid), from 0 to 1.
        name: The density.
        width: Standard deviation of the Gaussian windows [cell]; 1.5 is usual to compare pictures, but windows in
            which the reference is flat give descent a hard way.

    Raises:
        ContractError: The reference is no picture.
        ValueError: The width is not positive.
    """

    reference: np.ndarray
    name: str = "density"
    _: KW_ONLY
    width: float = 3.0

    def __post_init__(self) -> None:
        if not 0 < self.width < np.inf:
            raise ValueError(f"width: expected a number above 0, got {self.width}")
        picture = density({self.name: np.asarray(self.reference)[None]}, self.name)[0]
        object.__setattr__(self, "reference", picture)

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """One minus the mean structural similarity (batch,)."""
        x = self._images(arrays)
        return 1 - self._similarity(x)[0].reshape(len(x), -1).mean(axis=1)

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative by the density."""
        x, y = self._images(arrays), self.reference
        _, by_mean, by_square, by_product = self._similarity(x)
        # the blur with reflection at the border is symmetric
        slope = self._blur(by_mean) + 2 * x * self._blur(by_square) + y * self._blur(by_product)
        return {self.name: -slope / y.size}

    def measure(self, arrays: Arrays) -> np.ndarray:
        """Intersection over union of the solid cells (batch,): large is alike, 1 if they are the same."""
        x, y = self._images(arrays) > SOLID, self.reference > SOLID
        both, either = ((x & y).reshape(len(x), -1).sum(axis=1), (x | y).reshape(len(x), -1).sum(axis=1))
        return np.where(either > 0, both / np.maximum(either, 1), 1.0)

    def _images(self, arrays: Arrays) -> np.ndarray:
        return density(arrays, self.name, self.reference.shape)

    def _blur(self, x: np.ndarray) -> np.ndarray:
        return gaussian_filter(x, (0, *[self.width] * self.reference.ndim), mode="reflect")

    def _similarity(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Map of the similarity, and its derivatives by the local means of x, x^2 and x times the reference."""
        y = self.reference[None]
        mean, other = self._blur(x), self._blur(y)
        luminance, brightness = 2 * mean * other + C1, mean**2 + other**2 + C1
        covariance = 2 * (self._blur(x * y) - mean * other) + C2
        variance = self._blur(x**2) - mean**2 + self._blur(y**2) - other**2 + C2
        scale = brightness * variance
        similarity = luminance * covariance / scale
        by_mean = 2 * other * (covariance - luminance) / scale - 2 * mean * similarity * (1 / brightness - 1 / variance)
        return similarity, by_mean, -similarity / variance, 2 * luminance / scale


def _slopes(x: np.ndarray) -> np.ndarray:
    """Difference to the next cell along each axis (axes, batch, *grid), 0 at the end."""
    return np.stack([np.diff(x, axis=a, append=np.take(x, [-1], a)) for a in range(1, x.ndim)])


def _side(x: np.ndarray) -> float:
    dimension = x.ndim - 1
    return float(x[0].size) ** ((dimension - 1) / dimension)


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
