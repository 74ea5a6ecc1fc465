"""Periodic meshes that are regular grids, and the rows that their cells add to a matrix."""

import itertools
from dataclasses import dataclass
from typing import cast

import numpy as np
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.problems.cell_symbols import CellKind, cell_symbols, compiled_cell_form
from genmech_fem.problems.forms import assemble, new_matrix
from genmech_fem.problems.periodic import periodic_space


@dataclass(frozen=True, eq=False)
class Voxels:
    """A regular periodic grid of Q1 cells.

    Args:
        shape: Cells along each axis, as many as nodes.
        cells: The mesh's cell at each place of the grid, in C order (cells,).
    """

    shape: tuple[int, ...]
    cells: np.ndarray


def voxels(space: fem.FunctionSpace) -> Voxels | None:
    """The grid of a periodic space whose nodes are those of a regular grid in its order, else None."""
    domain = space.mesh
    if domain.basix_cell().name not in ("quadrilateral", "hexahedron") or space.element.basix_element.degree != 1:
        return None
    x = domain.geometry.x[:, : domain.geometry.dim]
    lower, upper = x.min(axis=0), x.max(axis=0)
    cells = x[domain.geometry.dofmaps[0]]
    shape = np.round((upper - lower) / np.ptp(cells[0], axis=0)).astype(int)
    corners = (cells - lower) / ((upper - lower) / shape)
    places = np.round(corners).astype(int)
    nodes = np.ravel_multi_index(tuple(np.moveaxis(places, -1, 0)), tuple(shape), mode="wrap")
    if not (np.allclose(corners, places, rtol=0, atol=1e-8) and np.array_equal(nodes, space.dofmap.list)):
        return None
    order = np.argsort(np.ravel_multi_index(tuple(places.min(axis=1).T), tuple(shape)))
    return Voxels(tuple(shape.tolist()), order) if len(order) == np.prod(shape) else None


def stencils(kind: CellKind, size: np.ndarray) -> np.ndarray:
    """Rows of a node, one coefficient of one cell around it being 1, as `FourierSolver` takes them.

    Args:
        kind: The physics and the element, of degree 1.
        size: Size of a voxel (dimension,) [length].

    Returns:
        Shape (cells around a node, coefficients, components, 3^dimension neighbours, components).
    """
    dimension, components = kind.dimension, kind.physics.components(kind.dimension)
    create, cell = (
        (mesh.create_rectangle, mesh.CellType.quadrilateral)
        if dimension == 2
        else (mesh.create_box, mesh.CellType.hexahedron)
    )
    three = (3,) * dimension
    domain = create(MPI.COMM_SELF, [0 * size, 3 * size], three, cell)
    symbols, space = cell_symbols(kind), periodic_space(domain, kind.physics.value_shape(dimension))
    moduli = fem.functionspace(domain, symbols.elements["moduli"])
    cells = cast(Voxels, voxels(space)).cells
    units = {symbol: fem.Function(moduli) for symbol in symbols.coefficients}
    form = fem.create_form(compiled_cell_form("element", kind), [space, space], domain, {}, units, {})
    matrix, found = new_matrix(form), []
    for corner in np.ndindex((2,) * dimension):
        voxel = cells[np.ravel_multi_index(np.array(corner) - 1, three, mode="wrap")]
        for unit, k in itertools.product(units.values(), range(moduli.dofmap.bs)):
            unit.x.array[voxel * moduli.dofmap.bs + k] = 1.0
            assemble(matrix, form, [])
            unit.x.array[:] = 0.0
            found.append(matrix.to_dense()[:components])
    rows = np.reshape(found, (2**dimension, -1, components, *three, components))
    rows = np.roll(rows, 1, axis=tuple(range(3, 3 + dimension)))
    return rows.reshape(*rows.shape[:3], 3**dimension, components)
