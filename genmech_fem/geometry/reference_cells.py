"""Reference cells: shape functions, and points pulled back to reference coordinates."""

from collections.abc import Callable
from functools import reduce

import numpy as np

type Inside = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From cells (n,) and points (d, n) to reference coordinates (d, n) and whether they lie inside."""

TOLERANCE = 1e-10
"""Points this far outside, relative to the size of the cell, count as inside."""

type Shape = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From reference coordinates (n, d) to shape functions (n, nodes) and their derivatives (n, nodes, d)."""

_CORNERS = {
    2: np.array([(0, 0), (1, 0), (1, 1), (0, 1)]),
    3: np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)]),
}


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
    affine = nodes.shape[1] == dimension + 1 or _is_affine(nodes, shape(corners)[1] - slopes)
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


def _is_affine(nodes: np.ndarray, slopes: np.ndarray) -> bool:
    """Whether the maps of all cells are affine, by derivatives (corners, nodes, d) less those in the centre."""
    bent = max(np.abs(np.tensordot(nodes, slope, (1, 0))).max(initial=0.0) for slope in slopes)
    return bool(bent <= 1e-14 * np.abs(nodes).max(initial=0.0))


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
