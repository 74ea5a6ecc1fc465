"""Meshes, functions and fields on grids as PyVista's grids."""

from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
from dolfinx import fem
from dolfinx import mesh as dmesh

from genmech_fem.adapters.vtk_grid import VtkGrid, common_space, components, labels, vtk_grid
from genmech_fem.errors import ContractError, MissingExtraError
from genmech_fem.fields import Arrays, Grid
from genmech_fem.geometry import Mesh

if TYPE_CHECKING:
    import pyvista

_TYPES = {"triangle": 5, "quad": 9, "tetra": 10, "hexahedron": 12}


def to_pyvista(
    source: dmesh.Mesh | Mesh | fem.Function | Mapping[str, fem.Function], *, units: Mapping[str, str] | None = None
) -> "pyvista.UnstructuredGrid":
    """Make a PyVista grid of a mesh, a function or several functions on one mesh.

    Functions with one value a cell become cell data, others point data. The cells get the highest
    degree of the functions and the mesh (VTK's Lagrange cells), so that every function is
    shown exactly; where one is DG, the cells share no points. Vectors and tensors of 2 dimensions get zeros as
    third components. On several processes the grid holds the cells that this one owns.

    Args:
        source: A mesh of DOLFINx; one function, with its own name; functions by name; or a mesh of
            `geometry`, whose tags become the cell data ``phase``.
        units: Units by name; they become part of the arrays' names, as ``u [mm]``.

    Raises:
        ContractError: The dofs of a function are not values at points.
        MissingExtraError: PyVista is not installed.
        ValueError: There is no function, or the functions lie on different meshes, or a unit belongs to none.
    """
    pyvista = import_pyvista()
    if isinstance(source, Mesh):
        labels({}, units)
        points = np.zeros((len(source.points), 3))
        points[:, : source.dimension] = source.points
        grid = pyvista.UnstructuredGrid({_TYPES[source.cell_type]: source.cells}, points)
        grid.cell_data["phase"] = source.tags
        return grid
    functions = {} if isinstance(source, dmesh.Mesh) else _by_name(source)
    domain = source if isinstance(source, dmesh.Mesh) else next(iter(functions.values())).function_space.mesh
    return as_pyvista(vtk_grid(common_space(domain, functions), functions, units))


def as_pyvista(arrays: VtkGrid) -> "pyvista.UnstructuredGrid":
    """PyVista's grid of the arrays of one.

    Raises:
        MissingExtraError: PyVista is not installed.
    """
    grid = import_pyvista().UnstructuredGrid({arrays.vtk_type: arrays.cells}, arrays.points)
    grid.point_data.update(arrays.point_data)
    grid.cell_data.update(arrays.cell_data)
    return grid


def grid_to_pyvista(grid: Grid, arrays: Arrays, *, units: Mapping[str, str] | None = None) -> "pyvista.ImageData":
    """Make a PyVista image of fields on a regular grid, cell or point data as the grid says.

    Args:
        grid: Grid of 1 to 3 dimensions.
        arrays: Fields (*value_shape, *grid.shape) by name, axis 0 of the grid is x.
        units: Units by name; they become part of the arrays' names, as ``u [mm]``.

    Raises:
        ContractError: An array does not fit the grid.
        MissingExtraError: PyVista is not installed.
        ValueError: The grid has more than 3 dimensions, or a unit belongs to no array.
    """
    pyvista = import_pyvista()
    n = grid.dimension
    if n > 3:
        raise ValueError(f"grid_to_pyvista: expected a grid of 1 to 3 dimensions, got {n}")
    named = labels(arrays, units)
    flat = (1,) * (3 - n)
    image = pyvista.ImageData(
        dimensions=(*(size + (grid.at == "cells") for size in grid.shape), *flat),
        spacing=(*grid.spacing, *(1.0,) * (3 - n)),
        origin=(*grid.lower, *(0.0,) * (3 - n)),
    )
    data = image.cell_data if grid.at == "cells" else image.point_data
    for name, value in arrays.items():
        array = np.asarray(value)
        if array.shape[-n:] != grid.shape:
            raise ContractError(f"'{name}': expected shape (*value_shape, *{grid.shape}), got {array.shape}")
        value_shape = array.shape[:-n]
        ordered = np.moveaxis(array, range(-n, 0), range(n - 1, -1, -1))  # VTK's x runs fastest
        data[named[name]] = components(ordered.reshape(-1, *value_shape))
    return image


def import_pyvista() -> ModuleType:
    """Import PyVista.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        import pyvista
    except ImportError as error:
        raise MissingExtraError("pyvista", "viz") from error
    return pyvista


def _by_name(source: fem.Function | Mapping[str, fem.Function]) -> Mapping[str, fem.Function]:
    functions = {source.name: source} if isinstance(source, fem.Function) else source
    if not functions:
        raise ValueError("to_pyvista: expected at least one function, got none")
    return functions
