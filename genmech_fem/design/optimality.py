"""Optimality criteria: the update of densities under one volume constraint.

Bendsøe (1995), doi:10.1007/978-3-662-03115-5; Andreassen et al. (2011), doi:10.1007/s00158-010-0594-7.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from genmech_fem.errors import ContractError, NotFiniteError

_MULTIPLIERS = (-40.0, 40.0)
"""Logarithms between which the multiplier is looked for; beyond, the move limits hold every density."""


@dataclass(frozen=True)
class OptimalityCriteria:
    r"""Scale densities by :math:`(-\partial c / \lambda \partial v)^\eta` within limits, lambda from the volume.

    Args:
        fraction: Volume of the solid over that of the grid, between 0 and 1.
        move: Largest change of a density.
        damping: eta.

    Raises:
        ValueError: A value is out of its range.
    """

    fraction: float
    move: float = 0.2
    damping: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.fraction < 1:
            raise ValueError(f"fraction: expected a volume fraction between 0 and 1, got {self.fraction}")
        if not (0 < self.move <= 1 and 0 < self.damping <= 1):
            raise ValueError(f"expected move and damping in (0, 1], got {self.move} and {self.damping}")

    def __call__(
        self,
        variables: np.ndarray,
        gradient: np.ndarray,
        *,
        volume: Callable[[np.ndarray], float],
        volume_gradient: np.ndarray,
    ) -> np.ndarray:
        """Return the next variables, of the volume `fraction` as far as the move limits allow.

        Args:
            variables: Present variables in [0, 1].
            gradient: Derivative of the objective by them; where it is positive, it counts as zero.
            volume: Volume fraction of variables, which rises with each of them.
            volume_gradient: Its derivative at the present variables, positive.

        Raises:
            NotFiniteError: A gradient holds NaN or infinity.
            ContractError: More material lowers the objective nowhere.
        """
        if not (np.isfinite(gradient).all() and np.isfinite(volume_gradient).all()):
            raise NotFiniteError("optimality criteria: expected finite gradients, got NaN or infinity")
        gain = np.maximum(0.0, -gradient / volume_gradient)
        if not gain.any():
            raise ContractError(
                "optimality criteria: expected an objective that some material lowers: is there a load?"
            )
        wanted = variables * (gain / gain.max()) ** self.damping
        lower, upper = np.maximum(0.0, variables - self.move), np.minimum(1.0, variables + self.move)

        def scaled(logarithm: float) -> np.ndarray:
            return np.clip(wanted * np.exp(logarithm), lower, upper)

        def excess(logarithm: float) -> float:
            return volume(scaled(logarithm)) - self.fraction

        least, most = _MULTIPLIERS
        if excess(least) >= 0:
            return scaled(least)
        return scaled(most if excess(most) <= 0 else brentq(excess, least, most, xtol=1e-10))
