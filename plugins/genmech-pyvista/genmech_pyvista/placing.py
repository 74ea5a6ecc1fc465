"""Fields on a regular grid at the points or the centres of the cells of a mesh."""

import numpy as np
import pyvista
from scipy import ndimage

from genmech_fem.fields import Grid
from genmech_pyvista.arrays import Association

ROUNDING = 1e-6
"""Points so far beside the box of a grid, relative to its size, belong to it: meshes may have float32 points."""


def interpolate(mesh: pyvista.DataSet, at: Association, grid: Grid, array: np.ndarray) -> np.ndarray:
    """Multilinear interpolation of a field, NaN where the mesh leaves the box of the grid.

    Between the outermost centres of cells and the faces of the box the value is that of the nearest centre.

    Args:
        mesh: The mesh.
        at: Where on it.
        grid: Grid of the field.
        array: Values (*value_shape, *grid.shape).

    Returns:
        Values (points or cells, *value_shape).
    """
    places = mesh.points if at == "points" else mesh.cell_centers().points
    x = np.asarray(places, dtype=np.float64)[:, : grid.dimension]
    first = [axis[0] for axis in grid.axes()]
    index = ((x - first) / grid.spacing).T
    flat = array.reshape(-1, *grid.shape)
    values = np.stack([ndimage.map_coordinates(one, index, order=1, mode="nearest") for one in flat], axis=1)
    margin = ROUNDING * np.subtract(grid.upper, grid.lower)
    values[((x < grid.lower - margin) | (x > grid.upper + margin)).any(axis=1)] = np.nan
    return values.reshape(len(x), *array.shape[: array.ndim - grid.dimension])
