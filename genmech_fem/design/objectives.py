"""Objectives: functions of the arrays of a design loop with their gradients."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from genmech_fem.fields import Arrays
from genmech_fem.metrics import relative_frobenius, symmetric_matrix, upper_triangle


class Objective(Protocol):
    """What a design loop makes small, or keeps below a limit.

    The arrays are the inputs of the model and its outputs, by name; a chain made by ``compose(..., keep=True)`` also
    gives what is made in between, such as the density.
    """

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Value of each sample, shape (batch,)."""

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative of the sum of the values by each array that they depend on."""


class Weighted:
    """Weighted sum of objectives.

    Args:
        terms: Pairs of a weight and an objective.
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
        total: dict[str, np.ndarray] = {}
        for weight, term in self.terms:
            for name, slope in term.gradient(arrays).items():
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


@dataclass(frozen=True)
class PNorm:
    r"""Smooth maximum :math:`(\mathrm{mean}\, y^p)^{1/p}` of a field that is not negative, such as a von Mises stress.

    With a density the field is relaxed, :math:`y \rho^q`, or cells without material would carry the largest stress.
    Le, Norato, Bruns, Ha and Tortorelli (2010), doi:10.1007/s00158-009-0440-y.

    Args:
        name: The field (batch, *grid).
        p: Exponent; the larger, the nearer to the maximum.
        density: Name of the density (batch, *grid), None for none.
        q: Exponent of the relaxation.
    """

    name: str = "von_mises"
    p: float = 8.0
    density: str | None = "density"
    q: float = 0.5

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Value of each sample, shape (batch,)."""
        relaxed = self._relaxed(arrays)
        top = relaxed.max(axis=1, keepdims=True)
        scaled = np.divide(relaxed, top, out=np.zeros_like(relaxed), where=top > 0)
        return top[:, 0] * (scaled**self.p).mean(axis=1) ** (1 / self.p)

    def measure(self, arrays: Arrays) -> np.ndarray:
        """The true maximum over cells with a density above 0.5, shape (batch,)."""
        field = arrays[self.name]
        solid = True if self.density is None else arrays[self.density] > 0.5
        return np.where(solid, field, 0.0).reshape(len(field), -1).max(axis=1)

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative by the field and the density."""
        relaxed, value = self._relaxed(arrays), self(arrays)[:, None]
        share = np.divide(relaxed, value, out=np.zeros_like(relaxed), where=value > 0)
        slope = (share ** (self.p - 1) / relaxed.shape[1]).reshape(arrays[self.name].shape)
        if self.density is None:
            return {self.name: slope}
        density = np.maximum(arrays[self.density], 1e-9)
        by_density = slope * arrays[self.name] * self.q * density ** (self.q - 1)
        return {self.name: slope * density**self.q, self.density: by_density}

    def _relaxed(self, arrays: Arrays) -> np.ndarray:
        field = arrays[self.name]
        relaxed = field if self.density is None else field * np.maximum(arrays[self.density], 1e-9) ** self.q
        return relaxed.reshape(len(field), -1)


class TensorTarget:
    r"""Squared relative Frobenius distance to a wanted tensor, :math:`\|C - C_0\|^2 / \|C_0\|^2`.

    Args:
        target: Upper triangle (size,) of the wanted symmetric matrix.
        name: The output that is compared, (batch, size).
        weights: Of the entries of the matrix, an upper triangle (size,); a weight 0 leaves an entry free. By default 1.

    Raises:
        ValueError: The target is zero, not finite or not an upper triangle, or a weight is negative.
    """

    def __init__(
        self, target: np.ndarray, name: str = "stiffness", *, weights: Sequence[float] | np.ndarray | None = None
    ) -> None:
        self.target, self.name = np.asarray(target, dtype=float), name
        given = np.ones_like(self.target) if weights is None else np.asarray(weights, dtype=float)
        self._matrix = symmetric_matrix(self.target)
        if given.shape != self.target.shape or not (given >= 0).all():
            raise ValueError(f"TensorTarget: expected weights >= 0 of shape {self.target.shape}, got {given}")
        self._weights = symmetric_matrix(given)
        self._scale = float((self._weights * self._matrix**2).sum())
        if not np.isfinite(self.target).all() or not self._scale > 0:
            raise ValueError(f"TensorTarget: expected a finite target that is not zero, got {self.target}")

    def error(self, arrays: Arrays) -> np.ndarray:
        """Relative Frobenius distance of the whole tensor, shape (batch,)."""
        return relative_frobenius(arrays[self.name], self.target)

    def measure(self, arrays: Arrays) -> np.ndarray:
        """The `error`."""
        return self.error(arrays)

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Value of each sample, shape (batch,)."""
        difference = symmetric_matrix(arrays[self.name]) - self._matrix
        return (self._weights * difference**2).sum(axis=(1, 2)) / self._scale

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative with respect to the upper triangle; an off-diagonal entry counts twice."""
        difference = symmetric_matrix(arrays[self.name]) - self._matrix
        doubled = 2.0 - np.eye(len(self._matrix))
        return {self.name: upper_triangle(2 * doubled * self._weights * difference) / self._scale}


class FieldTarget:
    r"""Squared relative distance of a field (or vector) to a wanted one, :math:`|u - u_0|^2 / |u_0|^2`.

    Args:
        target: The wanted sample, of the shape of the output without its batch axis.
        name: The output that is compared.

    Raises:
        ValueError: The target is zero or not finite.
    """

    def __init__(self, target: np.ndarray, name: str) -> None:
        self.target, self.name = np.asarray(target, dtype=float), name
        self._scale = float((self.target**2).sum())
        if not 0 < self._scale < np.inf:
            raise ValueError(f"FieldTarget: expected a finite target that is not zero, got norm {self._scale**0.5}")

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Value of each sample, shape (batch,)."""
        difference = arrays[self.name] - self.target
        return (difference**2).reshape(len(difference), -1).sum(axis=1) / self._scale

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative with respect to the output."""
        return {self.name: 2 * (arrays[self.name] - self.target) / self._scale}
