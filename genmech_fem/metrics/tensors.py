"""Stiffness tensors as vectors: the upper triangle of the symmetric Mandel matrix, row by row.

In Mandel notation (strain e11, e22, sqrt(2) e12 in 2D) the Frobenius norm of the matrix
is the norm of the fourth-order tensor: Mandel, Int. J. Solids Struct. 1 (1965),
doi:10.1016/0020-7683(65)90034-X.
"""

import numpy as np


def upper_triangle(matrix: np.ndarray) -> np.ndarray:
    """Upper triangles (..., n (n + 1) / 2) of symmetric matrices (..., n, n)."""
    return matrix[(..., *np.triu_indices(matrix.shape[-1]))]


def symmetric_matrix(vector: np.ndarray) -> np.ndarray:
    """Symmetric matrices (..., n, n) from their upper triangles (..., n (n + 1) / 2).

    Raises:
        ValueError: The last axis is not of length 1, 3, 6, 10, 15, 21, ...
    """
    vector = np.asarray(vector)
    n = int((np.sqrt(8 * vector.shape[-1] + 1) - 1) / 2)
    if n * (n + 1) // 2 != vector.shape[-1]:
        raise ValueError(f"expected n (n + 1) / 2 entries of an upper triangle, got {vector.shape[-1]}")
    rows, columns = np.triu_indices(n)
    matrix = np.empty((*vector.shape[:-1], n, n), dtype=vector.dtype)
    matrix[..., rows, columns] = vector
    matrix[..., columns, rows] = vector
    return matrix


def relative_frobenius(vector: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Frobenius norm of the difference of two stiffness tensors over that of the reference.

    Args:
        vector: Upper triangles (..., size).
        reference: Upper triangles (..., size) of the reference.
    """
    difference = symmetric_matrix(np.asarray(vector) - np.asarray(reference))
    scale = np.linalg.norm(symmetric_matrix(reference), axis=(-2, -1))
    return np.linalg.norm(difference, axis=(-2, -1)) / scale
