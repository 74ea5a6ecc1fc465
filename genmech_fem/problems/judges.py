"""What tells how wrong proposed states of a problem are."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from genmech_fem.errors import ConvergenceError
from genmech_fem.problems.problem import Problem
from genmech_fem.problems.variational import VariationalProblem


@dataclass(frozen=True)
class Certified:
    """A state, and how wrong it is at most.

    Attributes:
        state: The state after `steps` of polish (dofs,).
        norm: Size of the state.
        bound: Upper bound of its error, in the same norm; infinite where nothing can be said.
        proposed: Lower and upper bound of the error of what was proposed.
        steps: Steps of polish.
    """

    state: np.ndarray
    norm: float
    bound: float
    proposed: tuple[float, float]
    steps: int

    @property
    def relative(self) -> float:
        """Upper bound of the error relative to the solution; infinite for an error as large as the state."""
        if self.bound == 0.0:
            return 0.0
        return self.bound / (self.norm - self.bound) if self.bound < self.norm else float("inf")


class Judge(Protocol):
    """What tells how wrong states of a problem are, and may improve them: `Certificate`, `ResidualCheck`."""

    @property
    def problem(self) -> Problem:
        """The problem whose states it judges."""

    def certify(self, state: np.ndarray, tolerance: float = 0.0, steps: int = 0) -> Certified:
        """Judge a proposed state (dofs,); take up to so many steps while its relative error is above the tolerance."""


class ResidualCheck:
    """The relative residual of states of any problem, which bounds no error, and a polish by Newton's method.

    Args:
        problem: The problem.
    """

    def __init__(self, problem: VariationalProblem) -> None:
        self.problem = problem

    def certify(self, state: np.ndarray, tolerance: float = 0.0, steps: int = 0) -> Certified:
        """Compare the residual, relative to that of the zero state, with the tolerance; else take steps of Newton.

        Raises:
            ContractError: The state has the wrong shape.
            ValueError: A control is not finite, or an expression of controls is not positive.
        """
        self.problem.check_controls()
        start = self.problem.admissible(state)
        proposed = before = self.problem.residual_norm(start)
        if before > tolerance and steps and np.isfinite(before):
            try:
                start = self.problem.approach(start, tolerance, steps)
                before = self.problem.residual_norm(start)
            except ConvergenceError:
                return Certified(start, 1.0, float("inf"), (0.0, proposed), steps)
        return Certified(start, 1.0, before, (0.0, proposed), steps if before < proposed else 0)
