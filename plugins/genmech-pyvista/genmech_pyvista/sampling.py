"""The inputs of a model from the arrays of a mesh, and images of grids."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyvista

from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, FieldSpec, Grid, ScalarSpec, Spec
from genmech_fem.geometry.pyvista import empty_image
from genmech_pyvista.arrays import Association, MeshArray, find_field, find_vector
from genmech_pyvista.probing import probe
from genmech_pyvista.values import as_values

type Outside = float | Mapping[str, float] | None
"""Value of a field where the grid has no mesh: one for all fields, or by name."""


def grid_of(mesh: pyvista.DataSet, place: Grid | Sequence[int]) -> Grid:
    """The grid itself, or one of cells of this shape in the box around the mesh."""
    if isinstance(place, Grid):
        return place
    lower, upper = np.reshape(mesh.bounds, (3, 2)).T[:, : len(place)]
    return Grid(tuple(place), tuple(lower), tuple(upper))


def preferred(grid: Grid) -> Association:
    """Which of two arrays of one name belongs to a grid: cell data to one of cells."""
    return "cells" if grid.at == "cells" else "points"


def on_grid(values: np.ndarray, grid: Grid) -> np.ndarray:
    """Values (points, *value_shape) in the order of ``grid.points()`` as (*value_shape, *grid.shape)."""
    return np.moveaxis(values, 0, -1).reshape(*values.shape[1:], *grid.shape)


def gather(mesh: pyvista.DataSet, specs: Sequence[Spec], outside: Outside) -> dict[str, np.ndarray]:
    """The inputs of a model from the arrays of a mesh, a batch of one.

    Raises:
        ContractError: An array is missing or does not fit, or the value outside the mesh is needed and not given.
    """
    return {spec.name: _gather_one(mesh, spec, outside)[None] for spec in specs}


def _gather_one(mesh: pyvista.DataSet, spec: Spec, outside: Outside) -> np.ndarray:
    if isinstance(spec, ScalarSpec):
        return find_vector(mesh, spec)
    grid = grid_in(spec)
    array = find_field(mesh, spec, preferred(grid))
    fitting = MeshArray(array.label, array.at, as_values(array, spec).reshape(len(array.values), -1))
    (table,), mask = probe(mesh, grid, [fitting])
    value = outside.get(spec.name) if isinstance(outside, Mapping) else outside
    if value is None and not mask.all():
        raise ContractError(
            f"{(~mask).sum()} of {mask.size} grid points of '{spec.name}' lie outside the mesh: say by outside= which "
            "value it has there"
        )
    table[~mask] = value
    return on_grid(table.reshape(len(table), *spec.value_shape), grid)


def grid_in(spec: FieldSpec) -> Grid:
    """The grid of a field.

    Raises:
        ContractError: It lies on points.
    """
    if not isinstance(spec.place, Grid):
        raise ContractError(f"'{spec.name}': expected a field on a regular grid, got one on {spec.place}")
    return spec.place


def image(grid: Grid, arrays: Arrays, corner: Sequence[float]) -> pyvista.ImageData:
    """An image of the grid with tables (points, components) in the order of ``grid.points()``.

    Args:
        grid: Grid of 1 to 3 dimensions.
        arrays: Tables by name.
        corner: Where the image lies along the axes that the grid does not have, of (x, y, z) [length].
    """
    made = empty_image(grid, corner)
    order = np.arange(np.prod(grid.shape)).reshape(grid.shape).ravel(order="F")  # VTK's x runs fastest
    data = made.cell_data if grid.at == "cells" else made.point_data
    for name, table in arrays.items():
        data[name] = table[order]
    return made
