"""Parts of a mesh: some of its cells as a mesh, and which cells hang together."""

import numpy as np
from scipy import sparse

from genmech_fem.geometry.facets import unique_facets
from genmech_fem.geometry.mesh import Mesh


def submesh(mesh: Mesh, kept: np.ndarray) -> Mesh:
    """The kept cells and their points, with phase 0."""
    used, cells = np.unique(mesh.cells[kept], return_inverse=True)
    return Mesh(
        mesh.points[used], cells.reshape(-1, mesh.cells.shape[1]), mesh.cell_type, np.zeros(kept.sum(), dtype=np.int32)
    )


def connected_pieces(mesh: Mesh) -> np.ndarray:
    """Number from 0 of the part of each cell; parts hang together by facets."""
    _, cells = unique_facets(mesh)
    one, two = cells[cells[:, 1] >= 0].T
    graph = sparse.coo_array((np.ones(len(one)), (one, two)), shape=(len(mesh.cells),) * 2)
    return np.asarray(sparse.csgraph.connected_components(graph, directed=False)[1])
