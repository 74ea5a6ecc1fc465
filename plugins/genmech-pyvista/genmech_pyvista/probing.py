"""Fields of a mesh at the points of a regular grid: VTK interpolates in the cell that holds each point."""

from collections.abc import Sequence

import numpy as np
import pyvista

from genmech_fem.errors import ContractError
from genmech_fem.fields import Grid
from genmech_pyvista.arrays import MeshArray, data_of

EXACT = 1e-9
"""Points so far beside a cell, relative to the size of the mesh, lie in it."""

FLAT = 1e-6
"""Largest extent across a flat mesh, relative to its size."""


def probe(mesh: pyvista.DataSet, grid: Grid, arrays: Sequence[MeshArray]) -> tuple[list[np.ndarray], np.ndarray]:
    """Values of arrays at the points of a grid.

    Args:
        mesh: The mesh.
        grid: Grid of 1 to 3 dimensions.
        arrays: Its arrays.

    Returns:
        Values (points, components) of each, NaN outside, and which points (points,) lie inside. A point up to a
        thousandth of a cell beside the mesh, as by rounding, counts as inside.

    Raises:
        ContractError: The mesh has no cells, is not flat where the grid is, or holds no point of the grid.
    """
    source = _source(mesh, grid)
    for number, array in enumerate(arrays):
        data_of(source, array.at)[str(number)] = array.values
    points = np.zeros((len(grid.points()), 3))
    points[:, : grid.dimension] = grid.points()
    table, mask = _probe_points(source, points, EXACT * source.length)
    rest = np.flatnonzero(~mask)
    if len(rest):
        table[rest], mask[rest] = _probe_points(source, points[rest], None)
    if not mask.any():
        bounds = np.reshape(mesh.bounds, (3, 2)).T[:, : grid.dimension].tolist()
        raise ContractError(
            f"expected a mesh of {grid.dimension}D cells that overlaps the grid from {grid.lower} to {grid.upper}, got "
            f"one from {bounds[0]} to {bounds[1]} that holds none of its points: move or scale it"
        )
    widths = [array.values.shape[1] for array in arrays]
    return np.split(table, np.cumsum(widths)[:-1], axis=1), mask


def _probe_points(
    source: pyvista.DataSet, points: np.ndarray, tolerance: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Values (points, all components) of the arrays named by numbers, and which points have them.

    Without a tolerance points may lie a thousandth of a cell outside; then those inside may get a neighbouring cell.
    """
    found = pyvista.PolyData(points).sample(
        source, tolerance=tolerance, mark_blank=False, snap_to_closest_point=tolerance is None
    )
    mask = np.asarray(found.point_data["vtkValidPointMask"]).astype(bool)
    count = len(source.point_data) + len(source.cell_data)
    columns = [np.asarray(found.point_data[str(number)]).reshape(len(points), -1) for number in range(count)]
    return np.where(mask[:, None], np.hstack([np.empty((len(points), 0)), *columns]), np.nan), mask


def _source(mesh: pyvista.DataSet, grid: Grid) -> pyvista.DataSet:
    """The bare mesh, in float64, with zeros for the coordinates that the grid does not have."""
    size = np.ptp(np.reshape(mesh.bounds, (3, 2)), axis=1)
    if not mesh.n_cells or grid.dimension > 3:
        raise ContractError(
            f"expected a mesh with cells and a grid of 1 to 3 dimensions, got {mesh.n_cells} cells and "
            f"{grid.dimension} dimensions"
        )
    if size[grid.dimension :].max(initial=0.0) > FLAT * size.max():
        raise ContractError(
            f"expected a flat mesh for a grid of {grid.dimension} dimensions, got one of the size {size.tolist()}: "
            "take a slice of it"
        )
    implicit = isinstance(mesh, pyvista.ImageData | pyvista.RectilinearGrid)
    source = mesh.cast_to_structured_grid() if implicit else mesh.copy(deep=False)
    points = np.array(source.points, dtype=np.float64)
    points[:, grid.dimension :] = 0.0
    source.SetPoints(pyvista.vtk_points(points))  # not source.points, which a shallow copy shares with the mesh
    source.clear_data()
    return source
