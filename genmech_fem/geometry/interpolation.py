"""Multilinear interpolation of arrays on grids, as sparse matrices."""

from itertools import product

import numpy as np
from scipy import sparse

from genmech_fem.fields import Grid
from genmech_fem.geometry.location import points_of


def interpolation_matrix(grid: Grid, points: np.ndarray, *, periodic: bool = False) -> sparse.csr_array:
    """Multilinear interpolation of an array on a grid at points.

    It is `torch.nn.functional.grid_sample` with ``padding_mode="border"`` and ``align_corners`` for a
    grid of nodes: beyond the outermost points the value is that of the nearest one.

    Args:
        grid: Grid of the array.
        points: Coordinates (points, dimension) [length].
        periodic: Whether the array repeats: beyond the last centre of a cell comes the first. A grid of nodes
            then holds both sides of the box.

    Returns:
        Matrix (points, size of the grid) for ``array.ravel()``.

    Raises:
        ValueError: The points are no finite numbers of the grid's dimension.
    """
    points = points_of(points)
    if points.shape[1] != grid.dimension:
        raise ValueError(f"interpolation_matrix: expected points of dimension {grid.dimension}, got {points.shape}")
    shape, cyclic = np.array(grid.shape), periodic and grid.at == "cells"
    x = (points - grid.lower) / grid.spacing
    if periodic:
        x = np.mod(x, shape - (grid.at == "nodes"))
    x = x - (0.5 if grid.at == "cells" else 0.0)
    if not cyclic:
        x = np.clip(x, 0, shape - 1)
    first = np.floor(x).astype(np.int64)
    if not cyclic:
        first = np.minimum(first, np.maximum(shape - 2, 0))
    share = x - first
    columns, weights = [], []
    for corner in product((0, 1), repeat=grid.dimension):
        index = (first + corner) % shape if cyclic else np.minimum(first + corner, shape - 1)
        columns.append(np.ravel_multi_index(tuple(index.T), grid.shape))
        weights.append(np.where(corner, share, 1 - share).prod(axis=1))
    rows = np.tile(np.arange(len(points)), len(columns))
    entries = np.concatenate(weights), (rows, np.concatenate(columns))
    return sparse.csr_array(sparse.coo_array(entries, shape=(len(points), shape.prod())))
