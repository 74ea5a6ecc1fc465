"""Cubic splines through the pixels of an image, on lattices of points.

Unser, IEEE Signal Process. Mag. 16 (1999), doi:10.1109/79.799930.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.ndimage import map_coordinates, spline_filter

_MARGIN = 12  # pixels after which the border condition of the spline is forgotten


def on_lattice(field: np.ndarray, positions: Sequence[np.ndarray], *, periodic: bool) -> np.ndarray:
    """Values of the cubic spline through the pixel centres.

    Args:
        field: Values (nx, ny[, nz]) at the pixel centres.
        positions: Coordinates along each axis in pixels from the lower side of the image, at most one
            pixel outside of it.
        periodic: Whether the image repeats; if not, its border pixels are extended outwards.

    Returns:
        Values (len(positions[0]), len(positions[1]), ...).
    """
    return on_lattices(field, [positions], periodic=periodic)[0]


def on_lattices(field: np.ndarray, lattices: Sequence[Sequence[np.ndarray]], *, periodic: bool) -> list[np.ndarray]:
    """Values of one spline on several lattices, each as of `on_lattice`."""
    if periodic:
        coefficients, margin = np.pad(spline_filter(field, mode="grid-wrap"), 3, mode="wrap"), 3
    else:
        coefficients, margin = spline_filter(np.pad(field, _MARGIN, mode="edge"), mode="mirror"), _MARGIN
    return [_values(coefficients, [x - 0.5 + margin for x in positions]) for positions in lattices]


def _values(coefficients: np.ndarray, lattice: Sequence[np.ndarray]) -> np.ndarray:
    """Values of the spline on a lattice, whose coordinates are those of the coefficients."""
    values = coefficients
    for axis, x in enumerate(lattice):
        values = np.moveaxis(values, axis, 0)
        rest = values.shape[1:]
        values = _cubic(x, len(values)) @ values.reshape(len(values), -1)
        values = np.moveaxis(values.reshape(-1, *rest), 0, axis)
    return values


def at_points(field: np.ndarray, points: np.ndarray, *, periodic: bool) -> np.ndarray:
    """Values (n,) of the same spline at points (n, dimension), in pixels from the lower corner of the image."""
    return np.asarray(map_coordinates(field, points.T - 0.5, order=3, mode="grid-wrap" if periodic else "nearest"))


def _cubic(x: np.ndarray, count: int) -> sparse.csr_array:
    """Cubic B-splines (points, count) at points in units of their spacing from the first."""
    first = np.floor(x).astype(np.int64)
    t = x - first
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1) / 6
    columns = (first[:, None] + np.arange(-1, 3)).ravel()
    return sparse.csr_array((weights.ravel(), columns, np.arange(0, 4 * len(x) + 1, 4)), shape=(len(x), count))
