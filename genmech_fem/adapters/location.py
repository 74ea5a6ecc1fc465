"""Where points lie in the cells of a mesh, on any number of processes."""

import numpy as np
from dolfinx import mesh
from mpi4py import MPI

from genmech_fem.fields import Grid
from genmech_fem.geometry.location import boxes, points_of, search
from genmech_fem.geometry.reference_cells import pull_back

type Where = Grid | np.ndarray
"""A grid, or points (points, dimension) [length]."""

_BULGE = 0.25
"""Curved cells may reach this share of their size beyond their nodes."""


def locate(domain: mesh.Mesh, place: Where) -> np.ndarray:
    """Index of a cell of this process that holds each point, -1 where none does.

    A point that several cells share belongs to the one that came first when the mesh was made, so
    the choice does not depend on the number of processes; on several, one process at most
    has it. To be called on all processes.

    Args:
        domain: Mesh whose cells have the dimension of its points.
        place: Grid, or points (points, dimension) [length].

    Returns:
        Cells (points,).

    Raises:
        ValueError: The mesh is a surface in space, or the place is of another dimension.
    """
    return locate_in_cells(domain, place)[0]


def locate_in_cells(domain: mesh.Mesh, place: Where) -> tuple[np.ndarray, np.ndarray]:
    """The cells of `locate` (points,), and reference coordinates in them (points, dimension)."""
    dimension = domain.geometry.dim
    given = place.dimension if isinstance(place, Grid) else points_of(place).shape[1]
    if not domain.topology.dim == dimension == given:
        raise ValueError(
            f"expected cells, points and grid of one dimension, got cells of {domain.topology.dim}, points of "
            f"{dimension} and a place of {given}"
        )
    owned = domain.topology.index_map(dimension).size_local
    first = domain.topology.original_cell_index[:owned]
    order = np.argsort(first, kind="stable")
    nodes = domain.geometry.x[domain.geometry.dofmaps[0][:owned][order]][..., :dimension]
    coordinate = domain.ufl_domain().ufl_coordinate_element().basix_element

    def shape(reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        table = coordinate.tabulate(1, np.ascontiguousarray(reference))[..., 0]
        return table[0], np.moveaxis(table[1:], 0, -1)

    lower, upper = boxes(nodes)
    if coordinate.degree > 1:
        bulge = _BULGE * (upper - lower)
        lower, upper = lower - bulge, upper + bulge
    simplex = domain.topology.cell_name() in ("triangle", "tetrahedron")
    found, reference = search(lower, upper, place, pull_back(nodes, shape, simplex=simplex), dimension)
    if domain.comm.size > 1:
        none = np.iinfo(np.int64).max
        mine = np.where(found >= 0, first[order][found] if owned else none, none)
        winner = np.empty_like(mine)
        domain.comm.Allreduce(mine, winner, op=MPI.MIN)
        found[mine != winner] = -1
    return np.where(found >= 0, order[found] if owned else -1, -1), reference


def inside_mesh(domain: mesh.Mesh, cells: np.ndarray, place: Where) -> np.ndarray:
    """Tell, from the cells of `locate`, which points some process has, of the shape of the grid or (points,)."""
    inside = cells >= 0
    if domain.comm.size > 1:
        inside = domain.comm.allreduce(inside.astype(np.int64)) > 0
    return inside.reshape(place.shape if isinstance(place, Grid) else len(place))
