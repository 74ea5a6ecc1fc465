"""Permeability of the Darcy benchmark of neural operators.

Li et al., Fourier neural operator (2021), doi:10.48550/arXiv.2010.08895.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy.fft import idctn

from genmech_fem.fields import FieldSpec, Grid


@dataclass(frozen=True)
class DarcyPermeability:
    r"""Sampler of a two-valued permeability at the nodes of the unit square.

    Which value a node has is the sign of a Gaussian field with the covariance
    :math:`\tau^{2 \alpha - 2} (-\Delta + \tau^2)^{-\alpha}` and no flux over the border, without its constant mode.

    Args:
        resolution: Cells along each side, one less than nodes.
        values: Permeability where the field is below zero, and where it is not.
        alpha: Exponent.
        tau: Inverse length.

    Raises:
        ValueError: A number is not positive.
    """

    resolution: int = 420
    values: tuple[float, float] = (3.0, 12.0)
    alpha: float = 2.0
    tau: float = 3.0

    def __post_init__(self) -> None:
        if self.resolution < 1 or not min(*self.values, self.alpha, self.tau) > 0:
            raise ValueError(
                "DarcyPermeability: expected a positive resolution, values, alpha and tau, "
                f"got {self.resolution}, {self.values}, {self.alpha}, {self.tau}"
            )

    @property
    def outputs(self) -> tuple[FieldSpec, ...]:
        """Spec of the sampled field."""
        return (FieldSpec("permeability", Grid((self.resolution + 1,) * 2, (0.0, 0.0), (1.0, 1.0), at="nodes")),)

    def __call__(self, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """Draw one field ``permeability`` (1, resolution + 1, resolution + 1)."""
        points = self.resolution + 1
        square = np.square(math.pi * np.arange(points))
        spectrum = (square[:, None] + square + self.tau**2) ** (-self.alpha / 2)
        modes = points * self.tau ** (self.alpha - 1) * spectrum * generator.standard_normal((points, points))
        modes[0, 0] = 0.0
        field = idctn(modes, norm="ortho")
        return {"permeability": np.where(field < 0, *self.values)[None]}
