"""Shape of tetrahedra: dihedral angles and volumes."""

import itertools
from collections.abc import Callable

import numpy as np

_BLOCK = 8192  # cells whose arrays stay in the cache


def smallest_dihedral_angles(corners: np.ndarray) -> np.ndarray:
    """Smallest angle between two faces [rad] of each tetrahedron, 0 if it is degenerate.

    The angles do not tell inverted tetrahedra, `signed_volumes` do.

    Args:
        corners: Coordinates (tetrahedra, 4, 3) [length].

    Raises:
        ValueError: The corners are of another shape.
    """
    return _in_blocks(_angles, corners)


def signed_volumes(corners: np.ndarray) -> np.ndarray:
    """Volume [length^3] of each tetrahedron, negative if it is inverted.

    Args:
        corners: Coordinates (tetrahedra, 4, 3) [length].

    Raises:
        ValueError: The corners are of another shape.
    """
    return _in_blocks(_volumes, corners)


def _in_blocks(function: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray], corners: np.ndarray) -> np.ndarray:
    """Values of a function of the three edges (3, n) at the first corner."""
    corners = np.asarray(corners, dtype=np.float64)
    if corners.ndim != 3 or corners.shape[1:] != (4, 3):
        raise ValueError(f"expected corners of tetrahedra (tetrahedra, 4, 3), got an array of shape {corners.shape}")
    values = np.empty(len(corners))
    for start in range(0, len(corners), _BLOCK):
        block = slice(start, start + _BLOCK)
        a, b, c, d = np.ascontiguousarray(corners[block].transpose(1, 2, 0))
        values[block] = function(b - a, c - a, d - a)
    return values


def _volumes(u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
    return _dot(u, _cross(v, w)) / 6


def _angles(u: np.ndarray, v: np.ndarray, w: np.ndarray) -> np.ndarray:
    normals = [_cross(v, w), _cross(w, u), _cross(u, v)]
    normals.append(-(normals[0] + normals[1] + normals[2]))
    areas = [np.sqrt(_dot(n, n)) for n in normals]
    proper = np.minimum.reduce(areas) > 0
    normals = [n / np.where(proper, area, 1.0) for n, area in zip(normals, areas, strict=True)]
    cosines = [-_dot(one, two) for one, two in itertools.combinations(normals, 2)]
    return np.where(proper, np.arccos(np.clip(np.maximum.reduce(cosines), -1.0, 1.0)), 0.0)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
