"""Finite-element functions as the arrays of an unstructured grid of VTK, without VTK."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import basix
import basix.ufl
import numpy as np
from dolfinx import fem, mesh
from dolfinx.io.utils import cell_perm_vtk
from mpi4py import MPI

from genmech_fem.adapters.nodes import check_nodal, node_features
from genmech_fem.adapters.processes import gathered
from genmech_fem.geometry.pyvista import labels, vtk_components

# Number of VTK and name of meshio, for cells of degree 1 and of any degree.
_TYPES = {
    "interval": ((3, "line"), (68, "VTK_LAGRANGE_CURVE")),
    "triangle": ((5, "triangle"), (69, "VTK_LAGRANGE_TRIANGLE")),
    "quadrilateral": ((9, "quad"), (70, "VTK_LAGRANGE_QUADRILATERAL")),
    "tetrahedron": ((10, "tetra"), (71, "VTK_LAGRANGE_TETRAHEDRON")),
    "hexahedron": ((12, "hexahedron"), (72, "VTK_LAGRANGE_HEXAHEDRON")),
}


type Functions = Mapping[str, fem.Function]


@dataclass(frozen=True, eq=False)
class VtkGrid:
    """Part of an unstructured grid that one process holds.

    Args:
        points: Coordinates (points, 3) [length].
        cells: Points of each cell (cells, points of a cell) in VTK's order.
        vtk_type: VTK's number of the cell type.
        meshio_type: meshio's name of the cell type.
        point_data: Values (points,) or (points, components) by label.
        cell_data: Values (cells,) or (cells, components) by label.
        numbers: Number of each point in the whole grid (points,); those that other processes own come last.
        owned: Number of points that this process owns.
    """

    points: np.ndarray
    cells: np.ndarray
    vtk_type: int
    meshio_type: str
    point_data: dict[str, np.ndarray]
    cell_data: dict[str, np.ndarray]
    numbers: np.ndarray
    owned: int

    def gather(self, comm: MPI.Comm) -> "VtkGrid":
        """Collect the whole grid on process 0; the other processes get an empty one."""
        whole = partial(gathered, comm)
        numbers = whole(self.numbers[: self.owned])
        return VtkGrid(
            whole(self.points[: self.owned]),
            whole(self.numbers[self.cells]),
            self.vtk_type,
            self.meshio_type,
            {name: whole(data[: self.owned]) for name, data in self.point_data.items()},
            {name: whole(data) for name, data in self.cell_data.items()},
            numbers,
            len(numbers),
        )


def in_cells(function: fem.Function) -> bool:
    """Tell whether a function has one value a cell."""
    return int(function.function_space.ufl_element().degree) == 0


def mesh_of(functions: Functions) -> mesh.Mesh:
    """The mesh of the first function."""
    return next(iter(functions.values())).function_space.mesh


def common_space(domain: mesh.Mesh, functions: Functions) -> fem.FunctionSpace:
    """Scalar Lagrange space with equidistant nodes that holds all functions exactly; DG if one of them is.

    Raises:
        ContractError: The dofs of a function are not values at points.
        ValueError: The functions lie on different meshes.
    """
    degree, discontinuous = int(domain.geometry.cmaps[0].degree), False
    for name, function in functions.items():
        space = function.function_space
        check_nodal(space)
        if space.mesh.topology is not domain.topology:
            raise ValueError(f"'{name}': expected functions on one mesh, got one on another mesh")
        if not in_cells(function):
            degree = max(degree, int(space.ufl_element().degree))
            discontinuous |= bool(space.ufl_element().discontinuous)
    return lagrange_space(domain, degree, discontinuous)


def lagrange_space(
    domain: mesh.Mesh, degree: int, discontinuous: bool = False, shape: tuple[int, ...] = ()
) -> fem.FunctionSpace:
    """Lagrange space with equidistant nodes, as the cells of VTK have them."""
    element = basix.ufl.element(
        "Lagrange",
        domain.topology.cell_name(),
        degree,
        basix.LagrangeVariant.equispaced if degree else basix.LagrangeVariant.gll_warped,
        shape=shape,
        discontinuous=discontinuous or degree == 0,
        dtype=domain.geometry.x.dtype,
    )
    return fem.functionspace(domain, element)


def values_at_nodes(function: fem.Function, space: fem.FunctionSpace) -> np.ndarray:
    """Values (nodes, *value_shape) of a function at the nodes of a scalar Lagrange space, ghosts included."""
    source = function.function_space
    values = np.moveaxis(node_features(function), -1, 0)
    old, new = source.element.basix_element, space.element.basix_element
    at_cells = values[source.dofmap.list]
    if old.points.shape != new.points.shape or not np.allclose(old.points, new.points, rtol=0, atol=1e-14):
        at_cells = np.einsum("nb,cb...->cn...", old.tabulate(0, new.points)[0, :, :, 0], at_cells)
    index = space.dofmap.index_map
    result = np.empty((index.size_local + index.num_ghosts, *values.shape[1:]), dtype=values.dtype)
    result[space.dofmap.list] = at_cells
    return result


def vtk_grid(space: fem.FunctionSpace, functions: Functions, units: Mapping[str, str] | None = None) -> VtkGrid:
    """Make the grid of the cells that this process owns.

    Args:
        space: The `common_space` of the functions.
        functions: Functions by name; those with one value a cell become cell data.
        units: Units by name.

    Raises:
        ValueError: A unit belongs to no function, or VTK has no such cells.
    """
    domain = space.mesh
    if domain.topology.cell_name() not in _TYPES:
        raise ValueError(f"expected cells of one type of {sorted(_TYPES)}, got {domain.topology.cell_name()}")
    named = labels(functions, units)
    count = domain.topology.index_map(domain.topology.dim).size_local
    nodes = space.dofmap.list[:count]
    order = np.argsort(cell_perm_vtk(domain.topology.cell_type, nodes.shape[1]))
    index = space.dofmap.index_map
    linear = int(space.ufl_element().degree) == 1
    vtk_type, meshio_type = _TYPES[domain.topology.cell_name()][0 if linear else 1]
    point_data, cell_data = {}, {}
    for name, function in functions.items():
        if in_cells(function):
            values = np.moveaxis(node_features(function), -1, 0)[function.function_space.dofmap.list[:count, 0]]
            cell_data[named[name]] = vtk_components(values)
        else:
            point_data[named[name]] = vtk_components(values_at_nodes(function, space))
    numbers = index.local_to_global(np.arange(index.size_local + index.num_ghosts, dtype=np.int32))
    return VtkGrid(
        space.tabulate_dof_coordinates(),
        nodes[:, order].astype(np.int64),
        vtk_type,
        meshio_type,
        point_data,
        cell_data,
        numbers,
        index.size_local,
    )
