"""Conforming triangle meshes from images and level sets, periodic or not, of two or more phases.

Isosurface stuffing: Labelle & Shewchuk, ACM Trans. Graph. 26 (2007),
doi:10.1145/1276377.1276448; here in 2D, for any number of phases, and on the torus where wanted.
"""

from collections.abc import Sequence

import numpy as np

from genmech_fem.errors import MeshingError
from genmech_fem.geometry.background import Background
from genmech_fem.geometry.mesh import Mesh

# A grid triangle is not bent to less than this share of its smallest angle.
_BENT = 0.25
_INTERFACE = -1  # label of nodes on an interface


def two_phase_triangles(
    field: np.ndarray, lower: Sequence[float], upper: Sequence[float], periodic: bool, refine: int, snap: float
) -> Mesh:
    """Mesh a box with triangles that follow the line ``field = 0``; arguments as of `stuffing3d.tetrahedra`, in 2D.

    Raises:
        MeshingError: A triangle is degenerate.
    """
    indicators = np.stack([np.zeros_like(field), field])
    return triangles(Background(indicators, np.array(lower), np.array(upper), periodic, refine, snap))


def triangles(background: Background) -> Mesh:
    """Mesh the phases of an image; opposite sides of a periodic one carry identical points.

    Raises:
        MeshingError: A triangle is degenerate.
    """
    values = background.values()
    nodes = background.whole(np.arange(values[0].size).reshape(values.shape[1:]))
    values = values.reshape(len(values), -1)
    rising = np.indices(background.squares).sum(axis=0) % 2 == 0  # alternating diagonals
    labels, moves = _snap(background, values, nodes, rising)
    cells = _triangulate(rising)
    nodes = nodes.ravel()
    points = _move(background, moves, nodes, cells)
    points, cells, tags = _cut(points, cells, labels[nodes], values, nodes)
    undecided = np.flatnonzero(tags == _INTERFACE)
    if len(undecided):
        tags[undecided] = background.labels(points[cells[undecided]].mean(axis=1))
    mesh = Mesh(points, cells, "triangle", tags)
    if mesh.measures().min() <= 0:
        raise MeshingError(
            f"expected triangles with an area, got a degenerate one in the box {background.lower.tolist()}, "
            f"{background.upper.tolist()} with snap={background.snap}: put the box near the origin and take snap=0.3"
        )
    return mesh


