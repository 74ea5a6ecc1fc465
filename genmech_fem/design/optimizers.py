"""Optimisers: each proposes designs and is told their values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.optimize
from cmaes import CMA

from genmech_fem.errors import ContractError

type Value = Callable[[np.ndarray], np.ndarray]  # designs (batch, size) -> values (batch,)
type Gradient = Callable[[np.ndarray], np.ndarray]  # designs (batch, size) -> gradients (batch, size)


class Optimizer(Protocol):
    """A rule that looks for the smallest value within bounds."""

    def run(
        self, value: Value, gradient: Gradient | None, start: np.ndarray, bounds: np.ndarray, iterations: int
    ) -> str:
        """Call `value` (and `gradient`) from `start` (size,) on, within `bounds` (size, 2).

        Returns:
            Why it stopped. The caller of `value` keeps the best design.
        """


@dataclass(frozen=True)
class LBFGS:
    """L-BFGS-B: Byrd, Lu, Nocedal and Zhu, SIAM J. Sci. Comput. 16 (1995), doi:10.1137/0916069.

    Args:
        tolerance: Stops when the projected gradient is below this.
    """

    tolerance: float = 1e-10

    def run(
        self, value: Value, gradient: Gradient | None, start: np.ndarray, bounds: np.ndarray, iterations: int
    ) -> str:
        """See `Optimizer`; needs a gradient."""
        if gradient is None:
            raise ContractError("LBFGS needs a model with vjp: use CMAES for a model without gradients")
        slope = gradient
        result = scipy.optimize.minimize(  # type: ignore[call-overload]
            lambda x: float(value(x[None])[0]),
            start,
            jac=lambda x: slope(x[None])[0],
            method="L-BFGS-B",
            bounds=scipy.optimize.Bounds(bounds[:, 0], bounds[:, 1]),
            options={"maxiter": iterations, "ftol": 1e-15, "gtol": self.tolerance},
        )
        return str(result.message)


@dataclass(frozen=True)
class CMAES:
    """Covariance matrix adaptation: Hansen (2016), doi:10.48550/arXiv.1604.00772.

    Args:
        sigma: First standard deviation, in the unit of the design variables.
        seed: Seed of the proposals.
        population: Proposals per iteration, evaluated as one batch; None takes the usual number.
    """

    sigma: float
    seed: int = 0
    population: int | None = None

    def run(
        self, value: Value, gradient: Gradient | None, start: np.ndarray, bounds: np.ndarray, iterations: int
    ) -> str:
        """See `Optimizer`; leaves the gradient unused."""
        del gradient
        search = CMA(start, self.sigma, bounds=bounds, seed=self.seed, population_size=self.population)
        for _ in range(iterations):
            proposals = np.stack([search.ask() for _ in range(search.population_size)])
            search.tell(list(zip(proposals, value(proposals).tolist(), strict=True)))
            if search.should_stop():
                return "CMA-ES: converged"
        return f"CMA-ES: {iterations} iterations done"
