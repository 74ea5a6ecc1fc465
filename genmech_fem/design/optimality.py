"""Optimality criteria: the update of densities under one volume constraint.

Bendsøe (1995), doi:10.1007/978-3-662-03115-5; Andreassen et al. (2011), doi:10.1007/s00158-010-0594-7.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.optimize import brentq

from genmech_fem.design.search import Search, Space, given
from genmech_fem.errors import ContractError

_MULTIPLIERS = (-40.0, 40.0)
"""Logarithms between which the multiplier is looked for; beyond, the move limits hold every variable."""


@dataclass(frozen=True)
class OptimalityCriteria:
    r"""Scale variables by :math:`(-\partial c / \lambda \partial g)^\eta` within limits, lambda from the constraint.

    The one constraint rises with each variable, such as a volume; it is taken as linear within the move limits. Where
    the objective rises with a variable, its gradient counts as zero.

    Args:
        move: Largest change of a variable.
        damping: eta.
        tolerance: Stops when no variable changes by more.

    Raises:
        ValueError: A value is out of its range.
    """

    gradients: ClassVar[bool] = True
    move: float = 0.2
    damping: float = 0.5
    tolerance: float = 0.01

    def __post_init__(self) -> None:
        if not (0 < self.move <= 1 and 0 < self.damping <= 1):
            raise ValueError(f"expected move and damping in (0, 1], got {self.move} and {self.damping}")

    def search(self, space: Space) -> Search:
        """See `Optimizer`."""
        x = space.single("OptimalityCriteria")
        if space.constraints != 1 or not (space.lower >= 0).all():
            raise ContractError(
                f"OptimalityCriteria: expected one constraint and variables >= 0, got {space.constraints} and a least "
                f"bound of {space.lower.min()}: use MMA"
            )
        change = np.inf
        while change > self.tolerance:
            found = yield x[None]
            slope, rise = given(found.gradients)[0], given(found.jacobians)[0, 0]
            new = self._updated(x, slope, float(found.constraints[0, 0]), rise, space)
            change, x = float(np.abs(new - x).max()), new
        return f"no variable changed by more than {self.tolerance}"

    def _updated(
        self, x: np.ndarray, slope: np.ndarray, constraint: float, rise: np.ndarray, space: Space
    ) -> np.ndarray:
        if not (rise > 0).all(where=slope < 0) or not (rise >= 0).all():
            raise ContractError(
                "OptimalityCriteria: expected a constraint that rises with each variable that lowers the objective: "
                "use MMA"
            )
        gain = np.divide(np.maximum(0.0, -slope), rise, out=np.zeros_like(x), where=rise > 0)
        if not gain.any():
            raise ContractError(
                "OptimalityCriteria: expected an objective that some material lowers: is there a load, and material?"
            )
        wanted = x * (gain / gain.max()) ** self.damping
        lower, upper = np.maximum(space.lower, x - self.move), np.minimum(space.upper, x + self.move)

        def scaled(logarithm: float) -> np.ndarray:
            return np.clip(wanted * np.exp(logarithm), lower, upper)

        def excess(logarithm: float) -> float:
            return constraint + float(rise @ (scaled(logarithm) - x))

        least, most = _MULTIPLIERS
        if excess(least) >= 0:
            return scaled(least)
        return scaled(most if excess(most) <= 0 else brentq(excess, least, most, xtol=1e-10))
