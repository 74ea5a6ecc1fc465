r"""Smallest feature size: what an opening or a closing with a disc would change.

Sigmund (2007), doi:10.1007/s00158-006-0087-x; open-close filters: Svanberg and Svärd (2013),
doi:10.1007/s00158-013-0938-8.
"""

from dataclasses import KW_ONLY, dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import binary_dilation, binary_erosion, convolve

from genmech_fem.design.density_field import SOLID, Pull, cell_mean, density
from genmech_fem.fields import Arrays


@dataclass(frozen=True)
class MinimumFeature:
    r"""Solid and void features are nowhere smaller than a disc (2D) or ball (3D).

    Mean over the cells of :math:`(x - o(x))^2 + (x - c(x))^2` with the opening o, a dilation of an erosion, and the
    closing c, an erosion of a dilation. The dilation is the smooth maximum :math:`\log(\mathrm{mean}\, e^{\beta x})
    / \beta` over the cells of the disc, the erosion the same of -x. Cells outside the grid are left out: a feature
    at the border counts as if it went on there.

    Args:
        radius: Radius of the disc [length]; a cell is in it if its centre is.
        name: The density.
        spacing: Edge of a cell [length].
        sharpness: beta [1]; at infinity the value of a binary density is that of `measure`. A sharp edge of a good
            feature costs up to :math:`(\log n / \beta)^2` with n cells in the disc.

    Raises:
        ValueError: The disc holds one cell only, or a number is out of its range.
    """

    radius: float
    name: str = "density"
    _: KW_ONLY
    spacing: float = 1.0
    sharpness: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.spacing <= self.radius < np.inf:
            raise ValueError(
                f"MinimumFeature: expected 0 < spacing <= radius, got a radius of {self.radius} and a spacing of "
                f"{self.spacing}: a smaller disc is one cell, which changes nothing"
            )
        if not 0 < self.sharpness <= 300:
            raise ValueError(f"sharpness: expected a number above 0, at most 300, got {self.sharpness}")

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Mean squared change by opening and by closing (batch,)."""
        x = density(arrays, self.name)
        return cell_mean(self._opened(x)[0] ** 2 + self._opened(1 - x)[0] ** 2)

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative by the density."""
        return self.value_and_gradient(arrays)[1]

    def value_and_gradient(self, arrays: Arrays) -> tuple[np.ndarray, Arrays]:
        """Value (batch,) and gradient (batch, *grid), which share their openings."""
        x = density(arrays, self.name)
        (solid, from_solid), (void, from_void) = self._opened(x), self._opened(1 - x)
        slope = 2 / x[0].size * (from_solid(solid) - from_void(void))
        return cell_mean(solid**2 + void**2), {self.name: slope}

    def measure(self, arrays: Arrays) -> np.ndarray:
        """Share of the cells that the binary opening or closing with the disc changes (batch,)."""
        solid = density(arrays, self.name) > SOLID
        disc = _disc(self.radius, self.spacing, solid.ndim - 1)
        changed = (solid & ~_opening(solid, disc)) | (~solid & ~_opening(~solid, disc))
        return cell_mean(changed)

    def _opened(self, x: np.ndarray) -> tuple[np.ndarray, Pull]:
        """What the opening takes away (batch, *grid), and the transpose of its derivative."""
        eroded, first = self._dilated(-x)
        opened, second = self._dilated(-eroded)
        return x - opened, lambda y: y - first(second(y))

    def _dilated(self, x: np.ndarray) -> tuple[np.ndarray, Pull]:
        """Smooth maximum over the disc around each cell, and the transpose of its derivative."""
        disc = _disc(self.radius, self.spacing, x.ndim - 1).astype(float)
        count = _count(self.radius, self.spacing, x.shape[1:])
        exponential = np.exp(self.sharpness * x)
        total = convolve(exponential, disc, mode="constant")
        maximum = np.log(total / count) / self.sharpness
        return maximum, lambda y: exponential * convolve(y / total, disc, mode="constant")


def _opening(solid: np.ndarray, disc: np.ndarray) -> np.ndarray:
    return binary_dilation(binary_erosion(solid, disc, border_value=1), disc)


@lru_cache(maxsize=4)
def _disc(radius: float, spacing: float, dimension: int) -> np.ndarray:
    """The cells of the disc, with an axis for the batch."""
    reach = int(radius / spacing + 1e-9)
    square = sum(np.meshgrid(*[np.arange(-reach, reach + 1) ** 2] * dimension, indexing="ij"))
    return np.asarray(square * spacing**2 <= radius**2 * (1 + 1e-9))[None]


@lru_cache(maxsize=4)
def _count(radius: float, spacing: float, shape: tuple[int, ...]) -> np.ndarray:
    """Number of the cells of the disc around each cell that are on the grid (1, *grid)."""
    return convolve(np.ones((1, *shape)), _disc(radius, spacing, len(shape)).astype(float), mode="constant")
