"""A design with a short outline.

Rudin, Osher and Fatemi (1992), doi:10.1016/0167-2789(92)90242-F.
"""

from dataclasses import dataclass

import numpy as np

from genmech_fem.design.density_field import SOLID, density
from genmech_fem.fields import Arrays
from genmech_fem.microstructure import minkowski_functionals


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


def _slopes(x: np.ndarray) -> np.ndarray:
    """Difference to the next cell along each axis (axes, batch, *grid), 0 at the end."""
    return np.stack([np.diff(x, axis=a, append=np.take(x, [-1], a)) for a in range(1, x.ndim)])


def _side(x: np.ndarray) -> float:
    dimension = x.ndim - 1
    return float(x[0].size) ** ((dimension - 1) / dimension)
