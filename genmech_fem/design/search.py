"""What optimisers and the design loop say to each other: ask for designs, be told what they are worth."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from genmech_fem.errors import ContractError


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What designs (batch, size) are worth.

    Attributes:
        values: Objectives (batch, objectives); an optimiser of one objective takes the first.
        constraints: Each is kept where it is not positive (batch, constraints).
        gradients: Of the first objective (batch, size); None for an optimiser that asks for none.
        jacobians: Of the constraints (batch, constraints, size).
    """

    values: np.ndarray
    constraints: np.ndarray
    gradients: np.ndarray | None = None
    jacobians: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Space:
    """Where an optimiser may look.

    Attributes:
        start: First designs (batch, size), within the bounds.
        lower: Least values (size,), -infinity where there is no bound.
        upper: Largest values (size,).
        constraints: Number of constraints.
        objectives: Number of objectives.
    """

    start: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    constraints: int = 0
    objectives: int = 1

    def single(self, name: str, *, constraints: bool = True) -> np.ndarray:
        """The one first design (size,).

        Raises:
            ContractError: There are several, or as `check`.
        """
        if len(self.start) != 1:
            raise ContractError(f"{name}: expected one start, got {len(self.start)}: use Adam, or run it once for each")
        self.check(name, constraints=constraints)
        return self.start[0]

    def box(self, name: str) -> np.ndarray:
        """Least and largest values (2, size), all finite.

        Raises:
            ContractError: One is not.
        """
        box = np.stack([self.lower, self.upper])
        free = int((~np.isfinite(box)).any(axis=0).sum())
        if free:
            raise ContractError(f"{name}: expected finite bounds, got {free} of {box.shape[1]} variables without them")
        return box

    def check(self, name: str, *, objectives: int = 1, constraints: bool = True) -> None:
        """Refuse what an optimiser would not look at.

        Raises:
            ContractError: The objectives are not that many, or there are constraints where none may be.
        """
        if self.objectives != objectives:
            raise ContractError(f"{name}: expected {objectives} objective(s), got {self.objectives}")
        if self.constraints and not constraints:
            raise ContractError(
                f"{name} knows no constraints, got {self.constraints}: use MMA or TrustConstr, or add them to the "
                "objective by Weighted"
            )


type Search = Generator[np.ndarray, Evaluation, str]
"""Yields designs (batch, size), is sent their `Evaluation`, and returns why it stopped."""


class Optimizer(Protocol):
    """The settings of a search; frozen, so that the same settings and answers give the same search again."""

    gradients: ClassVar[bool]
    """Whether it needs gradients."""

    def search(self, space: Space) -> Search:
        """Begin."""


def given(gradients: np.ndarray | None) -> np.ndarray:
    """Gradients (batch, ...) of an `Evaluation`, for an optimiser that needs them.

    Raises:
        ContractError: There are none.
    """
    if gradients is None:
        raise ContractError("this optimiser needs gradients, got an evaluation without them: use CMAES")
    return gradients


def nondominated(values: np.ndarray) -> np.ndarray:
    """Whether no other row of values (batch, objectives) is as small in all and smaller in one; NaN never is.

    Returns:
        Mask (batch,) of the Pareto front; equal rows are all on it, or none.
    """
    front = ~np.isnan(values).any(axis=1)
    for i in np.lexsort(values.T):
        if front[i]:
            rest = values[front]
            front[front] = (rest < values[i]).any(axis=1) | (rest == values[i]).all(axis=1)
    return front
