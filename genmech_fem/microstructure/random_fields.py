"""Periodic Gaussian random fields, and two-phase media cut out of them.

Matern covariance: Stein, Interpolation of Spatial Data (1999), doi:10.1007/978-1-4612-1494-6.
Two-point correlation of the cut: Berk, Phys. Rev. Lett. 58 (1987), doi:10.1103/PhysRevLett.58.2718.
"""

import math
from dataclasses import dataclass

import numpy as np

from genmech_fem.fields import FieldSpec
from genmech_fem.microstructure.phase import phase_at_fraction, phase_spec
from genmech_fem.microstructure.ranges import check_range, check_resolution


@dataclass(frozen=True)
class GaussianRandomField:
    r"""Sampler of the excursion sets of a stationary, isotropic Gaussian field on the torus.

    The field has the spectrum :math:`(1 + (k l)^2 / 2 \nu)^{-(\nu + d / 2)}` (Matern), or
    :math:`\exp(-(k l)^2 / 2)` where :math:`\nu` is infinite, whose covariance is
    :math:`\exp(-r^2 / 2 l^2)`.

    Args:
        resolution: Pixels along each side of the unit cell.
        correlation_length: Range of l [cell length].
        volume_fraction: Range of the volume fraction, met to within one pixel.
        smoothness: The exponent nu: 0.5 gives rough interfaces, infinity smooth ones.
        dimension: 2 or 3.

    Raises:
        ValueError: A range is empty or outside its limits, or nu is not positive.
    """

    resolution: int = 32
    correlation_length: tuple[float, float] = (0.05, 0.1)
    volume_fraction: tuple[float, float] = (0.2, 0.8)
    smoothness: float = math.inf
    dimension: int = 2

    def __post_init__(self) -> None:
        check_resolution("GaussianRandomField", self.resolution, self.dimension)
        check_range("GaussianRandomField.correlation_length", self.correlation_length, 0, 0.5)
        check_range("GaussianRandomField.volume_fraction", self.volume_fraction, 0, 0.99)
        if not self.smoothness > 0:
            raise ValueError(f"GaussianRandomField.smoothness: expected a number above 0, got {self.smoothness}")

    @property
    def outputs(self) -> tuple[FieldSpec, ...]:
        """Spec of the sampled phase field."""
        return (phase_spec(self.resolution, dimension=self.dimension),)

    def spectrum(self, correlation_length: float) -> np.ndarray:
        """Mean square (*grid) of each Fourier mode, in the order of ``numpy.fft``; the mean is 1, mode 0 is 0."""
        k = 2 * np.pi * np.fft.fftfreq(self.resolution, 1 / self.resolution)
        square = sum(np.meshgrid(*[(k * correlation_length) ** 2] * self.dimension, indexing="ij"))
        if math.isinf(self.smoothness):
            power = np.exp(-square / 2)
        else:
            power = (1 + square / (2 * self.smoothness)) ** -(self.smoothness + self.dimension / 2)
        power[(0,) * self.dimension] = 0
        return power / power.mean()

    def field(self, generator: np.random.Generator) -> np.ndarray:
        """Draw the field (*grid) itself: mean 0 over the cell, variance 1 over all draws."""
        noise = generator.standard_normal((self.resolution,) * self.dimension)
        amplitude = np.sqrt(self.spectrum(generator.uniform(*self.correlation_length)))
        return np.fft.ifftn(np.fft.fftn(noise) * amplitude).real

    def __call__(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw one cell: ``{"phase": (1, *grid)}``."""
        return {"phase": phase_at_fraction(self.field(generator), generator.uniform(*self.volume_fraction))[None]}
