"""Optimisers of scipy.

L-BFGS-B: Byrd, Lu, Nocedal and Zhu (1995), doi:10.1137/0916069. Trust region with constraints: Byrd, Hribar and
Nocedal (1999), doi:10.1137/S1052623497325107.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.optimize

from genmech_fem.design.callbacks import Ask, LastAnswer, called_back
from genmech_fem.design.search import Search, Space, given

_INSIDE = 1e-3
"""Distance to the bounds at which interior points start, over the distance of the bounds."""


@dataclass(frozen=True)
class LBFGS:
    """L-BFGS-B for one smooth objective within bounds.

    Args:
        tolerance: Stops when the projected gradient is below this.
    """

    gradients: ClassVar[bool] = True
    tolerance: float = 1e-10

    def search(self, space: Space) -> Search:
        """See `Optimizer`."""
        start = space.single("LBFGS", constraints=False)

        def run(ask: Ask) -> str:
            def value(x: np.ndarray) -> tuple[float, np.ndarray]:
                found = ask(x[None])
                return float(found.values[0, 0]), given(found.gradients)[0]

            result = scipy.optimize.minimize(
                value,
                start,
                jac=True,
                method="L-BFGS-B",
                bounds=scipy.optimize.Bounds(space.lower, space.upper),
                options={"maxiter": 10**6, "maxfun": 10**6, "ftol": 1e-15, "gtol": self.tolerance},
            )
            return str(result.message)

        return called_back(run)


@dataclass(frozen=True)
class TrustConstr:
    """Interior-point trust region for one smooth objective with bounds and constraints, up to some hundred variables.

    It starts a little inside the bounds and never leaves them.

    Args:
        tolerance: Stops when the gradient of the Lagrangian, or the radius of the region, is below this.
    """

    gradients: ClassVar[bool] = True
    tolerance: float = 1e-8

    def search(self, space: Space) -> Search:
        """See `Optimizer`."""
        margin = np.where(np.isfinite(space.upper - space.lower), _INSIDE * (space.upper - space.lower), 0.0)
        start = np.clip(space.single("TrustConstr"), space.lower + margin, space.upper - margin)

        def run(ask: Ask) -> str:
            at = LastAnswer(ask)
            kept = scipy.optimize.NonlinearConstraint(
                lambda x: at(x).constraints[0], -np.inf, 0.0, jac=lambda x: given(at(x).jacobians)[0], hess=_Hessian()
            )
            result = scipy.optimize.minimize(  # type: ignore[call-overload]
                lambda x: float(at(x).values[0, 0]),
                start,
                jac=lambda x: given(at(x).gradients)[0],
                hess=_Hessian(),
                method="trust-constr",
                bounds=scipy.optimize.Bounds(space.lower, space.upper, keep_feasible=True),
                constraints=[kept] if space.constraints else [],
                options={"maxiter": 10**6, "gtol": self.tolerance, "xtol": self.tolerance},
            )
            return str(result.message)

        return called_back(run)


class _Hessian(scipy.optimize.BFGS):
    """The approximation of scipy, which would warn of linear functions."""

    def update(self, delta_x: np.ndarray, delta_grad: np.ndarray) -> None:
        if delta_grad.any():
            super().update(delta_x, delta_grad)
