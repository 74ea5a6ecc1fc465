"""Meshes and functions as PyVista's grids."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dolfinx import fem
from dolfinx import mesh as dmesh

from genmech_fem.adapters.vtk_grid import VtkGrid, common_space, vtk_grid
from genmech_fem.geometry import Mesh
from genmech_fem.geometry.pyvista import import_pyvista, labels, mesh_to_pyvista

if TYPE_CHECKING:
    import pyvista


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
    import_pyvista()
    if isinstance(source, Mesh):
        labels({}, units)
        return mesh_to_pyvista(source)
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


def _by_name(source: fem.Function | Mapping[str, fem.Function]) -> Mapping[str, fem.Function]:
    functions = {source.name: source} if isinstance(source, fem.Function) else source
    if not functions:
        raise ValueError("to_pyvista: expected at least one function, got none")
    return functions
