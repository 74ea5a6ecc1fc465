"""Function spaces on the torus: dofs on opposite sides of a box are one dof."""

import basix.ufl
import numpy as np
from dolfinx import cpp, fem, mesh

from genmech_fem.errors import MeshingError


def periodic_space(domain: mesh.Mesh, shape: tuple[int, ...] = (), degree: int = 1) -> fem.FunctionSpace:
    """Lagrange space on a mesh of a box whose opposite sides match; one process.

    Args:
        domain: Mesh of an axis-parallel box, node for node the same on opposite sides.
        shape: Value shape.
        degree: Polynomial degree.

    Raises:
        MeshingError: Opposite sides do not match.
        ValueError: The mesh is spread over several processes.
    """
    if domain.comm.size > 1:
        raise ValueError(f"periodic_space: expected a mesh on one process (COMM_SELF), got {domain.comm.size}")
    element = basix.ufl.element("Lagrange", domain.basix_cell(), degree, shape=shape)
    space = fem.functionspace(domain, element)
    merged = _merge_sides(space.tabulate_dof_coordinates()[:, : domain.geometry.dim])
    block = space.dofmap.bs
    dofmap = cpp.fem.DofMap(
        space.dofmap.dof_layout,
        cpp.common.IndexMap(domain.comm, int(merged.max()) + 1),
        block,
        cpp.graph.AdjacencyList_int32(merged[space.dofmap.list].astype(np.int32)),
        block,
    )
    return fem.FunctionSpace(
        domain, element, cpp.fem.FunctionSpace_float64(domain._cpp_object, space.element._cpp_object, dofmap)
    )


def _merge_sides(x: np.ndarray) -> np.ndarray:
    """Number the points (points, dimension) so that equal places on the torus share a number."""
    lower, upper = x.min(axis=0), x.max(axis=0)
    key = np.round((x - lower) / (upper - lower) * 2**30).astype(np.int64)
    on_upper = key == 2**30
    places = np.where(on_upper, 0, key)
    order = np.lexsort(places.T[::-1])
    steps = np.diff(places[order], axis=0, prepend=-1).any(axis=1)
    merged = np.empty(len(x), dtype=np.int64)
    merged[order] = steps.cumsum() - 1
    sides = (on_upper | (key == 0)).sum(axis=1)
    lonely = np.bincount(merged)[merged] != 2**sides
    if lonely.any():
        raise MeshingError(
            f"opposite sides of the mesh do not match: {int(lonely.sum())} points have no partner, "
            f"the first at {x[lonely.argmax()].tolist()}; make the mesh periodic (geometry.conforming_mesh does)"
        )
    return merged
