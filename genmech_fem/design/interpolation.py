"""Stiffness between void and solid: SIMP and RAMP.

Bendsøe and Sigmund (1999), doi:10.1007/s004190050248; Stolpe and Svanberg (2001), doi:10.1007/s001580100129.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Interpolation(Protocol):
    """The modulus of a density."""

    def __call__(self, density: np.ndarray) -> np.ndarray:
        """Modulus [stress] of each density from 0 to 1."""

    def derivative(self, density: np.ndarray) -> np.ndarray:
        """Derivative [stress] of each modulus by its density."""


@dataclass(frozen=True)
class SIMP:
    r"""Power law :math:`E = E_{min} + x^p (E_0 - E_{min})`.

    Args:
        penalty: p [1].
        void: Modulus of the void, above zero so that the stiffness stays regular [stress].
        solid: Modulus of the solid [stress].

    Raises:
        ValueError: The penalty is below 1, or the moduli do not rise from above zero.
    """

    penalty: float = 3.0
    void: float = 1e-9
    solid: float = 1.0

    def __post_init__(self) -> None:
        _check("SIMP: expected penalty >= 1", self.penalty, 1, self.void, self.solid)

    def __call__(self, density: np.ndarray) -> np.ndarray:
        """Modulus [stress]."""
        return self.void + density**self.penalty * (self.solid - self.void)

    def derivative(self, density: np.ndarray) -> np.ndarray:
        """Derivative of the modulus [stress]."""
        return self.penalty * density ** (self.penalty - 1) * (self.solid - self.void)


@dataclass(frozen=True)
class RAMP:
    r"""Rational law :math:`E = E_{min} + \frac{x}{1 + q(1 - x)} (E_0 - E_{min})`, whose slope at 0 is not zero.

    Args:
        q: Penalty [1].
        void: Modulus of the void, above zero so that the stiffness stays regular [stress].
        solid: Modulus of the solid [stress].

    Raises:
        ValueError: The penalty is below 0, or the moduli do not rise from above zero.
    """

    q: float = 8.0
    void: float = 1e-9
    solid: float = 1.0

    def __post_init__(self) -> None:
        _check("RAMP: expected q >= 0", self.q, 0, self.void, self.solid)

    def __call__(self, density: np.ndarray) -> np.ndarray:
        """Modulus [stress]."""
        return self.void + density / (1 + self.q * (1 - density)) * (self.solid - self.void)

    def derivative(self, density: np.ndarray) -> np.ndarray:
        """Derivative of the modulus [stress]."""
        return (1 + self.q) / (1 + self.q * (1 - density)) ** 2 * (self.solid - self.void)


def _check(expected: str, penalty: float, least: float, void: float, solid: float) -> None:
    if not (least <= penalty < np.inf and 0 < void < solid < np.inf):
        raise ValueError(f"{expected} and 0 < void < solid, got {penalty}, void {void} and solid {solid}")
