"""Overhangs in additive manufacturing: each cell needs support by the layer below.

2D: Langelaar (2017), doi:10.1007/s00158-016-1522-2; 3D: Langelaar (2016), doi:10.1016/j.addma.2016.06.010.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation, convolve, generate_binary_structure

from genmech_fem.design.density_field import SOLID, Pull, cell_mean, density
from genmech_fem.fields import Arrays
from genmech_fem.microstructure.images import check_axis

POWER = 40
"""Exponent P of the smooth maximum, which is exact where all supporters have the density 1/2."""
SMOOTHING = 1e-4
"""Square of the distance over which the smooth minimum is round."""
SHIFT = 100 * float(np.finfo(float).tiny) ** (1 / POWER)
"""Added to the supporters, as the smooth maximum has an infinite derivative at 0."""


@dataclass(frozen=True)
class PrintFilter:
    """Densities as a printer makes them that builds layer on layer and cannot overhang by more than 45 degrees.

    A cell gets the smooth minimum of its density and of the smooth maximum of its supporters in the layer below: the
    cell under it and the 2 (2D) or 4 (3D) face neighbours of that one. The first layer lies on the base plate.
    Between design variables and a solver it makes every design printable.

    Args:
        axis: Build direction, from its low end on; 0 is x.
    """

    axis: int = 1

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Printed densities (batch, *grid) of densities (batch, *grid).

        Raises:
            ValueError: The grid has no such axis.
        """
        return self.linearize(x)[0]

    def pull_back(self, x: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Exact derivative by the densities (batch, *grid) from that by the printed ones."""
        return self.linearize(x)[1](gradient)

    def linearize(self, x: np.ndarray) -> tuple[np.ndarray, Pull]:
        """Printed densities (batch, *grid), and the transpose of their derivative."""
        layers = self.layers(x).astype(float)
        printed, supports = layers.copy(), []
        for k in range(1, len(layers)):
            support, _ = found = _support(printed[k - 1])
            printed[k] = (layers[k] + support - _distance(layers[k], support) + SMOOTHING**0.5) / 2
            supports.append(found)

        def pull_back(gradient: np.ndarray) -> np.ndarray:
            slope = self.layers(gradient).astype(float)
            for k in range(len(layers) - 1, 0, -1):
                support, back = supports[k - 1]
                tilt = (layers[k] - support) / _distance(layers[k], support)
                slope[k - 1] += back(slope[k] * (1 + tilt) / 2)
                slope[k] *= (1 - tilt) / 2
            return self._grid(slope)

        return self._grid(printed), pull_back

    def layers(self, x: np.ndarray) -> np.ndarray:
        """Layers (n, batch, *plane) of an array (batch, *grid), the lowest first."""
        check_axis(self.axis, x)
        return np.moveaxis(x, self.axis + 1, 0)

    def _grid(self, layers: np.ndarray) -> np.ndarray:
        return np.moveaxis(layers, 0, self.axis + 1)


@dataclass(frozen=True)
class Overhang:
    """Nothing solid is left unsupported by printing: the mean square of what `PrintFilter` takes away.

    Args:
        axis: Build direction, from the base plate at its low end on; 0 is x.
        name: The density.
    """

    axis: int = 1
    name: str = "density"

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Mean squared difference to the printed density (batch,)."""
        x = density(arrays, self.name)
        return cell_mean((x - PrintFilter(self.axis)(x)) ** 2)

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative by the density."""
        return self.value_and_gradient(arrays)[1]

    def value_and_gradient(self, arrays: Arrays) -> tuple[np.ndarray, Arrays]:
        """Value (batch,) and gradient (batch, *grid), which share the printed density."""
        x = density(arrays, self.name)
        printed, pull_back = PrintFilter(self.axis).linearize(x)
        slope = 2 / x[0].size * (x - printed)
        return cell_mean((x - printed) ** 2), {self.name: slope - pull_back(slope)}

    def measure(self, arrays: Arrays) -> np.ndarray:
        """Share of the solid cells that no chain of solid supporters joins to the base plate (batch,); 0 if none is."""
        solid = PrintFilter(self.axis).layers(density(arrays, self.name) > SOLID)
        held, footprint = solid.copy(), _supporters(solid.ndim - 2)
        for k in range(1, len(solid)):
            held[k] &= binary_dilation(held[k - 1], footprint)
        count, lost = (np.moveaxis(a, 1, 0).reshape(a.shape[1], -1).sum(axis=1) for a in (solid, solid & ~held))
        return lost / np.maximum(count, 1)


def _supporters(dimension: int) -> np.ndarray:
    """Footprint of the supporters in a layer (batch, *plane)."""
    return generate_binary_structure(dimension, 1)[None]


def _distance(x: np.ndarray, support: np.ndarray) -> np.ndarray:
    """Smooth absolute value of the difference."""
    return np.sqrt((x - support) ** 2 + SMOOTHING)


def _support(below: np.ndarray) -> tuple[np.ndarray, Pull]:
    """Smooth maximum of the supporters in the layer below, and the transpose of its derivative."""
    footprint = _supporters(below.ndim - 1).astype(float)
    n = footprint.sum()
    q = POWER - np.log(n) / np.log(2)
    shifted = np.maximum(below, 0) + SHIFT
    total = convolve(shifted**POWER, footprint, mode="constant")
    support = total ** (1 / q) - 0.95 * n ** (1 / q) * SHIFT ** (POWER / q)

    def back(y: np.ndarray) -> np.ndarray:
        outer = convolve(y * total ** (1 / q - 1), footprint, mode="constant")
        return np.where(below >= 0, POWER / q * shifted ** (POWER - 1) * outer, 0.0)

    return support, back
