"""Designs made of elliptic inclusions, such as those of a periodic cell."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

import numpy as np

from genmech_fem.design.bodies import TINY, Bodies
from genmech_fem.errors import ContractError


@dataclass(frozen=True)
class Ellipses(Bodies):
    r"""Elliptic inclusions on a grid of 2 dimensions to the field ``phase``.

    The columns of an ellipse are ``x, y, a, b, angle[, existence]``: its centre and semi-axes [length] and the angle
    from the x axis to the semi-axis a [rad]. With :math:`q = (u/a)^2 + (v/b)^2` along the axes, the distance is
    :math:`(q - 1) / |\nabla q|`, which is exact to first order at the edge and smooth at the centre.

    Args:
        periodic: Whether the grid is a periodic cell: of each ellipse the nearest image counts.
    """

    out: ClassVar[str] = "phase"
    dimensions: ClassVar[tuple[int, ...]] = (2,)
    _: KW_ONLY
    periodic: bool = True

    def _limits(self) -> tuple[np.ndarray, np.ndarray]:
        lower, upper = self._corners
        largest = max(0.45 * min(upper - lower), self.edge)  # a larger one would touch its own image
        return np.array([*lower, *[self.edge] * 2, -np.pi]), np.array([*upper, largest, largest, np.pi])

    def _distance(self, shapes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y, a, b, angle = np.moveaxis(shapes, -1, 0)[..., None]
        if not (shapes[..., 2:4] > 0).all():
            raise ContractError(
                f"Ellipses: expected positive semi-axes, got {min(a.min(), b.min()):g}: keep to the bounds"
            )
        dx, dy = self._points[0] - x, self._points[1] - y
        if self.periodic:
            width, height = np.subtract(*reversed(self._corners))
            dx, dy = dx - width * np.round(dx / width), dy - height * np.round(dy / height)
        cos, sin = np.cos(angle), np.sin(angle)
        u, v = cos * dx + sin * dy, cos * dy - sin * dx
        steep = np.maximum(np.sqrt((u / a**2) ** 2 + (v / b**2) ** 2), TINY)
        distance = ((u / a) ** 2 + (v / b) ** 2 - 1) / (2 * steep)
        bent = distance / steep**2
        by_u, by_v = u / a**2 * (1 / steep - bent / a**2), v / b**2 * (1 / steep - bent / b**2)
        by_a, by_b = u**2 / a**3 * (2 * bent / a**2 - 1 / steep), v**2 / b**3 * (2 * bent / b**2 - 1 / steep)
        by_place = sin * by_v - cos * by_u, -sin * by_u - cos * by_v
        return distance, np.stack([*by_place, by_a, by_b, by_u * v - by_v * u], axis=2)
