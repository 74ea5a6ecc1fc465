"""Isotropic stiffness matrices in Mandel notation, by their hydrostatic and their deviatoric part."""

import numpy as np

DIMENSIONS = {3: 2, 6: 3}
"""By the rows of the Mandel matrix; 2 is plane strain."""


def isotropic_stiffness(youngs_modulus: float, poisson_ratio: float, dimension: int = 2) -> np.ndarray:
    """Stiffness matrix (3, 3) of plane strain or (6, 6) of a solid [unit of the modulus].

    Args:
        youngs_modulus: Young's modulus [stress].
        poisson_ratio: Poisson's ratio [1].
        dimension: 2 or 3.

    Raises:
        ValueError: The modulus is not positive, the ratio not in (-1, 0.5), or the dimension neither 2 nor 3.
    """
    if not (0 < youngs_modulus < np.inf and -1 < poisson_ratio < 0.5) or dimension not in (2, 3):
        raise ValueError(
            "isotropic_stiffness: expected a positive modulus, a Poisson's ratio in (-1, 0.5) and 2 or 3 dimensions, "
            f"got {youngs_modulus}, {poisson_ratio} and {dimension}"
        )
    shear = youngs_modulus / (1 + poisson_ratio)
    bulk = shear * (1 + dimension * poisson_ratio / (1 - 2 * poisson_ratio))
    return isotropic_matrix(np.array([bulk, shear]), dimension * (dimension + 1) // 2)


def isotropic_matrix(values: np.ndarray, n: int) -> np.ndarray:
    """The isotropic matrix (n, n) with these `eigenvalues` (2,)."""
    return np.tensordot(values, _projections(n), 1)


def eigenvalues(stiffness: np.ndarray) -> np.ndarray:
    """Of an isotropic stiffness (2,): the bulk modulus times the dimension, and twice the shear modulus."""
    return traces(stiffness) / ranks(stiffness)


def ranks(matrix: np.ndarray) -> np.ndarray:
    """Ranks (2,) of the projections for a matrix (n, n)."""
    return np.array([1, len(matrix) - 1])


def traces(matrix: np.ndarray) -> np.ndarray:
    """Traces (2,) of the products of a matrix (n, n) with the projections."""
    return np.einsum("pij,ij->p", _projections(len(matrix)), matrix)


def _projections(n: int) -> np.ndarray:
    """Hydrostatic and deviatoric projection (2, n, n)."""
    unit = np.zeros(n)
    unit[: DIMENSIONS[n]] = DIMENSIONS[n] ** -0.5
    hydrostatic = np.outer(unit, unit)
    return np.stack([hydrostatic, np.eye(n) - hydrostatic])
