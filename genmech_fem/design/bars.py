"""Designs made of bars.

Norato, Bell and Tortorelli (2015), doi:10.1016/j.cma.2015.05.005.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from genmech_fem.design.bodies import TINY, Bodies


@dataclass(frozen=True)
class Bars(Bodies):
    """Bars with round ends, on a grid of 2 or 3 dimensions, to the field ``density``.

    The columns of a bar are the two end points, axis by axis, and the thickness [length], the diameter of its
    ends: in 2D ``x0, y0, x1, y1, thickness[, existence]``.
    """

    out: ClassVar[str] = "density"
    dimensions: ClassVar[tuple[int, ...]] = (2, 3)

    def _limits(self) -> tuple[np.ndarray, np.ndarray]:
        lower, upper = self._corners
        return np.array([*lower, *lower, self.edge]), np.array([*upper, *upper, max(min(upper - lower) / 2, self.edge)])

    def _distance(self, shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        d = self.grid.dimension
        columns = np.moveaxis(shapes, -1, 0)[..., None]
        start, thickness = columns[:d], columns[-1]
        axis, offset = columns[d : 2 * d] - start, self._points - start
        t = np.clip((offset * axis).sum(axis=0) / np.maximum((axis**2).sum(axis=0), TINY), 0, 1)
        away = offset - t * axis
        distance = np.sqrt((away**2).sum(axis=0))
        normal = away / np.maximum(distance, TINY)
        jacobian = np.stack([*((t - 1) * normal), *(-t * normal), np.full_like(t, -0.5)], axis=2)
        return distance - thickness / 2, jacobian
