"""The best that can be made of directions, however bad they are."""

from dataclasses import dataclass

import numpy as np
from petsc4py import PETSc
from scipy.linalg import pinvh

_DEPENDENT = 1e-10
"""Least eigenvalue of the Gram matrix of unit directions, relative to the largest, that counts as independent."""


@dataclass(frozen=True)
class Space:
    r"""A space in which :math:`A z = r` is solved exactly, by :math:`z = Z (W^T A Z)^{-1} W^T r`.

    Attributes:
        directions: Z, shape (k, n).
        images: A Z, shape (k, n).
        tests: W, shape (k, n); Z where the energy is minimised, A Z where the residual is.
        inverse: Of W^T A Z, shape (k, k).
    """

    directions: np.ndarray
    images: np.ndarray
    tests: np.ndarray
    inverse: np.ndarray

    @classmethod
    def spanned(cls, matrix: PETSc.Mat, directions: np.ndarray, *, energy: bool) -> "Space | None":
        """The space of directions (k, n), without what depends on others; None if nothing is left.

        Args:
            matrix: A.
            directions: Any finite vectors.
            energy: Whether A is symmetric positive definite and z the closest to the solution in the energy norm, by
                Galerkin's condition; else z leaves the least residual.
        """
        images = _images(matrix, directions)
        gram = (directions if energy else images) @ images.T
        good = np.isfinite(np.diag(gram)) & (np.diag(gram) > 0)
        if not good.all():
            return cls.spanned(matrix, directions[good], energy=energy) if good.any() else None
        scale = 1 / np.sqrt(np.diag(gram))
        inverse = scale[:, None] * pinvh(scale[:, None] * gram * scale, rtol=_DEPENDENT) * scale
        return cls(directions, images, directions if energy else images, inverse)

    def amounts(self, residual: np.ndarray) -> np.ndarray:
        """Coefficients (k,) of the directions in z, for r (n,)."""
        return self.inverse @ (self.tests @ residual)

    def gain(self, residual: np.ndarray) -> float:
        """By how much z lowers the square of the error in the energy norm, or of the residual."""
        return float(self.amounts(residual) @ (self.tests @ residual))


def _images(matrix: PETSc.Mat, directions: np.ndarray) -> np.ndarray:
    right, left = matrix.createVecs()
    images = np.empty_like(directions)
    for direction, image in zip(directions, images, strict=True):
        right.setArray(direction)
        matrix.mult(right, left)
        image[:] = left.array_r
    return images
