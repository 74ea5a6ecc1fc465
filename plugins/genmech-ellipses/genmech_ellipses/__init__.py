"""A microstructure plugin: periodic cells with one family of parallel elliptic inclusions."""

from dataclasses import dataclass

import numpy as np

from genmech_fem.fields import FieldSpec
from genmech_fem.microstructure import phase_from_distance, phase_grid, phase_spec, torus_offsets


@dataclass(frozen=True)
class PeriodicEllipses:
    """Sampler of unit cells with non-overlapping, parallel ellipses.

    Args:
        resolution: Pixels along each side of the unit cell.
        count: Range of the number of ellipses.
        area: Area of one ellipse [cell area].
        aspect: Range of the ratio of the half axes [1].
        gap: Least clearance, relative to the half axes [1].
    """

    resolution: int = 32
    count: tuple[int, int] = (1, 5)
    area: float = 0.06
    aspect: tuple[float, float] = (1.0, 2.2)
    gap: float = 0.35

    @property
    def outputs(self) -> tuple[FieldSpec, ...]:
        """Spec of the sampled phase field."""
        return (phase_spec(self.resolution),)

    def __call__(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw one cell: ``{"phase": (1, resolution, resolution)}``."""
        aspect, angle = generator.uniform(*self.aspect), generator.uniform(0, np.pi)
        axes = np.sqrt(self.area / np.pi * np.array([aspect, 1 / aspect]))
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])

        def stretched(points: np.ndarray, centre: np.ndarray) -> np.ndarray:
            """Distance from the centre in units of the half axes."""
            return np.linalg.norm(torus_offsets(points, centre, 1.0) @ turn.T / axes, axis=1)

        centres = generator.random((1, 2))
        wanted = generator.integers(self.count[0], self.count[1], endpoint=True)
        for candidate in generator.random((200, 2)):
            if len(centres) < wanted and stretched(centres, candidate).min() >= 2 + self.gap:
                centres = np.vstack([centres, candidate])
        grid = phase_grid(self.resolution)
        radius = np.min([stretched(grid.points(), c) for c in centres], axis=0)
        distance = (radius - 1) * axes.min()
        return {"phase": phase_from_distance(distance, grid.spacing[0]).reshape(1, *grid.shape)}
