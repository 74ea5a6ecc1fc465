"""Constraints: objectives with limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from genmech_fem.design.objectives import Objective, value_and_gradient
from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays


@dataclass(frozen=True)
class Constraint:
    """A term that stays below, or above, a limit.

    Args:
        term: Value of each sample.
        most: Largest value.
        least: Least value; give one of both.
        scale: Positive number that a violation is divided by, so that 0.01 is one percent; by default the size of the
            limit, or 1 if that is 0.

    Raises:
        ContractError: No limit, or both, are given, one is not finite, or the scale is not positive.
    """

    term: Objective
    most: float | None = None
    least: float | None = None
    scale: float | None = None

    def __post_init__(self) -> None:
        if (self.most is None) == (self.least is None) or not np.isfinite(self.limit):
            raise ContractError(f"Constraint: expected a finite most or least, got {self.most} and {self.least}")
        if self.scale is not None and not 0 < self.scale < np.inf:
            raise ContractError(f"Constraint: expected a finite positive scale, got {self.scale}")

    @property
    def limit(self) -> float:
        """The one that is given."""
        return float(self.most if self.most is not None else self.least)  # type: ignore[arg-type]

    @property
    def _factor(self) -> float:
        return (1.0 if self.most is not None else -1.0) / (self.scale or abs(self.limit) or 1.0)

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Relative violation of each sample (batch,), not positive where the limit is kept."""
        return self._factor * (self.term(arrays) - self.limit)

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative of the sum of the violations."""
        return self._scaled(self.term.gradient(arrays))

    def value_and_gradient(self, arrays: Arrays) -> tuple[np.ndarray, Arrays]:
        """Relative violations (batch,) and their derivative."""
        value, gradient = value_and_gradient(self.term, arrays)
        return self._factor * (value - self.limit), self._scaled(gradient)

    def _scaled(self, gradient: Arrays) -> Arrays:
        return {name: self._factor * slope for name, slope in gradient.items()}


def check_constraints(constraints: Sequence[Constraint]) -> None:
    """Refuse limits that no design can keep at once.

    Raises:
        ContractError: One term has a least limit above its most.
    """
    for one, two in combinations(constraints, 2):
        low, high = (one, two) if one.least is not None else (two, one)
        contradict = low.least is not None and high.most is not None and low.least > high.most
        if contradict and one.term == two.term:
            raise ContractError(
                f"contradicting constraints, drop one: {one.term} is at least {low.least} and at most {high.most}"
            )
