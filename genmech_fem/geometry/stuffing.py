"""Conforming triangle meshes from images and level sets, periodic or not, of two or more phases.

Isosurface stuffing: Labelle & Shewchuk, ACM Trans. Graph. 26 (2007),
doi:10.1145/1276377.1276448; here in 2D, for any number of phases, and on the torus where wanted.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import map_coordinates

from genmech_fem.errors import MeshingError
from genmech_fem.geometry.mesh import Mesh, smallest_angles
from genmech_fem.geometry.splines_on_grids import on_lattice

# A grid triangle is not bent to less than this share of its smallest angle.
_BENT = 0.25
_INTERFACE = -1  # label of nodes on an interface


@dataclass(frozen=True)
class Background:
    """Squares that are cut into triangles.

    Args:
        indicators: Values (phases, nx, ny) at the pixel centres; a phase lies where its own is the largest.
        lower: Lower corner of the box [length].
        upper: Upper corner of the box [length].
        periodic: Whether the image repeats.
        refine: Squares along each side of a pixel.
        snap: Nodes closer to the interface than this share of an edge move onto it; other edges are cut.
    """

    indicators: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    periodic: bool
    refine: int
    snap: float

    @property
    def squares(self) -> tuple[int, int]:
        """Number of squares along each axis."""
        _, nx, ny = self.indicators.shape
        return nx * self.refine, ny * self.refine

    @property
    def size(self) -> np.ndarray:
        """Sides of a square [length]."""
        return (self.upper - self.lower) / self.squares

    def points(self) -> np.ndarray:
        """Nodes (nx + 1, ny + 1, 2) of the squares [length]."""
        axes = [np.linspace(a, b, n + 1) for a, b, n in zip(self.lower, self.upper, self.squares, strict=True)]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)

    def values(self) -> np.ndarray:
        """Indicators (phases, nodes along x, nodes along y); the last nodes of a periodic image are its first."""
        ends = 0 if self.periodic else 1
        positions = [np.arange(n + ends) / self.refine for n in self.squares]
        nodes = (len(x) for x in positions)
        values = np.zeros((len(self.indicators), *nodes))
        for indicator, out in zip(self.indicators, values, strict=True):
            if indicator.any():
                out[:] = on_lattice(indicator, positions, periodic=self.periodic)
        return values

    def labels(self, points: np.ndarray) -> np.ndarray:
        """Phases at points (n, 2)."""
        pixels = ((points - self.lower) / (self.size * self.refine)).T - 0.5
        mode: Literal["grid-wrap", "nearest"] = "grid-wrap" if self.periodic else "nearest"
        return np.argmax([map_coordinates(f, pixels, order=3, mode=mode) for f in self.indicators], axis=0)

    def whole(self, nodes: np.ndarray) -> np.ndarray:
        """Values at all nodes of the box from those of `values`, along the first two axes."""
        ends = 1 if self.periodic else 0
        return np.pad(nodes, [(0, ends), (0, ends)] + [(0, 0)] * (nodes.ndim - 2), mode="wrap")


def triangles(background: Background) -> Mesh:
    """Mesh the phases of an image; opposite sides of a periodic one carry identical points.

    Raises:
        MeshingError: A triangle is degenerate.
    """
    values = background.values()
    nodes = values.shape[1:]
    rising = np.indices(background.squares).sum(axis=0) % 2 == 0  # alternating diagonals
    labels, moves = _snap(background, values, rising)
    cells = _triangulate(rising)
    points = _move(background, moves, cells)
    corners = background.whole(labels).ravel()
    flat = np.moveaxis(values, 0, -1).reshape(*nodes, -1)
    points, cells, tags = _cut(points, cells, corners, background.whole(flat).reshape(len(corners), -1))
    undecided = np.flatnonzero(tags == _INTERFACE)
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


def _snap(background: Background, values: np.ndarray, rising: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the nodes, and the moves (*nodes, 2) that put those next to an interface onto it.

    Nodes of the border move along the border only, corners never.
    """
    labels, lead = _top_two(values)
    close = lead <= 1e-12 * np.abs(values).max(initial=0.0)  # round-off has no phase
    diagonals = rising if background.periodic else np.pad(rising, (0, 1))
    falling = ~diagonals
    edges = {
        (1, 1): diagonals,
        (-1, -1): np.roll(diagonals, (1, 1), (0, 1)),
        (1, -1): np.roll(falling, 1, 1),
        (-1, 1): np.roll(falling, 1, 0),
    }
    moves = np.zeros((*labels.shape, 2))
    nearest = np.full(labels.shape, np.inf)
    found = close.copy()
    index = np.indices(labels.shape)
    last = np.array(labels.shape) - 1
    for step in [(1, 0), (-1, 0), (0, 1), (0, -1), *edges]:
        shift = (-step[0], -step[1])
        other = np.roll(labels, shift, (0, 1))
        cut = (labels != other) & edges.get(step, True)
        if not background.periodic:
            for axis in (0, 1):
                if step[axis]:
                    cut &= index[axis] != (last[axis] if step[axis] > 0 else 0)
        places = np.nonzero(cut)
        ends = tuple((i + s) % n for i, s, n in zip(places, step, labels.shape, strict=True))
        share = _share(values, places, ends, labels[places], other[places])
        near = (share <= background.snap) & ~close[places] & ~close[ends]
        places = tuple(i[near] for i in places)
        share = share[near]
        found[places] = True
        length = share * np.linalg.norm(step * background.size)
        free = length < nearest[places]
        for axis in (0, 1):
            if step[axis]:
                inner = places[axis] > 0
                free &= inner if background.periodic else inner & (places[axis] < last[axis])
        places, share, length = tuple(i[free] for i in places), share[free], length[free]
        nearest[places] = length
        moves[places] = share[:, None] * (step * background.size)
    return np.where(found, _INTERFACE, labels), moves


