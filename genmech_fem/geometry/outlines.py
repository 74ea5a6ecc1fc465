"""Outlines of plane bodies: curves of lines, circular arcs and splines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

type Place = Sequence[float] | np.ndarray


@dataclass(frozen=True, eq=False)
class Outline:
    """A curve of lines, circular arcs and splines.

    Args:
        points: Points (n, 2) that the pieces use [length].
        pieces: ``("line", start, end)``, ``("arc", start, centre, end)`` of less than half a circle, or
            ``("spline", *points)``, one after the other, by the numbers of their points.
    """

    points: np.ndarray
    pieces: Sequence[tuple[Any, ...]]

    def scaled(self, origin: np.ndarray, scale: float) -> dict[str, Any]:
        """The outline as gmsh's process reads it, in units of `scale` from the `origin`."""
        points = (np.asarray(self.points, dtype=np.float64) - origin) / scale
        return {"points": np.pad(points, ((0, 0), (0, 1))).tolist(), "pieces": [list(piece) for piece in self.pieces]}


def polygon(points: np.ndarray) -> Outline:
    """Closed outline of lines between the points (n, 2) [length]."""
    n = len(points)
    return Outline(np.asarray(points), [("line", i, (i + 1) % n) for i in range(n)])


def rectangle(lower: Place, upper: Place) -> Outline:
    """Outline of a rectangle."""
    (x, y), (X, Y) = lower, upper
    return polygon(np.array([[x, y], [X, y], [X, Y], [x, Y]]))


def circle(centre: Place, radius: float) -> Outline:
    """Outline of a disc, in three arcs."""
    angles = 2 * np.pi * (np.arange(3) / 3 + 0.11)  # no corner on a side of a box around the centre
    around = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return Outline(
        np.vstack([np.asarray(centre) + radius * around, centre]), [("arc", i, 3, (i + 1) % 3) for i in range(3)]
    )


def spline(points: np.ndarray, *, closed: bool) -> Outline:
    """Smooth curve through the points (n, 2) [length]; a closed one does not repeat its first point."""
    return Outline(points, [("spline", *range(len(points)), *([0] if closed else []))])