def _top_two(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The phase with the largest indicator, and its lead over the next."""
    if len(values) == 2:
        lead = values[1] - values[0]
        return (lead > 0).astype(np.int32), np.abs(lead)
    order = np.argpartition(values, -2, axis=0)[-2:]
    best = np.take_along_axis(values, order, axis=0)
    return np.argmax(values, axis=0).astype(np.int32), np.abs(best[0] - best[1])


def _snap(
    background: Background, values: np.ndarray, nodes: np.ndarray, rising: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the nodes, and the moves (nodes, 2) that put those next to an interface onto it.

    Nodes of the border move along the border only, corners never.
    """
    labels, lead = _top_two(values)
    close = lead <= 1e-12 * np.abs(values).max(initial=0.0)  # round-off has no phase
    one, two, steps = _edges(background, nodes, labels, rising)
    one, two, steps = np.concatenate([one, two]), np.concatenate([two, one]), np.concatenate([steps, -steps])
    share = _share(values, one, two, labels[one], labels[two])
    near = (share <= background.snap) & ~close[one] & ~close[two]
    one, share, steps = one[near], share[near], steps[near]
    found = close.copy()
    found[one] = True
    columns = background.squares[1] + (not background.periodic)
    places = np.stack(np.divmod(one, columns), axis=1)
    free = ~((steps != 0) & ((places == 0) | (places == background.squares))).any(axis=1)
    one, steps = one[free], share[free, None] * (steps[free] * background.size)
    order = np.argsort(-np.einsum("ij,ij->i", steps, steps), kind="stable")  # the shortest is written last
    moves = np.zeros((len(labels), 2))
    moves[one[order]] = steps[order]
    return np.where(found, _INTERFACE, labels), moves


def _edges(
    background: Background, nodes: np.ndarray, labels: np.ndarray, rising: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two nodes of each edge between different phases, and the squares (edges, 2) from the first to the second."""
    nx, ny = (n + (not background.periodic) for n in background.squares)  # opposite sides that match count once
    at = labels[nodes]
    lower, upper = slice(None, -1), slice(1, None)
    found = []
    for first, second, step, drawn in (
        ((lower, slice(ny)), (upper, slice(ny)), (1, 0), True),
        ((slice(nx), lower), (slice(nx), upper), (0, 1), True),
        ((lower, lower), (upper, upper), (1, 1), rising),
        ((lower, upper), (upper, lower), (1, -1), ~rising),
    ):
        cut = (at[first] != at[second]) & drawn
        one, two = nodes[first][cut], nodes[second][cut]
        found.append((one, two, np.tile(step, (len(one), 1))))
    one, two, steps = (np.concatenate(part) for part in zip(*found, strict=True))
    return one, two, steps


def _share(values: np.ndarray, start: np.ndarray, end: np.ndarray, one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Share of the edges from nodes of phase `one` to nodes of phase `two` at which both indicators are equal."""
    first = values[one, start] - values[two, start]
    second = values[one, end] - values[two, end]
    return first / (first - second)


def _triangulate(rising: np.ndarray) -> np.ndarray:
    """Split the squares into triangles (triangles, 3) of points of the box, counter-clockwise."""
    i, j = np.indices(rising.shape)
    a = i * (rising.shape[1] + 1) + j
    b, d = a + rising.shape[1] + 1, a + 1
    c = b + 1
    first = np.where(rising, [a, b, c], [a, b, d])
    second = np.where(rising, [a, c, d], [b, c, d])
    return np.concatenate([first.reshape(3, -1), second.reshape(3, -1)], axis=1).T


def _move(background: Background, moves: np.ndarray, nodes: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Move the nodes (points, 2), except where a triangle would be bent too far."""
    grid = background.points().reshape(-1, 2)
    limit = np.sin(_BENT * np.arcsin(_sines(grid, cells[:1])))
    changed = moves.any(axis=1)
    touched = cells
    while True:
        touched = touched[changed[nodes[touched.T]].any(axis=0)]
        points = grid + moves[nodes]
        bad = nodes[touched[_sines(points, touched) < limit]]
        if not len(bad):
            return points
        changed = np.zeros(len(moves), dtype=bool)
        changed[bad] = True
        moves[changed] = 0.0


def _sines(points: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Sine of the smallest angle of each triangle, negative if it is inverted."""
    (ax, bx, cx), (ay, by, cy) = np.ascontiguousarray(points.T)[:, cells.T]
    ux, uy, vx, vy, wx, wy = bx - ax, by - ay, cx - ax, cy - ay, cx - bx, cy - by
    u, v, w = np.sqrt(ux**2 + uy**2), np.sqrt(vx**2 + vy**2), np.sqrt(wx**2 + wy**2)
    shortest = np.minimum(np.minimum(u, v), w)
    longer = np.where(shortest == u, v * w, np.where(shortest == v, u * w, u * v))
    return np.asarray((ux * vy - uy * vx) / np.maximum(longer, np.finfo(float).tiny))


def _cut(
    points: np.ndarray, cells: np.ndarray, labels: np.ndarray, values: np.ndarray, nodes: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut the triangles along the interfaces: points, triangles and the label of each triangle."""
    at = labels[cells.T]
    a, b, c = at
    differ = np.stack([(x != y) & (np.minimum(x, y) >= 0) for x, y in ((b, c), (c, a), (a, b))])
    mixed = differ.any(axis=0)
    whole, tags = cells[~mixed], at.max(axis=0)[~mixed]
    cells, differ = cells[mixed], differ[:, mixed].T
    cuts = differ.sum(axis=1)
    halved, thirded, joined = (cells[cuts == n] for n in (1, 2, 3))
    h = np.argmax(differ[cuts == 1], axis=1)  # the corner on the interface faces the edge that is cut
    t = np.argmin(differ[cuts == 2], axis=1)  # the corner of a phase of its own faces the edge that is not
    ha, hb, hc = _rolled(halved, h)
    ta, tb, tc = _rolled(thirded, t)
    ja, jb, jc = joined.T
    pairs = [(hb, hc), (ta, tb), (ta, tc), (ja, jb), (jb, jc), (jc, ja)]
    new, index = _cuts(points, labels, values, nodes, np.concatenate([_stack(*pair) for pair in pairs]))
    m, p, q, ab, bc, ca = np.split(index + len(points), np.cumsum([len(pair[0]) for pair in pairs])[:-1])
    points = np.concatenate([points, new])
    middle = len(points) + np.arange(len(joined))
    if len(joined):
        points = np.concatenate([points, points[np.stack([ab, bc, ca])].mean(axis=0)])
    pieces = [(whole, tags), (_stack(ha, hb, m), labels[hb]), (_stack(ha, m, hc), labels[hc])]
    pieces.append((_stack(ta, p, q), labels[ta]))
    quads = [(labels[tb], _stack(p, tb, tc, q))]
    quads += [(labels[x], _stack(x, y, middle, z)) for x, y, z in ((ja, ab, ca), (jb, bc, ab), (jc, ca, bc))]
    of_quads = np.concatenate([label for label, _ in quads])
    pieces += [(half, of_quads) for half in _split_quads(points, np.concatenate([corners for _, corners in quads]))]
    return points, np.concatenate([cell for cell, _ in pieces]), np.concatenate([label for _, label in pieces])


def _stack(*corners: np.ndarray) -> np.ndarray:
    return np.stack(corners, axis=1)


def _rolled(cells: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Corners (3, triangles) in the same sense of rotation, beginning with number `first`."""
    order = (first[:, None] + np.arange(3)) % 3
    return np.take_along_axis(cells, order, axis=1).T


def _cuts(
    points: np.ndarray, labels: np.ndarray, values: np.ndarray, nodes: np.ndarray, pairs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The points where the edges (cuts, 2) meet the interface, each once, and their index for every edge."""
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    _, first, index = np.unique(low * len(points) + high, return_index=True, return_inverse=True)
    start, end = low[first], high[first]
    share = _share(values, nodes[start], nodes[end], labels[start], labels[end])
    return points[start] + share[:, None] * (points[end] - points[start]), index.ravel()


def _split_quads(points: np.ndarray, quads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split quadrilaterals (quads, 4) into two triangles each, by the diagonal that leaves the larger angles."""
    ways = [quads[:, corners] for corners in ([0, 1, 2], [0, 2, 3], [0, 1, 3], [1, 2, 3])]
    one, other, two, another = np.split(_sines(points, np.concatenate(ways)), 4)
    better = (np.minimum(one, other) >= np.minimum(two, another))[:, None]
    return np.where(better, ways[0], ways[2]), np.where(better, ways[1], ways[3])
