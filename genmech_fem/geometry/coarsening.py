"""Larger cells away from interfaces, through mmg.

Dapogny, Dobrzynski & Frey, J. Comput. Phys. 262 (2014), doi:10.1016/j.jcp.2014.01.005.
"""

import numpy as np
from scipy.spatial import KDTree

from genmech_fem.errors import MeshingError, MissingExtraError
from genmech_fem.geometry.facets import unique_facets
from genmech_fem.geometry.mesh import Mesh


def coarsen(mesh: Mesh, *, size: float | None = None, gradation: float = 1.3, tolerance: float | None = None) -> Mesh:
    """Coarsen a triangle mesh away from its border and its interfaces.

    The points and edges of the border stay as they are, so periodic meshes stay periodic. Facet
    tags are dropped; `with_facet_tags` makes them again. Between fixed edges mmg leaves smaller angles than
    `conforming_mesh` does, the smaller the rougher the interface: look at ``smallest_angle()``.

    Args:
        mesh: Triangles in 2D.
        size: Longest edge [length]; None takes a tenth of the largest extent of the mesh.
        gradation: Largest ratio of the lengths of neighbouring edges, above 1.
        tolerance: How far the interfaces may move to get longer edges [length]; None keeps their points and
            edges, and so the area of every phase.

    Raises:
        MeshingError: The cells are of another type, or mmg fails.
        MissingExtraError: mmgpy is not installed.
        ValueError: The size or the tolerance is not positive, or the gradation is not above 1.
    """
    try:
        import mmgpy
    except ImportError as error:
        raise MissingExtraError("mmgpy", "mmg") from error
    extent = float(np.ptp(mesh.points, axis=0).max())
    size = extent / 10 if size is None else size
    if not (0 < size < np.inf and 1 < gradation < np.inf and (tolerance is None or 0 < tolerance < np.inf)):
        raise ValueError(
            f"coarsen: expected size > 0, gradation > 1 and tolerance > 0, got {size}, {gradation} and {tolerance}"
        )
    if mesh.cell_type != "triangle" or mesh.dimension != 2:
        raise MeshingError(f"coarsen: expected triangles in 2D, got {mesh.cell_type} cells in {mesh.dimension}D")
    edges, owners = unique_facets(mesh)
    border = owners[:, 1] < 0
    fixed = edges[border | ((mesh.tags[owners[:, 0]] != mesh.tags[owners[:, 1]]) & (tolerance is None))]
    lower = mesh.points.min(axis=0)
    mmgpy.disable_logging()
    remesher = mmgpy.MmgMesh2D()
    remesher.set_mesh_size(vertices=len(mesh.points), triangles=len(mesh.cells), edges=len(fixed))
    remesher.set_vertices((mesh.points - lower) / extent)
    remesher.set_triangles(mesh.cells.astype(np.int32), mesh.tags.astype(np.int64) + 1)
    remesher.set_edges(fixed.astype(np.int32))
    remesher.set_required_edges(np.arange(len(fixed), dtype=np.int32))
    remesher.set_required_vertices(np.unique(fixed).astype(np.int32))
    options = {"hmax": size / extent, "hgrad": gradation, "nosurf": tolerance is None, "verbose": -1}
    if tolerance is not None:
        options["hausd"] = tolerance / extent
    try:
        remesher.remesh(**options)
    except RuntimeError as error:
        raise MeshingError(f"coarsen: expected a mesh that mmg can remesh, it says: {error}") from error
    cells, tags = remesher.get_triangles_with_refs()
    points = np.asarray(remesher.get_vertices()) * extent + lower
    return Mesh(_restored(points, mesh.points[np.unique(fixed)]), cells, "triangle", np.asarray(tags) - 1)


def _restored(points: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """Give the fixed points back the coordinates that scaling rounded."""
    distance, index = KDTree(points).query(fixed)
    if distance.max() > 1e-9 * np.ptp(fixed, axis=0).max():
        raise MeshingError(
            f"coarsen: expected mmg to keep the border and the interfaces, it moved {distance.max():.1e}"
        )
    points = points.copy()
    points[index] = fixed
    return points