def _share(
    values: np.ndarray, start: tuple[np.ndarray, ...], end: tuple[np.ndarray, ...], one: np.ndarray, two: np.ndarray
) -> np.ndarray:
    """Share of the edges from nodes of phase `one` to nodes of phase `two` at which both indicators are equal."""
    first = values[(one, *start)] - values[(two, *start)]
    second = values[(one, *end)] - values[(two, *end)]
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


def _move(background: Background, moves: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Move the nodes (points, 2), except where a triangle would be bent too far."""
    grid = background.points()
    columns = grid.shape[1]
    limit = _BENT * smallest_angles(grid.reshape(-1, 2)[cells[:1]])
    moved = background.whole(moves.any(axis=2)).ravel()
    touched = cells[moved[cells[:, 0]] | moved[cells[:, 1]] | moved[cells[:, 2]]]
    while True:
        points = (grid + background.whole(moves)).reshape(-1, 2)
        corners = points[touched]
        ab, ac = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        inverted = ab[:, 0] * ac[:, 1] <= ab[:, 1] * ac[:, 0]
        bad = touched[inverted | (smallest_angles(corners) < limit)]
        if not len(bad):
            return points
        i, j = np.divmod(bad, columns)
        moves[i % moves.shape[0], j % moves.shape[1]] = 0.0


def _cut(
    points: np.ndarray, cells: np.ndarray, labels: np.ndarray, values: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut the triangles along the interfaces: points, triangles and the label of each triangle."""
    at = labels[cells]
    a, b, c = at.T
    differ = np.stack([(x != y) & (x >= 0) & (y >= 0) for x, y in ((b, c), (c, a), (a, b))], axis=1)
    cuts = differ.sum(axis=1)
    whole, halved, thirded, joined = (cells[cuts == n] for n in range(4))
    h = np.argmax(differ[cuts == 1], axis=1)  # the corner on the interface faces the edge that is cut
    t = np.argmin(differ[cuts == 2], axis=1)  # the corner of a phase of its own faces the edge that is not
    ha, hb, hc = _rolled(halved, h)
    ta, tb, tc = _rolled(thirded, t)
    ja, jb, jc = joined.T
    pairs = [(hb, hc), (ta, tb), (ta, tc), (ja, jb), (jb, jc), (jc, ja)]
    new, index = _cuts(points, labels, values, np.concatenate([np.stack(pair, axis=1) for pair in pairs]))
    m, p, q, ab, bc, ca = np.split(index + len(points), np.cumsum([len(pair[0]) for pair in pairs])[:-1])
    points = np.concatenate([points, new])
    middle = len(points) + np.arange(len(joined))
    if len(joined):
        points = np.concatenate([points, points[np.stack([ab, bc, ca])].mean(axis=0)])
    pieces = [(whole, at[cuts == 0].max(axis=1))]
    pieces += [(_stack(ha, hb, m), labels[hb]), (_stack(ha, m, hc), labels[hc]), (_stack(ta, p, q), labels[ta])]
    quads = [(labels[tb], p, tb, tc, q)]
    quads += [(labels[x], x, y, middle, z) for x, y, z in ((ja, ab, ca), (jb, bc, ab), (jc, ca, bc))]
    for label, *corners in quads:
        pieces += [(half, label) for half in _split_quads(points, *corners)]
    return points, np.concatenate([cell for cell, _ in pieces]), np.concatenate([label for _, label in pieces])


def _stack(*corners: np.ndarray) -> np.ndarray:
    return np.stack(corners, axis=1)


def _rolled(cells: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Corners (3, triangles) in the same sense of rotation, beginning with number `first`."""
    order = (first[:, None] + np.arange(3)) % 3
    return np.take_along_axis(cells, order, axis=1).T


def _cuts(
    points: np.ndarray, labels: np.ndarray, values: np.ndarray, pairs: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The points where the edges (cuts, 2) meet the interface, each once, and their index for every edge."""
    low, high = pairs.min(axis=1), pairs.max(axis=1)
    _, first, index = np.unique(low * len(points) + high, return_index=True, return_inverse=True)
    start, end = low[first], high[first]
    share = _share(values.T, (start,), (end,), labels[start], labels[end])
    return points[start] + share[:, None] * (points[end] - points[start]), index.ravel()


def _split_quads(points: np.ndarray, *corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split quadrilaterals into two triangles each, by the diagonal that leaves the larger angles."""
    a, b, c, d = corners
    one = [_stack(a, b, c), _stack(a, c, d)]
    two = [_stack(a, b, d), _stack(b, c, d)]
    worst = [np.minimum(*(smallest_angles(points[t]) for t in way)) for way in (one, two)]
    better = (worst[0] >= worst[1])[:, None]
    return np.where(better, one[0], two[0]), np.where(better, one[1], two[1])
