"""Overhangs in additive manufacturing: each cell needs support by the layer below.

2D: Langelaar (2017), doi:10.1007/s00158-016-1522-2; 3D: Langelaar (2016), doi:10.1016/j.addma.2016.06.010.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation, convolve, generate_binary_structure

from genmech_fem.design.features import SOLID, Pull, density
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
        return np.moveaxis(_printed(self.layers(x)), 0, self.axis + 1)

    def pull_back(self, x: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """Exact derivative by the densities (batch, *grid) from that by the printed ones."""
        layers, slope = self.layers(x), self.layers(gradient).astype(float)
        printed = _printed(layers)
        for k in range(len(layers) - 1, 0, -1):
            support, back = _support(printed[k - 1])
            tilt = _tilt(layers[k], support)
            slope[k - 1] += back(slope[k] * (1 + tilt) / 2)
            slope[k] *= (1 - tilt) / 2
        return np.moveaxis(slope, 0, self.axis + 1)

    def layers(self, x: np.ndarray) -> np.ndarray:
        """Layers (n, batch, *plane) of an array (batch, *grid), the lowest first."""
        check_axis(self.axis, x)
        return np.moveaxis(x, self.axis + 1, 0)


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
        lost = x - PrintFilter(self.axis)(x)
        return (lost**2).reshape(len(x), -1).mean(axis=1)

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative by the density."""
        x, printer = density(arrays, self.name), PrintFilter(self.axis)
        slope = 2 / x[0].size * (x - printer(x))
        return {self.name: slope - printer.pull_back(x, slope)}

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


def _printed(layers: np.ndarray) -> np.ndarray:
    printed = layers.astype(float)
    for k in range(1, len(layers)):
        x, support = layers[k], _support(printed[k - 1])[0]
        printed[k] = (x + support - np.sqrt((x - support) ** 2 + SMOOTHING) + SMOOTHING**0.5) / 2
    return printed


def _tilt(x: np.ndarray, support: np.ndarray) -> np.ndarray:
    """From -1, where the smooth minimum is x, to 1, where it is the support."""
    return (x - support) / np.sqrt((x - support) ** 2 + SMOOTHING)


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
