"""Which cell holds a point: the boxes of the cells are rasterised onto the points."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np

from genmech_fem.fields import Grid
from genmech_fem.geometry.mesh import Mesh

type Inside = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From cells (n,) and points (d, n) to reference coordinates (d, n) and whether they lie inside."""

TOLERANCE = 1e-10
"""Points this far outside, relative to the size of the cell, count as inside."""

_CHUNK = 30_000  # pairs of a box and a point that are held at once: few enough for the cache
_PER_BUCKET = 2  # scattered points in a bucket, on average


@dataclass(frozen=True)
class _Buckets:
    """Points sorted into the boxes of a regular grid: bucket k holds ``order[starts[k] : starts[k + 1]]``.

    Where `centred`, a bucket is no more than one point, `origin` that of the first.
    """

    points: np.ndarray
    origin: np.ndarray
    size: np.ndarray
    shape: tuple[int, ...]
    starts: np.ndarray
    order: np.ndarray
    centred: bool = False


def points_of(place: Grid | np.ndarray) -> np.ndarray:
    """Coordinates (points, d) of a grid, or the points themselves.

    Raises:
        ValueError: The points are no finite array (points, d).
    """
    if isinstance(place, Grid):
        return place.points()
    points = np.asarray(place, dtype=float)
    if points.ndim != 2 or not np.isfinite(points).all():
        raise ValueError(f"expected a Grid or finite points (points, dimension), got an array of shape {points.shape}")
    return points


def _buckets(place: Grid | np.ndarray) -> _Buckets:
    points = points_of(place)
    count, dimension = points.shape
    if isinstance(place, Grid):
        size = np.array(place.spacing)
        return _Buckets(points, points[0], size, place.shape, np.arange(count + 1), np.arange(count), centred=True)
    origin = points.min(axis=0) if count else np.zeros(dimension)
    extent = np.ptp(points, axis=0) if count else np.ones(dimension)
    extent = np.maximum(extent, max(1e-6 * float(extent.max()), 1e-100))
    side = float(np.exp(np.mean(np.log(extent)))) / max(count / _PER_BUCKET, 1) ** (1 / dimension)
    shape = tuple(np.clip(extent / side, 1, max(count, 1)).astype(int).tolist())
    size = extent / shape * (1 + 1e-9)
    index = np.minimum((points - origin) // size, np.array(shape) - 1).astype(np.int64)
    flat = np.ravel_multi_index(tuple(index.T), shape)
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(np.prod(shape) + 1))
    return _Buckets(points, origin, size, shape, starts, order)


