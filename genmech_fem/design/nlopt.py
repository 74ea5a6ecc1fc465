"""Moving asymptotes, of the package nlopt: Svanberg (2002), doi:10.1137/S1052623499362822."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from genmech_fem.design.callbacks import Ask, LastAnswer, called_back
from genmech_fem.design.search import Search, Space, given
from genmech_fem.errors import require

_PENALTIES = (1e2, 1e4, 1e6, 1e8)
"""Of a violation, in terms of the ratio of the gradients; the next is tried where constraints stay broken."""
_GRADIENT = 10.0
"""Sum to which the first gradient is scaled: nlopt is precise there, and stops at once at 1e-3 of it."""
_SHARE = 0.9
"""Largest step over the distance to an asymptote, in nlopt."""


@dataclass(frozen=True)
class MMA:
    """Globally convergent method of moving asymptotes: many variables within bounds, some smooth constraints.

    A start that breaks constraints is allowed: they are relaxed by one artificial variable that is penalised.

    Args:
        tolerance: Stops when the design changes by less, relative to its size.
        move: Largest change of a variable in the first step; None takes 0.45 of the distance of its bounds.
        quadratic: Approximate by quadratic functions (CCSA) in place of moving asymptotes.

    Raises:
        ValueError: A number is not positive.
    """

    gradients: ClassVar[bool] = True
    tolerance: float = 1e-6
    move: float | None = None
    quadratic: bool = False

    def __post_init__(self) -> None:
        if not (0 < self.tolerance < 1 and (self.move is None or 0 < self.move < np.inf)):
            raise ValueError(f"MMA: expected tolerance in (0, 1) and move > 0, got {self.tolerance} and {self.move}")

    def search(self, space: Space) -> Search:
        """See `Optimizer`.

        Raises:
            MissingExtraError: The package nlopt is not installed.
        """
        require("nlopt", "nlopt")
        start = space.single("MMA")

        def run(ask: Ask) -> str:
            at, x = LastAnswer(ask), start
            for penalty in _PENALTIES:
                relaxed = _Relaxed(at, x, penalty)
                x, rest, reason = self._solved(relaxed, x, space)
                if rest * relaxed.violation <= self.tolerance:
                    return f"MMA: {reason}"
            return "MMA: found no design nearby that keeps the constraints"

        return called_back(run)

    def _solved(self, problem: "_Relaxed", x: np.ndarray, space: Space) -> tuple[np.ndarray, float, str]:
        """Design (size,) and artificial variable that solve a problem from x on, and why they count as solution."""
        import nlopt

        optimizer = nlopt.opt(nlopt.LD_CCSAQ if self.quadratic else nlopt.LD_MMA, x.size + 1)
        optimizer.set_lower_bounds(np.append(space.lower, 0.0))
        optimizer.set_upper_bounds(np.append(space.upper, 1.0))
        optimizer.set_min_objective(problem.objective)
        if space.constraints:
            optimizer.add_inequality_mconstraint(problem.constrain, np.zeros(space.constraints))
        if self.move is not None:
            optimizer.set_initial_step(np.full(x.size + 1, self.move / (1.0 if self.quadratic else _SHARE)))
        optimizer.set_xtol_rel(self.tolerance)
        optimizer.set_param("dual_algorithm", nlopt.LD_SLSQP)  # a few times faster than the default
        optimizer.set_param("rho_init", _GRADIENT / x.size * (self.move or 1.0))  # the default makes first steps tiny
        try:
            solution, reason = optimizer.optimize(np.append(x, 1.0)), "the design rests"
        except nlopt.RoundoffLimited:
            solution, reason = problem.last, "limited by rounding"
        return solution[:-1], float(solution[-1]), reason


class _Relaxed:
    r"""The problem min f + w s with g <= v s: s = 1 at the start, of which v is the violation, and s = 0 at the end.

    An exact penalty: s becomes 0 if w is large enough. Without it nlopt ends at wrong designs from starts that break
    constraints.
    """

    def __init__(self, at: LastAnswer, start: np.ndarray, penalty: float) -> None:
        found = at(start)
        self._at = at
        self.violation = float(found.constraints.max(initial=0.0))
        gradients, jacobians = given(found.gradients), given(found.jacobians)
        self._scale = _GRADIENT / (float(np.abs(gradients).sum()) or 1.0)
        steepness = (np.linalg.norm(gradients) or 1.0) / (np.linalg.norm(jacobians) or 1.0)
        self._weight = float(penalty * self._scale * steepness * self.violation)
        self.last = np.append(start, 1.0)

    def objective(self, variables: np.ndarray, slope: np.ndarray) -> float:
        """See nlopt; fills the slope where it is wanted."""
        found, self.last = self._at(variables[:-1]), variables.copy()
        if slope.size:
            slope[:-1], slope[-1] = self._scale * given(found.gradients)[0], self._weight
        return float(self._scale * found.values[0, 0] + self._weight * variables[-1])

    def constrain(self, result: np.ndarray, variables: np.ndarray, slope: np.ndarray) -> None:
        """See nlopt; fills the result, and the slope where it is wanted."""
        found = self._at(variables[:-1])
        if slope.size:
            slope[:, :-1], slope[:, -1] = given(found.jacobians)[0], -self.violation
        result[:] = found.constraints[0] - self.violation * variables[-1]
