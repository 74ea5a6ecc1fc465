"""Objectives: functions of the arrays of a design loop with their gradients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from genmech_fem.fields import Arrays


class Objective(Protocol):
    """What a design loop makes small, or keeps below a limit.

    The arrays are the inputs of the model and its outputs, by name; a chain made by ``compose(..., keep=True)`` also
    gives what is made in between, such as the density.
    """

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Value of each sample, shape (batch,)."""

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative of the sum of the values by each array that they depend on."""


@runtime_checkable
class JointObjective(Objective, Protocol):
    """An objective whose value and gradient share work, such as a factorisation."""

    def value_and_gradient(self, arrays: Arrays) -> tuple[np.ndarray, Arrays]:
        """Value of each sample, shape (batch,), and the `gradient`."""


def value_and_gradient(term: Objective, arrays: Arrays) -> tuple[np.ndarray, Arrays]:
    """Value of each sample, shape (batch,), and the gradient; they share work where the term can do so."""
    if isinstance(term, JointObjective):
        return term.value_and_gradient(arrays)
    return term(arrays), term.gradient(arrays)


class Weighted:
    """Weighted sum of objectives.

    Args:
        terms: Pairs of a weight and an objective.

    Raises:
        ValueError: There is none.
    """

    def __init__(self, *terms: tuple[float, Objective]) -> None:
        if not terms:
            raise ValueError("Weighted: expected pairs of a weight and an objective, got none")
        self.terms = terms

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Value of each sample, shape (batch,)."""
        return np.sum([weight * term(arrays) for weight, term in self.terms], axis=0)

    def gradient(self, arrays: Arrays) -> Arrays:
        """Sum of the weighted gradients."""
        return self._sum([term.gradient(arrays) for _, term in self.terms])

    def value_and_gradient(self, arrays: Arrays) -> tuple[np.ndarray, Arrays]:
        """Weighted sums of the values (batch,) and of the gradients."""
        values, gradients = zip(*(value_and_gradient(term, arrays) for _, term in self.terms), strict=True)
        weighted = [weight * value for (weight, _), value in zip(self.terms, values, strict=True)]
        return np.sum(weighted, axis=0), self._sum(gradients)

    def _sum(self, gradients: Sequence[Arrays]) -> Arrays:
        total: dict[str, np.ndarray] = {}
        for (weight, _), gradient in zip(self.terms, gradients, strict=True):
            for name, slope in gradient.items():
                total[name] = total.get(name, 0.0) + weight * slope
        return total


@dataclass(frozen=True)
class Value:
    r"""Weighted sum of the numbers of an array, :math:`w \cdot y`.

    Compliance, a displacement, a heat flux, the mass: what the model returns.

    Args:
        name: The array (batch, ...).
        weights: One for each number of a sample, in order; one for all by default 1. A pick of one entry, the weights
            of load cases, or -1 to make the value large.
    """

    name: str = "compliance"
    weights: float | tuple[float, ...] = 1.0

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Value of each sample, shape (batch,)."""
        array = arrays[self.name]
        return (array.reshape(len(array), -1) * self.weights).sum(axis=1)

    def gradient(self, arrays: Arrays) -> Arrays:
        """The weights."""
        array = arrays[self.name]
        return {self.name: (np.ones((len(array), array[0].size)) * self.weights).reshape(array.shape)}


@dataclass(frozen=True)
class Mean:
    """Mean of a field, such as the volume fraction of a density, or the mass of a density on equal cells.

    Args:
        name: The array (batch, ...).
    """

    name: str = "density"

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Value of each sample, shape (batch,)."""
        array = arrays[self.name]
        return array.reshape(len(array), -1).mean(axis=1)

    def gradient(self, arrays: Arrays) -> Arrays:
        """One over the number of points."""
        array = arrays[self.name]
        return {self.name: np.full(array.shape, len(array) / array.size)}
