"""Which cell holds a point: the boxes of the cells are rasterised onto the points."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise

import numpy as np

from genmech_fem.fields import Grid
from genmech_fem.geometry.mesh import DIMENSIONS, Mesh
from genmech_fem.geometry.reference_cells import TOLERANCE, Inside, linear, multilinear, pull_back

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
    """Points in buckets: of a grid one in each, else about `_PER_BUCKET`."""
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
    """As `candidates`, of points in buckets."""
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
    dimension = DIMENSIONS[mesh.cell_type]
    if not dimension == mesh.dimension == (place.dimension if isinstance(place, Grid) else np.shape(place)[-1]):
        raise ValueError(
            f"locate_in_mesh: expected cells and a place of {mesh.dimension} dimensions, got {mesh.cell_type} cells"
        )
    corners = mesh.points[mesh.cells]
    shape = linear if simplex else multilinear
    inside = pull_back(corners, shape, simplex=simplex)
    cells, local = search(*boxes(corners), place, inside, dimension)
    return cells, np.where(cells[:, None] >= 0, shape(local)[0], 0.0)
