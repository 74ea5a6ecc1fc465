r"""Minkowski functionals of binary images, on the torus.

The Euler number counts the cells of the cubical complex; surface and mean curvature follow from
Crofton's formulas, with lines along 4 (2D) or 13 (3D) directions and planes across the 13, each
direction weighted by its share of the circle or sphere.

Ohser and Muecklich, Statistical Analysis of Microstructures (2000), ISBN 978-0-471-97486-2.
Legland, Kieu and Devaux, Image Anal. Stereol. 26 (2007), doi:10.5566/ias.v26.p83-92.
"""

from functools import cache
from itertools import product

import numpy as np
from scipy.spatial import SphericalVoronoi

from genmech_fem.microstructure.images import binary_images


def minkowski_functionals(phase: np.ndarray, pixel: float = 1.0, diagonal: bool = False) -> dict[str, np.ndarray]:
    r"""Volume, surface, mean curvature and Euler number of phase 1.

    Args:
        phase: Images (batch, *grid), 2D or 3D, taken as phase 1 where above 0.5.
        pixel: Edge of a pixel [length].
        diagonal: Whether pixels that share only a corner (in 3D also only an edge) are connected,
            for the Euler number.

    Returns:
        Each (batch,), summed over the cell. 2D: ``"area"`` [length^2], ``"perimeter"`` [length],
        ``"euler"`` (components less holes). 3D: ``"volume"`` [length^3], ``"surface"`` [length^2],
        ``"mean_curvature"`` [length], the integral of :math:`(\kappa_1 + \kappa_2) / 2` over the
        surface (:math:`4 \pi R` for a ball), ``"euler"`` (components less tunnels plus cavities).
        ``"area"`` or ``"volume"`` and ``"euler"`` are exact for the pixels. The others are within
        3 % for surfaces of radius 8 pixels or more that face all directions; a flat wall may count
        5 % (2D) or 8 % (3D) too little, and sharp notches, as between overlapping discs, bias the
        mean curvature and the Euler number of any pixel image, however fine.
    """
    images = binary_images(phase)
    dimension = images.ndim - 1
    directions, weights = _directions(dimension)
    entries = [_count(~images & _moved(images, v)) / np.linalg.norm(v) for v in directions]
    # mean number of entries per length of line, times 2, is the surface density over 2 (3D) or pi / 2 (2D)
    surface = (4.0 if dimension == 3 else np.pi) * np.tensordot(weights, entries, 1)
    axes = np.eye(dimension, dtype=int)
    euler = (-1) ** (dimension + 1) * _euler(~images, axes) if diagonal else _euler(images, axes)
    if dimension == 2:
        return {"area": _count(images) * pixel**2, "perimeter": surface * pixel, "euler": euler}
    curvature = 2 * np.pi * np.tensordot(weights, [_euler_per_plane(images, n) for n in directions], 1)
    return {
        "volume": _count(images) * pixel**3,
        "surface": surface * pixel**2,
        "mean_curvature": curvature * pixel,
        "euler": euler,
    }


@cache
def _directions(dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """The directions between neighbouring pixels, one of each pair of opposites, and their shares."""
    steps = np.array([v for v in product((-1, 0, 1), repeat=dimension) if any(v)])
    half = np.array([v > (0,) * dimension for v in map(tuple, steps)])
    if dimension == 2:
        return steps[half], np.full(4, 0.25)
    shares = SphericalVoronoi(steps / np.linalg.norm(steps, axis=1, keepdims=True)).calculate_areas() / (2 * np.pi)
    return steps[half], shares[half]


def _moved(images: np.ndarray, step: np.ndarray) -> np.ndarray:
    """The images as seen one `step` further: value at x + step."""
    return np.roll(images, tuple(-step), axis=tuple(range(1, images.ndim)))


def _count(images: np.ndarray) -> np.ndarray:
    return np.count_nonzero(images.reshape(len(images), -1), axis=1).astype(float)


def _euler(images: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Euler number (batch,) with points connected along edges: alternating count of points, edges, squares, cubes.

    The points are the pixels' centres, on the lattice spanned by `steps`; an edge, square or cube counts
    where all its corners are in phase 1.
    """
    cells = [(1, images)]
    for step in steps:
        cells += [(-sign, cell & _moved(cell, step)) for sign, cell in cells]
    return np.sum([sign * _count(cell) for sign, cell in cells], axis=0)


def _euler_per_plane(images: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Sum over the grid's planes across `normal` of the Euler numbers of the sections, times the planes' distance."""
    if np.abs(normal).sum() == 3:
        return _euler_on_triangles(images, normal)
    first = (normal == 0).astype(int)
    if np.abs(normal).sum() == 1:
        first[np.argmax(first)] = 0
    plane = np.stack([first, np.cross(normal, first)])
    # the mean of points that connect along edges only and of points that connect over corners too
    return (_euler(images, plane) - _euler(~images, plane)) / 2 / np.linalg.norm(np.cross(*plane))


def _euler_on_triangles(images: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """The same on the planes across a diagonal of the cube, whose pixels form a triangular lattice."""
    u, v = normal * (1, -1, 0), normal * (0, 1, -1)
    at_u, at_v, at_both = (_moved(images, step) for step in (u, v, u + v))
    edges = _count(images & at_u) + _count(images & at_v) + _count(images & at_both)
    triangles = _count(images & at_u & at_both) + _count(images & at_v & at_both)
    return (_count(images) - edges + triangles) / np.linalg.norm(np.cross(u, v))
