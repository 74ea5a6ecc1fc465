"""Objectives that are distances to something wanted: to a tensor, or to a field."""

from collections.abc import Sequence

import numpy as np

from genmech_fem.fields import Arrays
from genmech_fem.metrics import relative_frobenius, symmetric_matrix, upper_triangle


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
