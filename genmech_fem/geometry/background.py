"""The squares that carry the phases of an image, and are cut into triangles."""

from dataclasses import dataclass

import numpy as np

from genmech_fem.geometry.splines_on_grids import at_points, on_lattice


@dataclass(frozen=True)
class Background:
    """Squares that are cut into triangles.

    Args:
        indicators: Values (phases, nx, ny) at the pixel centres; a phase lies where its own is the largest.
        lower: Lower corner of the box [length].
        upper: Upper corner of the box [length].
        periodic: Whether the image repeats.
        refine: Squares along each side of a pixel.
        snap: Nodes closer to the interface than this share of an edge move onto it; other edges are cut.
    """

    indicators: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    periodic: bool
    refine: int
    snap: float

    @property
    def squares(self) -> tuple[int, int]:
        """Number of squares along each axis."""
        _, nx, ny = self.indicators.shape
        return nx * self.refine, ny * self.refine

    @property
    def size(self) -> np.ndarray:
        """Sides of a square [length]."""
        return (self.upper - self.lower) / self.squares

    def points(self) -> np.ndarray:
        """Nodes (nx + 1, ny + 1, 2) of the squares [length]."""
        axes = [np.linspace(a, b, n + 1) for a, b, n in zip(self.lower, self.upper, self.squares, strict=True)]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)

    def values(self) -> np.ndarray:
        """Indicators (phases, nodes along x, nodes along y); the last nodes of a periodic image are its first."""
        ends = 0 if self.periodic else 1
        positions = [np.arange(n + ends) / self.refine for n in self.squares]
        nodes = (len(x) for x in positions)
        values = np.zeros((len(self.indicators), *nodes))
        for indicator, out in zip(self.indicators, values, strict=True):
            if indicator.any():
                out[:] = on_lattice(indicator, positions, periodic=self.periodic)
        return values

    def labels(self, points: np.ndarray) -> np.ndarray:
        """Phases at points (n, 2)."""
        pixels = (points - self.lower) / (self.size * self.refine)
        return np.argmax([at_points(f, pixels, periodic=self.periodic) for f in self.indicators], axis=0)

    def whole(self, nodes: np.ndarray) -> np.ndarray:
        """Values at all nodes of the box from those of `values`, along the first two axes."""
        ends = 1 if self.periodic else 0
        return np.pad(nodes, [(0, ends), (0, ends)] + [(0, 0)] * (nodes.ndim - 2), mode="wrap")
