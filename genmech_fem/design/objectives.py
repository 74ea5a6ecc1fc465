"""Objectives: functions of a model's outputs with their gradients."""

from typing import Protocol

import numpy as np

from genmech_fem.fields import Arrays
from genmech_fem.metrics import relative_frobenius, symmetric_matrix, upper_triangle


class Objective(Protocol):
    """What a design loop makes small."""

    def __call__(self, outputs: Arrays) -> np.ndarray:
        """Value of each sample, shape (batch,)."""

    def gradient(self, outputs: Arrays) -> Arrays:
        """Derivative of each sample's value with respect to its outputs."""


class TensorTarget:
    r"""Squared relative Frobenius distance to a wanted tensor, :math:`\|C - C_0\|^2 / \|C_0\|^2`.

    Args:
        target: Upper triangle (size,) of the wanted symmetric matrix.
        name: The output that is compared, (batch, size).

    Raises:
        ValueError: The target is zero, not finite or not an upper triangle.
    """

    def __init__(self, target: np.ndarray, name: str = "stiffness") -> None:
        self.target, self.name = np.asarray(target, dtype=float), name
        self._matrix = symmetric_matrix(self.target)
        if not np.isfinite(self.target).all() or not self._matrix.any():
            raise ValueError(f"TensorTarget: expected a finite target that is not zero, got {self.target}")

    def error(self, outputs: Arrays) -> np.ndarray:
        """Relative Frobenius distance, shape (batch,)."""
        return relative_frobenius(outputs[self.name], self.target)

    def __call__(self, outputs: Arrays) -> np.ndarray:
        """Value of each sample, shape (batch,)."""
        return self.error(outputs) ** 2

    def gradient(self, outputs: Arrays) -> Arrays:
        """Derivative with respect to the upper triangle; an off-diagonal entry counts twice."""
        difference = symmetric_matrix(outputs[self.name]) - self._matrix
        doubled = 2.0 - np.eye(len(self._matrix))
        return {self.name: upper_triangle(2 * doubled * difference) / np.linalg.norm(self._matrix) ** 2}


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

    def __call__(self, outputs: Arrays) -> np.ndarray:
        """Value of each sample, shape (batch,)."""
        difference = outputs[self.name] - self.target
        return (difference**2).reshape(len(difference), -1).sum(axis=1) / self._scale

    def gradient(self, outputs: Arrays) -> Arrays:
        """Derivative with respect to the output."""
        return {self.name: 2 * (outputs[self.name] - self.target) / self._scale}
