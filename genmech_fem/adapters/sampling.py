"""Sampling matrices: values and gradients of a finite-element function at points, as sparse matrices.

A sampled function is a matrix times its dofs, so the transpose is the exact adjoint.
"""

import numpy as np
from dolfinx import fem, geometry, mesh
from scipy import sparse


def locate(domain: mesh.Mesh, points: np.ndarray) -> np.ndarray:
    """Index of a cell of this process that holds each point, -1 where none does.

    Args:
        domain: The mesh.
        points: Coordinates (points, dimension) [length].
    """
    x = np.zeros((len(points), 3))
    x[:, : points.shape[1]] = points
    tree = geometry.bb_tree(domain, domain.topology.dim)
    hits = geometry.compute_colliding_cells(domain, geometry.compute_collisions_points(tree, x), x)
    count = np.diff(hits.offsets)
    cells = np.full(len(points), -1)
    cells[count > 0] = hits.array[hits.offsets[:-1][count > 0]]
    return cells


def sampling_matrices(space: fem.FunctionSpace, points: np.ndarray) -> tuple[sparse.csr_array, list[sparse.csr_array]]:
    """Matrices from the nodes of a Lagrange space to values and derivatives at points.

    Args:
        space: Scalar or blocked Lagrange (or DG) space.
        points: Coordinates (points, dimension) [length].

    Returns:
        The value matrix and one derivative matrix [1/length] for each direction, each
        (points, dofs of one component); rows of points outside the mesh are zero.
    """
    domain = space.mesh
    tdim = domain.topology.dim
    cells = locate(domain, points)
    found = np.flatnonzero(cells >= 0)
    reference, inverse = _pull_back(domain, cells[found], points[found])
    tables = _tabulate(space, reference)
    physical = np.einsum("rpb,prd->dpb", tables[1 : 1 + tdim], inverse)
    columns = space.dofmap.list[cells[found]]
    rows = np.repeat(found, columns.shape[1])
    nodes = space.dofmap.index_map.size_local + space.dofmap.index_map.num_ghosts

    def matrix(table: np.ndarray) -> sparse.csr_array:
        return sparse.csr_array((table.ravel(), (rows, columns.ravel())), shape=(len(points), nodes))

    return matrix(tables[0]), [matrix(table) for table in physical]


def _tabulate(space: fem.FunctionSpace, reference: np.ndarray) -> np.ndarray:
    """Basis functions and first derivatives (1 + dimension, points, basis functions of one component)."""
    element = space.element.basix_element
    return element.tabulate(1, np.ascontiguousarray(reference))[..., 0]


def _pull_back(domain: mesh.Mesh, cells: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reference coordinates (points, tdim) and inverse Jacobians dX/dx (points, tdim, gdim)."""
    gdim = domain.geometry.dim
    x = domain.geometry.x[domain.geometry.dofmaps[0][cells]][:, :, :gdim]
    coordinate = domain.ufl_domain().ufl_coordinate_element().basix_element
    reference = np.full((len(points), domain.topology.dim), 1.0 / 3.0)
    for _ in range(20):
        table = coordinate.tabulate(1, reference)[..., 0]
        residual = points[:, :gdim] - np.einsum("pb,pbg->pg", table[0], x)
        jacobian = np.einsum("rpb,pbg->pgr", table[1:], x)
        inverse = np.linalg.inv(jacobian)
        step = np.einsum("prg,pg->pr", inverse, residual)
        reference = reference + step
        if len(points) == 0 or np.abs(step).max() < 1e-12:
            break
    return reference, inverse
