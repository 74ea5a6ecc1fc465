"""From arrays on grids to finite-element functions, as sparse matrices."""

import basix
import numpy as np
from dolfinx import fem, mesh
from scipy import sparse

from genmech_fem.adapters.location import locate
from genmech_fem.adapters.nodes import check_nodal
from genmech_fem.errors import ContractError
from genmech_fem.fields import Grid
from genmech_fem.geometry.interpolation import interpolation_matrix

_POINTS = 16
"""Sub-pixel points that a cell of average size holds at least."""

_FEW = 8
"""Cells with fewer sub-pixel points take the mean of the pixels at their quadrature points."""

_FINEST = 8
"""Most sub-pixel points along each side of a pixel."""


def to_nodes(grid: Grid, space: fem.FunctionSpace, *, periodic: bool = False) -> sparse.csr_array:
    """Multilinear interpolation of an array on a grid at the nodes of a Lagrange or DG space.

    Args:
        grid: Grid of the array.
        space: Space; its value shape does not matter.
        periodic: Whether the array repeats.

    Returns:
        Matrix (nodes, size of the grid), as `interpolation_matrix`; `to_function` makes the function.

    Raises:
        ContractError: The dofs of the space are not values at points.
    """
    check_nodal(space)
    points = space.tabulate_dof_coordinates()[:, : space.mesh.geometry.dim]
    return interpolation_matrix(grid, points, periodic=periodic)


def to_cells(grid: Grid, domain: mesh.Mesh) -> sparse.csr_array:
    """Mean of an array on pixels or voxels over each cell of a mesh, weighted by the area that they share.

    The areas are counted with points inside the pixels; a cell that holds fewer than 8 of these
    takes the mean over its quadrature points.

    Args:
        grid: Grid of cells.
        domain: Mesh inside the grid.

    Returns:
        Matrix (cells of this process, size of the grid) for ``array.ravel()``, with rows that sum to 1.

    Raises:
        ContractError: The grid is one of nodes, or the mesh reaches outside of it.
        ValueError: As of `locate`.
    """
    if grid.at != "cells":
        raise ContractError(f"to_cells: expected a grid of cells, got one of {grid.at}: use to_nodes")
    index = domain.topology.index_map(domain.topology.dim)
    count, size = index.size_local + index.num_ghosts, int(np.prod(grid.shape))
    finer = int(np.clip(np.ceil((_POINTS * index.size_global / size) ** (1 / grid.dimension)), 2, _FINEST))
    fine = Grid(tuple(n * finer for n in grid.shape), grid.lower, grid.upper)
    cells = locate(domain, fine)
    pixels = _pixels(fine.shape, finer, grid.shape)
    inside = cells >= 0
    pairs = sparse.coo_array((np.ones(inside.sum()), (cells[inside], pixels[inside])), shape=(count, size)).tocsr()
    held = np.asarray(pairs.sum(axis=1)).ravel()
    tiny = np.flatnonzero(held < _FEW)
    weights = np.where(held < _FEW, 0.0, 1 / np.maximum(held, 1))
    return sparse.csr_array(sparse.diags_array(weights) @ pairs + _quadrature_means(grid, domain, tiny, count))


def _pixels(fine: tuple[int, ...], finer: int, shape: tuple[int, ...]) -> np.ndarray:
    """Number of the pixel of each sub-pixel point."""
    axes = np.meshgrid(*[np.arange(n) // finer for n in fine], indexing="ij")
    return np.ravel_multi_index([axis.ravel() for axis in axes], shape)


def _quadrature_means(grid: Grid, domain: mesh.Mesh, cells: np.ndarray, count: int) -> sparse.csr_array:
    """Rows for some cells: means of the pixels at their quadrature points."""
    points, weights = basix.make_quadrature(domain.basix_cell(), 4)
    element = domain.ufl_domain().ufl_coordinate_element().basix_element
    table = element.tabulate(1, points)[..., 0]
    nodes = domain.geometry.x[domain.geometry.dofmaps[0][cells]][..., : domain.geometry.dim]
    at = np.einsum("qn,cng->cqg", table[0], nodes).reshape(-1, grid.dimension)
    volumes = weights * np.abs(np.linalg.det(np.einsum("rqn,cng->cqgr", table[1:], nodes)))
    index = np.floor((at - grid.lower) / grid.spacing * (1 - 1e-12)).astype(np.int64)
    if (index < 0).any() or (index >= grid.shape).any():
        raise ContractError(f"to_cells: expected a mesh inside the grid, got one that reaches outside of {grid}")
    columns = np.ravel_multi_index(tuple(index.T), grid.shape)
    shares = volumes / volumes.sum(axis=1, keepdims=True)
    rows = np.repeat(cells, len(weights))
    return sparse.csr_array((shares.ravel(), (rows, columns)), shape=(count, int(np.prod(grid.shape))))
