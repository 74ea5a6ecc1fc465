"""Between the neutral mesh of `geometry` and DOLFINx."""

import basix.ufl
import numpy as np
from dolfinx import fem, graph, io
from dolfinx import mesh as dmesh
from mpi4py import MPI

from genmech_fem.errors import MeshingError
from genmech_fem.geometry.mesh import Mesh
from genmech_fem.geometry.solution import Solution
from genmech_fem.problems import Tags

_CELLS = {"triangle": "triangle", "quad": "quadrilateral", "tetra": "tetrahedron", "hexahedron": "hexahedron"}


def dolfinx_mesh(mesh: Mesh, comm: MPI.Comm = MPI.COMM_SELF) -> tuple[dmesh.Mesh, np.ndarray]:
    """Make a DOLFINx mesh and the phase tags (cells,) in the order of its cells.

    Args:
        mesh: Conforming mesh.
        comm: Communicator; every process passes the same mesh.
    """
    element = basix.ufl.element("Lagrange", _CELLS[mesh.cell_type], 1, shape=(mesh.dimension,))
    mine = comm.rank == 0
    order = [0, 1, 3, 2, 4, 5, 7, 6][: mesh.cells.shape[1]] if mesh.cell_type in ("quad", "hexahedron") else slice(None)
    cells = mesh.cells[:, order] if mine else mesh.cells[:0]
    points = mesh.points if mine else mesh.points[:0]
    domain = dmesh.create_mesh(comm, np.ascontiguousarray(cells, dtype=np.int64), element, points)
    return domain, mesh.tags[domain.topology.original_cell_index]


def mesh_tags(domain: dmesh.Mesh, mesh: Mesh) -> Tags:
    """Tags of cells and facets with their names, to be called on all processes.

    Args:
        domain: What `dolfinx_mesh` made of `mesh`.
        mesh: The mesh, the same on every process.

    Returns:
        Tags of all cells, and of the facets that have one; no facet tags where the mesh has none.

    Raises:
        MeshingError: The domain is of another mesh, or a tagged facet is no facet of a cell or is given twice.
    """
    cell_dim = _check(domain, mesh)
    values = mesh.tags[domain.topology.original_cell_index]
    cells = dmesh.meshtags(domain, cell_dim, np.arange(len(values), dtype=np.int32), values)
    if not len(mesh.facets):
        return Tags(cells=cells, names=mesh.names)
    mine = slice(None) if domain.comm.rank == 0 else slice(0)
    order = [0, 1, 3, 2] if mesh.facets.shape[1] == 4 else slice(None)
    found, tags = io.distribute_entity_data(
        domain, cell_dim - 1, np.ascontiguousarray(mesh.facets[mine][:, order]), mesh.facet_tags[mine]
    )
    domain.topology.create_connectivity(cell_dim - 1, 0)
    domain.topology.create_connectivity(cell_dim - 1, cell_dim)
    facets = dmesh.meshtags_from_entities(domain, cell_dim - 1, graph.adjacencylist(found), tags)
    owned = int((facets.indices < domain.topology.index_map(cell_dim - 1).size_local).sum())
    count = domain.comm.allreduce(owned)
    if count != len(mesh.facets):
        raise MeshingError(f"Mesh.facets: expected {len(mesh.facets)} different facets of the cells, got {count}")
    return Tags(facets, cells, mesh.names)


def solution_functions(domain: dmesh.Mesh, solution: Solution) -> dict[str, fem.Function]:
    """Point data as P1 functions and cell data as DG0 functions, with the exact values of the file.

    Args:
        domain: What `dolfinx_mesh` made of `solution.mesh`.
        solution: Solution, the same on every process.

    Returns:
        Functions by name, of the value shape of the data.

    Raises:
        MeshingError: The domain is of another mesh.
        ValueError: A name is that of a point and of a cell field.
    """
    _check(domain, solution.mesh)
    both = sorted(solution.point_data.keys() & solution.cell_data.keys())
    if both:
        raise ValueError(f"solution_functions: expected different names for point and cell data, got {both} twice")
    geometry = domain.geometry
    points = geometry.input_global_indices[geometry.dofmaps[0]]
    functions = {
        name: _function(domain, name, ("Lagrange", 1), points, data) for name, data in solution.point_data.items()
    }
    cells = domain.topology.original_cell_index[:, None]
    functions |= {name: _function(domain, name, ("DG", 0), cells, data) for name, data in solution.cell_data.items()}
    return functions


def _check(domain: dmesh.Mesh, mesh: Mesh) -> int:
    """The dimension of the cells."""
    dimension = int(domain.topology.dim)
    cells, points = domain.topology.index_map(dimension).size_global, domain.geometry.index_map().size_global
    used = len(np.unique(mesh.cells))
    if (cells, points) != (len(mesh.cells), used):
        raise MeshingError(
            f"domain: expected the mesh with {len(mesh.cells)} cells and {used} points that dolfinx_mesh made, "
            f"got one with {cells} cells and {points} points"
        )
    return dimension


def _function(
    domain: dmesh.Mesh, name: str, element: tuple[str, int], rows: np.ndarray, data: np.ndarray
) -> fem.Function:
    """Function with ``data[rows]`` at the dofs of the cells of this process."""
    space = fem.functionspace(domain, (*element, data.shape[1:]))
    function = fem.Function(space, name=name)
    function.x.array.reshape(-1, space.dofmap.bs)[space.dofmap.list] = data.reshape(len(data), -1)[rows]
    return function


def phase_field(
    domain: dmesh.Mesh, tags: np.ndarray, values: np.ndarray, out: fem.Function | None = None
) -> fem.Function:
    """Piecewise constant function (DG0) with ``values[tag]`` in each cell of this process."""
    function = fem.Function(fem.functionspace(domain, ("DG", 0))) if out is None else out
    function.x.array[: len(tags)] = np.asarray(values)[tags]
    function.x.scatter_forward()
    return function
