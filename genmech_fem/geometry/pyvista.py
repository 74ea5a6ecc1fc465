"""Meshes and fields on regular grids as PyVista's grids, and arrays as VTK has them."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from genmech_fem.errors import ContractError, MissingExtraError
from genmech_fem.fields import Arrays, Grid
from genmech_fem.geometry.mesh import Mesh

if TYPE_CHECKING:
    import pyvista

_TYPES = {"triangle": 5, "quad": 9, "tetra": 10, "hexahedron": 12}


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
    image, named, n = empty_image(grid), labels(arrays, units), grid.dimension
    data = image.cell_data if grid.at == "cells" else image.point_data
    for name, value in arrays.items():
        array = np.asarray(value)
        if array.shape[-n:] != grid.shape:
            raise ContractError(f"'{name}': expected shape (*value_shape, *{grid.shape}), got {array.shape}")
        value_shape = array.shape[:-n]
        ordered = np.moveaxis(array, range(-n, 0), range(n - 1, -1, -1))  # VTK's x runs fastest
        data[named[name]] = vtk_components(ordered.reshape(-1, *value_shape))
    return image


def empty_image(grid: Grid, corner: Sequence[float] = (0.0, 0.0, 0.0)) -> "pyvista.ImageData":
    """Make a PyVista image of a regular grid, without arrays.

    Args:
        grid: Grid of 1 to 3 dimensions.
        corner: Where the image lies along the axes that the grid does not have, of (x, y, z) [length].

    Raises:
        MissingExtraError: PyVista is not installed.
        ValueError: The grid has more than 3 dimensions.
    """
    pyvista, n = import_pyvista(), grid.dimension
    if n > 3:
        raise ValueError(f"PyVista: expected a grid of 1 to 3 dimensions, got {n}")
    return pyvista.ImageData(
        dimensions=(*(size + (grid.at == "cells") for size in grid.shape), *(1,) * (3 - n)),
        spacing=(*grid.spacing, *(1.0,) * (3 - n)),
        origin=(*grid.lower, *corner[n:]),
    )


def mesh_to_pyvista(mesh: Mesh) -> "pyvista.UnstructuredGrid":
    """Make a PyVista grid of a mesh, with its tags as cell data ``phase``.

    Raises:
        MissingExtraError: PyVista is not installed.
    """
    points = np.zeros((len(mesh.points), 3))
    points[:, : mesh.dimension] = mesh.points
    grid = import_pyvista().UnstructuredGrid({_TYPES[mesh.cell_type]: mesh.cells}, points)
    grid.cell_data["phase"] = mesh.tags
    return grid


def labels(names: Mapping[str, object], units: Mapping[str, str] | None) -> dict[str, str]:
    """Names of arrays with units, as ``u [mm]``.

    Raises:
        ValueError: A unit belongs to no field.
    """
    unknown = sorted(set(units or {}) - set(names))
    if unknown:
        raise ValueError(f"units: expected names among {sorted(names)}, got {unknown}")
    return {name: f"{name} [{units[name]}]" if units and name in units else name for name in names}


def vtk_components(values: np.ndarray) -> np.ndarray:
    """Values (points, *value_shape) as VTK has them, (points,) or (points, components): 2 components become 3."""
    padded = np.pad(values, [(0, 0)] + [(0, 1 if n == 2 else 0) for n in values.shape[1:]])
    return padded.reshape(len(values), -1) if padded.ndim > 2 else padded


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