def _expand(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of the run, and place in it, of each element of runs of the given lengths."""
    runs = np.repeat(np.arange(len(counts)), counts)
    return runs, np.arange(len(runs)) - np.repeat(np.cumsum(counts) - counts, counts)


def candidates(
    lower: np.ndarray, upper: np.ndarray, place: Grid | np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of boxes and points near them, in the order of the boxes, some million at a time.

    Args:
        lower: Lower corners of the boxes (boxes, d) [length].
        upper: Upper corners of the boxes (boxes, d) [length].
        place: Grid, or points (points, d) [length].

    Yields:
        Numbers of the boxes and of the points (pairs,); all points in a box are among its pairs.
    """
    yield from _pairs(lower, upper, _buckets(place))


def _pairs(lower: np.ndarray, upper: np.ndarray, buckets: _Buckets) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    last = np.array(buckets.shape)[:, None] - 1
    size, origin = buckets.size[:, None], buckets.origin[:, None]
    begin, end = (lower.T - origin) / size - 1e-9, (upper.T - origin) / size + 1e-9
    first = np.clip(np.ceil(begin) if buckets.centred else np.floor(begin), 0, last + 1).astype(np.int64)
    extent = np.maximum(np.clip(np.floor(end), -1, last).astype(np.int64) - first + 1, 0)
    rows = np.where(extent[-1] > 0, extent[:-1].prod(axis=0), 0)
    strides = np.array([*np.cumprod(buckets.shape[:0:-1])[::-1], 1])
    corner = (first * strides[:, None]).sum(axis=0)
    for start, stop in _parts(rows * extent[-1]):
        box, row = _expand(rows[start:stop])
        box += start
        flat = corner.take(box)
        for axis in range(len(last) - 2, 0, -1):
            row, index = np.divmod(row, extent[axis].take(box))
            flat += index * strides[axis]
        flat += row * strides[0] if len(last) > 1 else 0
        length = extent[-1].take(box)
        if buckets.centred:
            run, step = _expand(length)
            yield box.take(run), flat.take(run) + step
        else:
            begin = buckets.starts.take(flat)
            length = buckets.starts.take(flat + length) - begin
            for one, other in _parts(length):
                run, step = _expand(length[one:other])
                run += one
                yield box.take(run), buckets.order.take(begin.take(run) + step)


def _parts(counts: np.ndarray) -> Iterator[tuple[int, int]]:
    """Ranges of runs that together hold about as many elements as fit."""
    total = np.cumsum(counts)
    ends = np.searchsorted(total, np.arange(_CHUNK, total[-1] if len(total) else 0, _CHUNK)).tolist()
    yield from pairwise([0, *ends, len(counts)])


def search(
    lower: np.ndarray, upper: np.ndarray, place: Grid | np.ndarray, inside: Inside, dimension: int
) -> tuple[np.ndarray, np.ndarray]:
    """The first cell that holds each point, and the point in its reference coordinates.

    Args:
        lower: Lower corners of the boxes around the cells (cells, d) [length].
        upper: Upper corners of the boxes around the cells (cells, d) [length].
        place: Grid, or points (points, d) [length].
        inside: Tells reference coordinates and whether points lie in cells.
        dimension: Dimension of the reference cell.

    Returns:
        Cells (points,), -1 where there is none, and reference coordinates (points, dimension).
    """
    buckets = _buckets(place)
    coordinates = np.ascontiguousarray(buckets.points.T)
    found = np.full(len(buckets.points), -1)
    reference = np.zeros((dimension, len(found)))
    margin = TOLERANCE * reduce(np.maximum, (upper - lower).T)[:, None]
    for cells, points in _pairs(lower - margin, upper + margin, buckets):
        local, held = inside(cells, coordinates.take(points, axis=1))
        # of two writes to one place the last stays, which is the first cell
        hits = np.flatnonzero(held & (found.take(points) < 0))[::-1]
        places = points.take(hits)
        found[places] = cells.take(hits)
        for row, values in zip(reference, local, strict=True):
            row[places] = values.take(hits)
    return found, reference.T


type Shape = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From reference coordinates (n, d) to shape functions (n, nodes) and their derivatives (n, nodes, d)."""


def pull_back(nodes: np.ndarray, shape: Shape, *, simplex: bool) -> Inside:
    """The `Inside` of cells given by their nodes.

    Args:
        nodes: Coordinates of the nodes (cells, nodes, d) [length].
        shape: Shape functions of the nodes.
        simplex: Whether the reference cell is a simplex; else it is the unit cube.
    """
    dimension = nodes.shape[2]
    corners = np.concatenate([np.zeros((1, dimension)), np.eye(dimension)]) if simplex else _CORNERS[dimension]
    centre = corners.mean(axis=0, keepdims=True)
    values, slopes = shape(centre)
    middles, jacobians = np.tensordot(nodes, values[0], (1, 0)), np.tensordot(nodes, slopes[0], (1, 0))
    bent = 0.0
    if nodes.shape[1] > dimension + 1:
        bent = max(
            np.abs(np.tensordot(nodes, slope - slopes[0], (1, 0))).max(initial=0.0) for slope in shape(corners)[1]
        )
    affine = bent <= 1e-14 * np.abs(nodes).max(initial=0.0)
    with np.errstate(all="ignore"):  # flat cells hold no point
        inverses = np.ascontiguousarray(np.moveaxis(_inverse(jacobians), 0, -1))
    starts = np.ascontiguousarray(middles.T)

    def inside(cells: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        away = [x - start.take(cells) for x, start in zip(points, starts, strict=True)]
        local = np.empty(points.shape)
        for axis, row in enumerate(inverses):
            np.multiply(row[0].take(cells), away[0], out=local[axis])
            for inverse, x in zip(row[1:], away[1:], strict=True):
                local[axis] += inverse.take(cells) * x
            local[axis] += centre[0, axis]
        if not affine:
            local = _newton(local.T, nodes[cells], points.T, shape).T
        held = reduce(np.logical_and, [x >= -TOLERANCE for x in local])
        for x in (sum(local),) if simplex else local:
            held &= x <= 1 + TOLERANCE
        return local, held

    return inside


_CORNERS = {
    2: np.array([(0, 0), (1, 0), (1, 1), (0, 1)]),
    3: np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)]),
}


def linear(reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The `Shape` of simplices with nodes at the corners."""
    count, dimension = reference.shape
    derivatives = np.concatenate([-np.ones((1, dimension)), np.eye(dimension)])
    values = np.column_stack([1 - reference.sum(axis=1), reference])
    return values, np.broadcast_to(derivatives, (count, *derivatives.shape))


def multilinear(reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The `Shape` of quadrilaterals and hexahedra with nodes at the corners, in the order of meshio."""
    corners = _CORNERS[reference.shape[1]]
    factors = np.where(corners, reference[:, None, :], 1 - reference[:, None, :])
    derivatives = np.empty_like(factors)
    for axis in range(reference.shape[1]):
        derivatives[..., axis] = np.where(corners[:, axis], 1, -1) * np.delete(factors, axis, axis=2).prod(axis=2)
    return factors.prod(axis=2), derivatives


def _inverse(matrices: np.ndarray) -> np.ndarray:
    """Inverses of small matrices (n, d, d), not finite where there is none."""
    if matrices.shape[1] == 1:
        return 1 / matrices
    if matrices.shape[1] == 2:
        (a, b), (c, d) = np.moveaxis(matrices, 0, -1)
        return np.moveaxis(np.array([[d, -b], [-c, a]]) / (a * d - b * c), -1, 0)
    a, b, c = np.moveaxis(matrices, 2, 0)
    rows = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)], axis=1)
    return rows / np.einsum("ng,ng->n", a, rows[:, 0])[:, None, None]


def _newton(local: np.ndarray, nodes: np.ndarray, points: np.ndarray, shape: Shape) -> np.ndarray:
    """Reference coordinates of points by Newton's method, NaN where it does not converge."""
    todo, moved = np.arange(len(points)), np.full(len(points), np.inf)
    with np.errstate(all="ignore"):
        for _ in range(25):
            start = np.clip(local[todo], -0.5, 1.5)
            values, derivatives = shape(start)
            residual = points[todo] - np.einsum("pn,png->pg", values, nodes[todo])
            inverse = _inverse(np.einsum("pnr,png->pgr", derivatives, nodes[todo]))
            local[todo] = start + np.einsum("prg,pg->pr", inverse, residual)
            moved[todo] = np.abs(local[todo] - start).max(axis=1)
            todo = todo[~(moved[todo] <= 1e-13)]
            if not len(todo):
                break
    local[~(moved <= 1e-9)] = np.nan
    return local


def boxes(corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corners (cells, d) of the boxes around nodes (cells, nodes, d)."""
    nodes = [corners[:, i] for i in range(corners.shape[1])]
    return np.asarray(reduce(np.minimum, nodes)), np.asarray(reduce(np.maximum, nodes))


def locate_in_mesh(mesh: Mesh, place: Grid | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first cell of a mesh that holds each point, and the weights of its nodes there.

    Args:
        mesh: Mesh whose cells have the dimension of its points.
        place: Grid, or points (points, d) [length].

    Returns:
        Cells (points,), -1 where there is none, and weights (points, nodes of a cell), 0 there.

    Raises:
        ValueError: The mesh is a surface in space, or the place is of another dimension.
    """
    simplex = mesh.cell_type in ("triangle", "tetra")
    dimension = 2 if mesh.cell_type in ("triangle", "quad") else 3
    if not dimension == mesh.dimension == (place.dimension if isinstance(place, Grid) else np.shape(place)[-1]):
        raise ValueError(
            f"locate_in_mesh: expected cells and a place of {mesh.dimension} dimensions, got {mesh.cell_type} cells"
        )
    corners = mesh.points[mesh.cells]
    shape = linear if simplex else multilinear
    inside = pull_back(corners, shape, simplex=simplex)
    cells, local = search(*boxes(corners), place, inside, dimension)
    return cells, np.where(cells[:, None] >= 0, shape(local)[0], 0.0)
