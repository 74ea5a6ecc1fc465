"""Periodic two-phase triangle meshes from an image or a level set.

Isosurface stuffing: Labelle & Shewchuk, ACM Trans. Graph. 26 (2007),
doi:10.1145/1276377.1276448; here in 2D on the torus.
"""

import numpy as np
from scipy.ndimage import map_coordinates

from genmech_fem.errors import MeshingError
from genmech_fem.geometry.mesh import Mesh, smallest_angles

# A grid triangle is not bent to less than this share of its smallest angle.
_BENT = 0.25


def periodic_mesh(
    level: np.ndarray,
    *,
    lower: tuple[float, float] = (0.0, 0.0),
    upper: tuple[float, float] = (1.0, 1.0),
    threshold: float = 0.5,
    refine: int = 1,
    snap: float = 0.3,
) -> Mesh:
    """Mesh a periodic image with triangles that follow the contour ``level = threshold``.

    Opposite sides of the box carry identical points. The tag is 1 where
    ``level > threshold`` and 0 elsewhere.

    Args:
        level: Periodic field (nx, ny) at the centres of the pixels; axis 0 is x.
        lower: Lower corner of the box [length].
        upper: Upper corner of the box [length].
        threshold: Value of `level` on the interface; not that of a plateau, which has no contour.
        refine: Background squares along each side of a pixel.
        snap: Grid nodes closer to the interface than this share of an edge move onto it;
            other edges are cut.

    Raises:
        ValueError: The field, the box, `refine` or `snap` cannot be used.
        MeshingError: A triangle is degenerate: the box is too far from the origin for its
            size, or `snap` is tiny.
    """
    field = _checked(level, threshold)
    if not (len(lower) == len(upper) == 2 and np.isfinite([*lower, *upper]).all() and np.less(lower, upper).all()):
        raise ValueError(f"periodic_mesh: expected a box with finite lower < upper in 2D, got {lower}, {upper}")
    if refine != int(refine) or refine < 1:
        raise ValueError(f"periodic_mesh.refine: expected a whole number of at least 1, got {refine}")
    if not 0 <= snap < 0.5:
        raise ValueError(f"periodic_mesh.snap: expected 0 <= snap < 0.5, got {snap}")
    shape = field.shape[0] * int(refine), field.shape[1] * int(refine)
    size = np.subtract(upper, lower) / shape
    nodes = _interpolate(field, np.indices(shape) / refine)
    nodes[np.abs(nodes) < 1e-12 * np.abs(field).max()] = 0.0  # round-off has no phase
    rising = np.indices(shape).sum(axis=0) % 2 == 0  # alternating diagonals
    nodes, moves = _snap(nodes, rising, size, snap)
    axes = [np.linspace(a, b, n + 1) for a, b, n in zip(lower, upper, shape, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    triangles = _triangulate(rising)
    points = _move(grid, moves, triangles)
    values = np.pad(nodes, (0, 1), mode="wrap").ravel()
    points, triangles, signs = _cut(points, triangles, values)
    flat = signs == 0
    centroids = points[triangles[flat]].mean(axis=1)
    signs[flat] = _interpolate(field, (centroids - lower).T / (size * refine)[:, None])
    mesh = Mesh(points, triangles, "triangle", (signs > 0).astype(np.int32))
    if mesh.measures().min() <= 0:
        raise MeshingError(
            f"periodic_mesh: expected triangles with an area, got a degenerate one in the box {lower}, {upper} "
            f"with snap={snap}: put the box near the origin and take the usual snap=0.3"
        )
    return mesh


def _checked(level: np.ndarray, threshold: float) -> np.ndarray:
    field = np.asarray(level)
    if field.dtype.kind not in "fiub" or field.ndim != 2 or min(field.shape) < 4:
        raise ValueError(
            "periodic_mesh.level: expected real numbers (nx, ny) on at least 4 x 4 pixels, "
            f"got {field.dtype} of shape {field.shape}"
        )
    field = field.astype(np.float64) - threshold
    if not np.isfinite(field).all():
        raise ValueError("periodic_mesh.level: expected finite values and threshold, got NaN or infinity")
    return field


def _interpolate(field: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """Value of the periodic field at points (2, ...) in units of pixels from the lower corner.

    Cubic splines: they recover the area of a disc 2 to 9 times better than linear interpolation.
    """
    return np.asarray(map_coordinates(field, pixels - 0.5, order=3, mode="grid-wrap"))


def _snap(nodes: np.ndarray, rising: np.ndarray, size: np.ndarray, snap: float) -> tuple[np.ndarray, np.ndarray]:
    """Levels with 0 at the nodes next to the interface, and the moves (nx, ny, 2) that put these onto it.

    Nodes of the border move along the border only, corners never.
    """
    falling = ~rising
    edges = {
        (1, 1): rising,
        (-1, -1): np.roll(rising, (1, 1), (0, 1)),
        (1, -1): np.roll(falling, 1, 1),
        (-1, 1): np.roll(falling, 1, 0),
    }
    index = np.indices(nodes.shape)
    found = np.zeros(nodes.shape, dtype=bool)
    nearest = np.full(nodes.shape, np.inf)
    moves = np.zeros((*nodes.shape, 2))
    for step in [(1, 0), (-1, 0), (0, 1), (0, -1), *edges]:
        other = np.roll(nodes, (-step[0], -step[1]), (0, 1))
        cut = (np.sign(nodes) * np.sign(other) < 0) & edges.get(step, True)
        share = nodes / np.where(cut, nodes - other, np.inf)
        cut &= share <= snap
        found |= cut
        for axis in (0, 1):
            cut &= (index[axis] > 0) | (step[axis] == 0)
        length = share * np.linalg.norm(step * size)
        cut &= length < nearest
        nearest[cut] = length[cut]
        moves[cut] = share[cut, None] * (step * size)
    return np.where(found, 0.0, nodes), moves


def _triangulate(rising: np.ndarray) -> np.ndarray:
    """Split the squares into triangles (triangles, 3) of points of the box, counter-clockwise."""
    i, j = np.indices(rising.shape)
    a = i * (rising.shape[1] + 1) + j
    b, d = a + rising.shape[1] + 1, a + 1
    c = b + 1
    first = np.where(rising, [a, b, c], [a, b, d])
    second = np.where(rising, [a, c, d], [b, c, d])
    return np.concatenate([first.reshape(3, -1), second.reshape(3, -1)], axis=1).T


def _move(grid: np.ndarray, moves: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Move the nodes (points, 2), except where a triangle would be bent too far."""
    columns = grid.shape[1]
    limit = _BENT * smallest_angles(grid.reshape(-1, 2)[triangles[:1]])
    while True:
        moved = np.pad(moves, ((0, 1), (0, 1), (0, 0)), mode="wrap")
        points = (grid + moved).reshape(-1, 2)
        touched = triangles[(moved.any(axis=2).ravel()[triangles]).any(axis=1)]
        corners = points[touched]
        ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        inverted = ab[:, 0] * ac[:, 1] <= ab[:, 1] * ac[:, 0]
        bad = touched[inverted | (smallest_angles(corners) < limit)]
        if not len(bad):
            return points
        i, j = np.divmod(bad, columns)
        moves[i % moves.shape[0], j % moves.shape[1]] = 0.0


def _cut(points: np.ndarray, triangles: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut the triangles along the interface: points, triangles and the sign of each triangle."""
    signs = np.sign(values)[triangles]
    mixed = signs.min(axis=1) * signs.max(axis=1) < 0
    halved = mixed & (signs == 0).any(axis=1)
    thirded = mixed & ~halved
    a, b, c = _rolled(triangles[halved], signs[halved] == 0)
    d, e, f = _rolled(triangles[thirded], signs[thirded] == -signs[thirded].sum(axis=1, keepdims=True))
    pairs = np.concatenate([np.stack(pair, axis=1) for pair in ((b, c), (d, e), (d, f))])
    points, index = _append_cuts(points, values, pairs)
    m, p, q = np.split(index, [len(a), len(a) + len(d)])
    pieces = [np.stack(corners, axis=1) for corners in ((a, b, m), (a, m, c), (d, p, q))]
    cells = np.concatenate([triangles[~mixed], *pieces, *_split_quads(points, p, e, f, q)])
    values = np.pad(values, (0, len(points) - len(values)))
    return points, cells, np.sign(values)[cells].sum(axis=1)


def _rolled(triangles: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Corners (3, triangles) in the same sense of rotation, beginning where `first` is true."""
    order = (np.argmax(first, axis=1)[:, None] + np.arange(3)) % 3
    return np.take_along_axis(triangles, order, axis=1).T


def _append_cuts(points: np.ndarray, values: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Append the points where the edges (cuts, 2) meet the interface, each once; returns their indices, too."""
    edges, index = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True)
    start, end = points[edges[:, 0]], points[edges[:, 1]]
    low, high = values[edges].T
    cuts = start + (low / (low - high))[:, None] * (end - start)
    return np.concatenate([points, cuts]), index.ravel() + len(points)


def _split_quads(points: np.ndarray, *corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split quadrilaterals into two triangles each, by the diagonal that leaves the larger angles."""
    a, b, c, d = corners
    one = [np.stack(t, axis=1) for t in ((a, b, c), (a, c, d))]
    two = [np.stack(t, axis=1) for t in ((a, b, d), (b, c, d))]
    worst = [np.minimum(*(smallest_angles(points[t]) for t in way)) for way in (one, two)]
    better = (worst[0] >= worst[1])[:, None]
    return np.where(better, one[0], two[0]), np.where(better, one[1], two[1])
