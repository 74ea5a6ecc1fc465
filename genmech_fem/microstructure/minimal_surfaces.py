"""Cells bounded by the level sets that approximate triply periodic minimal surfaces.

von Schnering and Nesper, Z. Phys. B 83 (1991), doi:10.1007/BF01313411.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from genmech_fem.fields import FieldSpec
from genmech_fem.microstructure.phase import phase_at_fraction, phase_grid, phase_spec
from genmech_fem.microstructure.ranges import check_range, check_resolution


def _gyroid(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.sin(x) * np.cos(y) + np.sin(y) * np.cos(z) + np.sin(z) * np.cos(x)


def _primitive(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.cos(x) + np.cos(y) + np.cos(z)


def _diamond(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.cos(x) * np.cos(y) * np.cos(z) - np.sin(x) * np.sin(y) * np.sin(z)


_LEVELS: dict[str, Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]] = {
    "gyroid": _gyroid,
    "primitive": _primitive,
    "diamond": _diamond,
}


@dataclass(frozen=True)
class MinimalSurface:
    """Sampler of periodic 3D cells of one surface, at a random place.

    Args:
        resolution: Voxels along each side of the unit cell.
        kind: ``"gyroid"``, ``"primitive"`` (Schwarz P) or ``"diamond"`` (Schwarz D).
        periods: Periods of the level set along each side.
        volume_fraction: Range of the volume fraction, met to within a few voxels (a level set has
            symmetric places of equal value).
        sheet: Whether the solid is a sheet about the surface, rather than one side of it.

    Raises:
        ValueError: The kind is unknown, or a number or range is outside its limits.
    """

    resolution: int = 32
    kind: Literal["gyroid", "primitive", "diamond"] = "gyroid"
    periods: int = 1
    volume_fraction: tuple[float, float] = (0.3, 0.7)
    sheet: bool = False

    def __post_init__(self) -> None:
        check_resolution("MinimalSurface", self.resolution, 3)
        if self.kind not in _LEVELS:
            raise ValueError(f"MinimalSurface.kind: expected one of {tuple(_LEVELS)}, got {self.kind!r}")
        if not 1 <= self.periods <= self.resolution / 8:
            raise ValueError(
                f"MinimalSurface.periods: expected 1 to resolution / 8 = {self.resolution / 8:g}, got {self.periods}"
            )
        check_range("MinimalSurface.volume_fraction", self.volume_fraction, 0, 0.99)

    @property
    def outputs(self) -> tuple[FieldSpec, ...]:
        """Spec of the sampled phase field."""
        return (phase_spec(self.resolution, dimension=3),)

    def level(self, shift: np.ndarray) -> np.ndarray:
        """The level set (*grid), moved by `shift` (3,) [cell length]."""
        centres = phase_grid(self.resolution, dimension=3).axes()
        axes = [2 * np.pi * self.periods * (axis - s) for axis, s in zip(centres, shift, strict=True)]
        return _LEVELS[self.kind](axes[0][:, None, None], axes[1][:, None], axes[2])

    def __call__(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw one cell: ``{"phase": (1, *grid)}``."""
        level = self.level(generator.random(3))
        fraction = generator.uniform(*self.volume_fraction)
        return {"phase": phase_at_fraction(-np.abs(level) if self.sheet else level, fraction)[None]}
