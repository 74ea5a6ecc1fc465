"""Between the neutral mesh of `geometry` and DOLFINx."""

import basix.ufl
import numpy as np
from dolfinx import fem
from dolfinx import mesh as dmesh
from mpi4py import MPI

from genmech_fem.geometry import Mesh

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


def phase_field(
    domain: dmesh.Mesh, tags: np.ndarray, values: np.ndarray, out: fem.Function | None = None
) -> fem.Function:
    """Piecewise constant function (DG0) with ``values[tag]`` in each cell of this process."""
    function = fem.Function(fem.functionspace(domain, ("DG", 0))) if out is None else out
    function.x.array[: len(tags)] = np.asarray(values)[tags]
    function.x.scatter_forward()
    return function
