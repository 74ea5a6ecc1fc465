"""From arrays on grids to finite-element functions, as sparse matrices."""

from itertools import product

import basix
import numpy as np
from dolfinx import fem, mesh
from scipy import sparse

from genmech_fem.adapters.graphs import check_nodal
from genmech_fem.adapters.sampling import locate
from genmech_fem.errors import ContractError
from genmech_fem.fields import Grid
from genmech_fem.geometry.location import points_of

_POINTS = 16
"""Sub-pixel points that a cell of average size holds at least."""

_FEW = 8
"""Cells with fewer sub-pixel points take the mean of the pixels at their quadrature points."""

_FINEST = 8
"""Most sub-pixel points along each side of a pixel."""


def interpolation_matrix(grid: Grid, points: np.ndarray, *, periodic: bool = False) -> sparse.csr_array:
    """Multilinear interpolation of an array on a grid at points.

    It is `torch.nn.functional.grid_sample` with ``padding_mode="border"`` and ``align_corners`` for a
    grid of nodes: beyond the outermost points the value is that of the nearest one.

    Args:
        grid: Grid of the array.
        points: Coordinates (points, dimension) [length].
        periodic: Whether the array repeats: beyond the last centre of a cell comes the first. A grid of nodes
            then holds both sides of the box.

    Returns:
        Matrix (points, size of the grid) for ``array.ravel()``.

    Raises:
        ValueError: The points are no finite numbers of the grid's dimension.
    """
    points = points_of(points)
    if points.shape[1] != grid.dimension:
        raise ValueError(f"interpolation_matrix: expected points of dimension {grid.dimension}, got {points.shape}")
    shape, cyclic = np.array(grid.shape), periodic and grid.at == "cells"
    x = (points - grid.lower) / grid.spacing
    if periodic:
        x = np.mod(x, shape - (grid.at == "nodes"))
    x = x - (0.5 if grid.at == "cells" else 0.0)
    if not cyclic:
        x = np.clip(x, 0, shape - 1)
    first = np.floor(x).astype(np.int64)
    if not cyclic:
        first = np.minimum(first, np.maximum(shape - 2, 0))
    share = x - first
    columns, weights = [], []
    for corner in product((0, 1), repeat=grid.dimension):
        index = (first + corner) % shape if cyclic else np.minimum(first + corner, shape - 1)
        columns.append(np.ravel_multi_index(tuple(index.T), grid.shape))
        weights.append(np.where(corner, share, 1 - share).prod(axis=1))
    rows = np.tile(np.arange(len(points)), len(columns))
    entries = np.concatenate(weights), (rows, np.concatenate(columns))
    return sparse.csr_array(sparse.coo_array(entries, shape=(len(points), shape.prod())))


def to_nodes(grid: Grid, space: fem.FunctionSpace, *, periodic: bool = False) -> sparse.csr_array:
    """Multilinear interpolation of an array on a grid at the nodes of a Lagrange or DG space.

    Args:
        grid: Grid of the array.
        space: Space; its value shape does not matter.
        periodic: Whether the array repeats.

    Returns:
        Matrix (nodes, size of the grid), as `interpolation_matrix`; `graphs.to_function` makes the function.

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
