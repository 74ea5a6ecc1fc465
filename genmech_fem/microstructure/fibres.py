"""Periodic, non-overlapping circular fibres in a matrix."""

from dataclasses import dataclass

import numpy as np

from genmech_fem.fields import FieldSpec
from genmech_fem.microstructure.packing import add_sequentially
from genmech_fem.microstructure.phase import phase_from_distance, phase_grid, phase_spec, torus_offsets
from genmech_fem.microstructure.ranges import check_range, check_resolution


@dataclass(frozen=True)
class PeriodicFibres:
    """Sampler of unit cells with fibres of one radius each.

    Args:
        resolution: Pixels along each side of the unit cell.
        radius: Range of the fibre radius [cell length].
        volume_fraction: Range of the wanted fibre volume fraction; a cell that jams
            before holds fewer fibres.
        gap: Least distance between two fibres [cell length].

    Raises:
        ValueError: A range is empty or outside what fits into the cell.
    """

    resolution: int = 32
    radius: tuple[float, float] = (0.1, 0.2)
    volume_fraction: tuple[float, float] = (0.08, 0.45)
    gap: float = 0.06

    def __post_init__(self) -> None:
        check_resolution("PeriodicFibres", self.resolution)
        check_range("PeriodicFibres.radius", self.radius, 0, 0.5 - self.gap / 2)
        if not 0 < self.volume_fraction[0] <= self.volume_fraction[1] < 0.6:
            raise ValueError(
                f"PeriodicFibres.volume_fraction: expected 0 < low <= high < 0.6, got {self.volume_fraction}"
            )

    @property
    def outputs(self) -> tuple[FieldSpec, ...]:
        """Spec of the sampled phase field."""
        return (phase_spec(self.resolution),)

    def discs(self, generator: np.random.Generator) -> tuple[np.ndarray, float]:
        """Draw centres (fibres, 2) and the common radius [cell length]."""
        radius = generator.uniform(*self.radius)
        wanted = max(1, round(generator.uniform(*self.volume_fraction) / (np.pi * radius**2)))
        return add_sequentially(generator, np.full(wanted, radius), self.gap), radius

    def __call__(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw one cell: ``{"phase": (1, resolution, resolution)}``."""
        centres, radius = self.discs(generator)
        grid = phase_grid(self.resolution)
        points = grid.points()
        distance = np.min([np.linalg.norm(torus_offsets(points, c, 1.0), axis=1) for c in centres], axis=0) - radius
        return {"phase": phase_from_distance(distance, grid.spacing[0]).reshape(1, *grid.shape)}
