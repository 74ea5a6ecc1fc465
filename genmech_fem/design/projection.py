"""Projection of densities towards solid and void.

Wang, Lazarov and Sigmund (2011), doi:10.1007/s00158-010-0602-y.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Projection:
    r"""Smoothed step :math:`\frac{\tanh \beta\eta + \tanh \beta(x - \eta)}{\tanh \beta\eta + \tanh \beta(1 - \eta)}`.

    Args:
        beta: Sharpness [1]; near 0 the projection is the identity.
        eta: Threshold between void and solid.

    Raises:
        ValueError: The sharpness is not positive, or the threshold not between 0 and 1.
    """

    beta: float
    eta: float = 0.5

    def __post_init__(self) -> None:
        if not (0 < self.beta < np.inf and 0 < self.eta < 1):
            raise ValueError(f"Projection: expected beta > 0 and 0 < eta < 1, got {self.beta} and {self.eta}")

    @property
    def _range(self) -> float:
        return float(np.tanh(self.beta * self.eta) + np.tanh(self.beta * (1 - self.eta)))

    def __call__(self, density: np.ndarray) -> np.ndarray:
        """Projected densities, 0 at 0 and 1 at 1."""
        return (np.tanh(self.beta * self.eta) + np.tanh(self.beta * (density - self.eta))) / self._range

    def derivative(self, density: np.ndarray) -> np.ndarray:
        """Derivative of each projected density by its density."""
        return self.beta * (1 - np.tanh(self.beta * (density - self.eta)) ** 2) / self._range
