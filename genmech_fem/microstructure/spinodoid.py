"""Spinodoids: cuts of a sum of standing waves of one length, with directions in cones about the axes.

Kumar, Tan, Zheng and Kochmann, npj Comput. Mater. 6 (2020), doi:10.1038/s41524-020-0341-6.
"""

from dataclasses import dataclass

import numpy as np

from genmech_fem.fields import FieldSpec
from genmech_fem.microstructure.phase import phase_at_fraction, phase_spec
from genmech_fem.microstructure.ranges import check_range, check_resolution


@dataclass(frozen=True)
class Spinodoid:
    """Sampler of periodic spinodoids: lamellar, columnar, cubic or isotropic by the cone angles.

    Periodic means that the wave vectors are drawn from the integer vectors whose length is
    within 0.5 of `wavenumber`.

    Args:
        resolution: Pixels along each side of the unit cell.
        angles: Half angle of the cone about each axis [degree], one per dimension (2 or 3);
            0 leaves an axis out, 90 on one axis is isotropic.
        wavenumber: Waves per cell length.
        volume_fraction: Range of the volume fraction, met to within one pixel.
        waves: Number of waves.

    Raises:
        ValueError: An angle or a range is outside its limits, or the waves are too short for the grid.
    """

    resolution: int = 32
    angles: tuple[float, ...] = (90.0, 90.0, 90.0)
    wavenumber: float = 4.0
    volume_fraction: tuple[float, float] = (0.3, 0.7)
    waves: int = 1000

    def __post_init__(self) -> None:
        check_resolution("Spinodoid", self.resolution, len(self.angles))
        if not (all(0 <= angle <= 90 for angle in self.angles) and any(self.angles)):
            raise ValueError(f"Spinodoid.angles: expected 0 to 90 degrees, not all 0, got {self.angles}")
        if not 1 <= self.wavenumber <= self.resolution / 4:
            raise ValueError(
                f"Spinodoid.wavenumber: expected 1 to resolution / 4 = {self.resolution / 4}, got {self.wavenumber}"
            )
        check_range("Spinodoid.volume_fraction", self.volume_fraction, 0, 0.99)
        if self.waves < 1:
            raise ValueError(f"Spinodoid.waves: expected at least 1, got {self.waves}")

    @property
    def outputs(self) -> tuple[FieldSpec, ...]:
        """Spec of the sampled phase field."""
        return (phase_spec(self.resolution, dimension=len(self.angles)),)

    def wave_vectors(self) -> np.ndarray:
        """The integer vectors (vectors, dimension) [waves per cell length] that waves are drawn from."""
        reach, dimension = int(self.wavenumber + 0.5), len(self.angles)
        vectors = np.indices((2 * reach + 1,) * dimension).reshape(dimension, -1).T - reach
        length = np.linalg.norm(vectors, axis=1)
        vectors, length = vectors[length > 0], length[length > 0]
        angle = np.degrees(np.arccos(np.clip(np.abs(vectors) / length[:, None], 0, 1)))
        in_cone = ((angle <= self.angles) & (np.array(self.angles) > 0)).any(axis=1)
        return vectors[in_cone & (np.abs(length - self.wavenumber) <= 0.5)]

    def field(self, generator: np.random.Generator) -> np.ndarray:
        """Draw the sum of waves (*grid): mean 0 over the cell, variance 1 over all draws."""
        vectors = generator.choice(self.wave_vectors(), self.waves)
        modes = np.zeros((self.resolution,) * len(self.angles), dtype=complex)
        np.add.at(modes, tuple(vectors.T), np.exp(1j * generator.uniform(0, 2 * np.pi, self.waves)))
        return np.fft.ifftn(modes, norm="forward").real * np.sqrt(2 / self.waves)

    def __call__(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw one cell: ``{"phase": (1, *grid)}``."""
        return {"phase": phase_at_fraction(self.field(generator), generator.uniform(*self.volume_fraction))[None]}
