"""Two-phase tetrahedra from a level set in 3D.

Isosurface stuffing: Labelle & Shewchuk, ACM Trans. Graph. 26 (2007),
doi:10.1145/1276377.1276448; here on both sides of the interface and, where wanted, on the torus.
The faces of the box cut the body-centred cubic lattice off.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genmech_fem.errors import MeshingError
from genmech_fem.geometry.cubic_lattice import SLOTS, Lattice, make_lattice
from genmech_fem.geometry.cut_patterns import EDGES, cut_patterns
from genmech_fem.geometry.fractions import positive_share
from genmech_fem.geometry.mesh import Mesh
from genmech_fem.geometry.quality import signed_volumes, smallest_dihedral_angles
from genmech_fem.geometry.splines_on_grids import at_points, on_lattices

# The move of a node is undone where a tetrahedron gets a dihedral angle below this share of the lattice's smallest.
_BENT = 0.15
# The level is shifted until the volume fraction is the level set's own up to this error, in at most so many meshes.
_ERROR, _ERROR_OF_PHASE, _MESHES = 0.0005, 0.03, 6
_FLAT = 1e-24  # square of a level that is round-off
_BLOCK = 2**14  # cells that are measured at once, to bound the memory


def tetrahedra(
    field: np.ndarray,
    lower: Sequence[float],
    upper: Sequence[float],
    periodic: bool,
    refine: int,
    snap: float,
) -> Mesh:
    """Mesh a box with tetrahedra that follow the surface ``field = 0``.

    The tag is 1 where ``field > 0`` and 0 elsewhere. If `periodic`, opposite faces of the box
    carry identical points and triangles. The level set is the cubic spline through the voxels;
    where tag 1 would miss its share of the box by more than 0.0005 or by 3 % of the smaller phase, a
    constant is added to it.
    With cubic voxels and ``snap=0.3`` no dihedral angle is below 5 degrees.

    Args:
        field: Finite values (nx, ny, nz) at the centres of the voxels.
        lower: Lower corner of the box [length].
        upper: Upper corner of the box [length].
        periodic: Whether the field goes on periodically; else its outermost values go on to the border.
        refine: Cubes of the lattice along each side of a voxel; a cube has 12 tetrahedra.
        snap: Nodes closer to the interface than this share of an edge move onto it; other edges are cut.

    Raises:
        MeshingError: A tetrahedron is degenerate: the box is too far from the origin for its
            size, or `snap` is tiny.
    """
    field = field / (np.abs(field).max() or 1.0)
    shape = [n * refine for n in field.shape]
    lattice = make_lattice(shape, periodic)
    grid = lattice.points(lower, upper)
    nodes = [[i / (2 * refine) for i in kind] for kind in lattice.kinds]
    levels = [level.ravel() for level in on_lattices(field, nodes, periodic=periodic)]
    values = np.concatenate(levels)[lattice.images]
    values[values**2 < _FLAT] = 0.0  # round-off has no phase
    fraction, slope = positive_share(field, periodic=periodic), _density(values)
    shift, last, smallest = 0.0, None, np.inf
    for _ in range(_MESHES):
        points, cells, signs = _stuff(values + shift, grid, lattice, snap)
        volumes = _volumes(points, cells)
        if volumes.min() <= 0:
            raise MeshingError(
                f"tetrahedra: expected tetrahedra with a volume, got a degenerate one in the box {lower}, {upper} "
                f"with snap={snap}: put the box near the origin and take the usual snap=0.3"
            )
        tags, flat = signs > 0, np.flatnonzero(signs == 0)
        voxels = (points[cells[flat]].mean(axis=1) - lower) / np.subtract(upper, lower) * field.shape
        tags[flat] = at_points(field, voxels, periodic=periodic) + shift > 0
        error = fraction - volumes[tags].sum() / volumes.sum()
        if abs(error) < smallest:
            smallest, best = abs(error), (points, cells, tags)
        if abs(error) <= min(_ERROR, _ERROR_OF_PHASE * min(fraction, 1 - fraction)):
            break
        if last is not None and (last[1] - error) * (shift - last[0]) > 0:
            slope = (last[1] - error) / (shift - last[0])
        last = shift, error
        shift += error / slope
    points, cells, tags = best
    return Mesh(points, cells, "tetra", tags.astype(np.int32))


def _volumes(points: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Signed volumes of the cells."""
    blocks = range(0, len(cells), _BLOCK)
    return np.concatenate([signed_volumes(points[cells[start : start + _BLOCK]]) for start in blocks])


def _density(values: np.ndarray) -> float:
    """Growth of the share of positive values when a constant is added to them."""
    width = 0.1 * values.std()
    return float(max((np.abs(values) < width).mean(), 1e-3) / (2 * width or 1.0))


@dataclass(frozen=True, eq=False)
class _Mixed:
    """Tetrahedra with nodes on both sides: `corners` (4, n), `keys` (6, n) of the edges, `mirrored` (n,)."""

    corners: np.ndarray
    keys: np.ndarray
    mirrored: np.ndarray


def _stuff(
    values: np.ndarray, grid: np.ndarray, lattice: Lattice, snap: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, cells (cells, 4), and the sum of the signs of the corners of each cell."""
    pure, mixed = _mixed(lattice, values)
    values, moves = _snap(values, grid, lattice, mixed, snap)
    cells, cuts = _cut(values, grid, mixed)
    cells = np.concatenate([pure, cells])
    signs = np.zeros(len(grid) + len(cuts), dtype=np.int8)
    signs[: len(grid)] = np.sign(values)
    return _move(grid, moves, cuts, cells, lattice), cells, signs[cells.T].sum(axis=0, dtype=np.int8)


def _mixed(lattice: Lattice, values: np.ndarray) -> tuple[np.ndarray, _Mixed]:
    """Split the tetrahedra: those on one side of the interface (cells, 4), and the others."""
    signs = np.sign(values).astype(np.int8)
    pure, corners, keys, mirrored = [], [], [], []
    for group in lattice.groups:
        of_corners = signs[group.corners]
        mixed = of_corners.min(axis=0) * of_corners.max(axis=0) < 0
        order = [1, 0, 2, 3] if group.mirrored else [0, 1, 2, 3]
        pure.append(group.corners[order].take(np.flatnonzero(~mixed), axis=1))
        corners.append(group.corners.take(np.flatnonzero(mixed), axis=1))
        keys.append(corners[-1][EDGES[:, 0]] * SLOTS + group.slots[:, None])
        mirrored.append(np.full(corners[-1].shape[1], group.mirrored))
    found = _Mixed(np.concatenate(corners, axis=1), np.concatenate(keys, axis=1), np.concatenate(mirrored))
    return np.concatenate(pure, axis=1).T, found


def _cut_edges(mixed: _Mixed, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The edges that the interface cuts: their two nodes (2, edges), and the number of each by its key."""
    one, two = mixed.corners[EDGES.T]
    signs = np.sign(values).astype(np.int8)
    cut = signs[one] * signs[two] < 0
    found = mixed.keys[cut]
    other = np.full(len(values) * SLOTS, -1, dtype=np.int32)
    other[found] = two[cut]
    used = np.flatnonzero(other >= 0)
    ends = np.stack([used // SLOTS, other[used]])
    other[used] = np.arange(len(used))
    return ends, other


def _snap(
    values: np.ndarray, grid: np.ndarray, lattice: Lattice, mixed: _Mixed, snap: float
) -> tuple[np.ndarray, np.ndarray]:
    """Levels with 0 at the nodes next to the interface, and the moves (nodes, 3) that put these onto it.

    Nodes of the border move along the border only.
    """
    (one, two), _ = _cut_edges(mixed, values)
    one, two = np.concatenate([one, two]), np.concatenate([two, one])
    share = values[one] / (values[one] - values[two])
    near = share <= snap
    one, two, share = one[near], two[near], share[near]
    values = values.copy()
    values[lattice.images[one]] = 0.0
    steps = grid[two] - grid[one]
    free = ~(lattice.frozen[one] & (steps != 0)).any(axis=1)
    steps = share[free, None] * steps[free]
    order = np.argsort(-np.einsum("ij,ij->i", steps, steps), kind="stable")  # the shortest is written last
    moves = np.zeros_like(grid)
    moves[lattice.images[one[free][order]]] = steps[order]
    return values[lattice.images], moves


def _cut(values: np.ndarray, grid: np.ndarray, mixed: _Mixed) -> tuple[np.ndarray, np.ndarray]:
    """Cut the tetrahedra at the interface: cells (cells, 4), and the points added after those of the grid."""
    ends, number = _cut_edges(mixed, values)
    low, high = values[ends]
    start = grid[ends[0]]
    cuts = start + (low / (low - high))[:, None] * (grid[ends[1]] - start)
    local = np.concatenate([mixed.corners, number[mixed.keys] + len(grid)])
    codes = 3 ** np.arange(4) @ (np.sign(values).astype(np.int64)[mixed.corners] + 1)
    counts, pieces = cut_patterns()
    cells = []
    for count in np.unique(counts):
        rows = counts[codes] == count
        chosen = pieces[mixed.mirrored[rows], codes[rows], :count].reshape(-1, 4 * count)
        cells.append(np.take_along_axis(local[:, rows].T, chosen, axis=1).reshape(-1, 4))
    return np.concatenate(cells), cuts


def _move(grid: np.ndarray, moves: np.ndarray, cuts: np.ndarray, cells: np.ndarray, lattice: Lattice) -> np.ndarray:
    """Points of the grid and of the cuts, the nodes moved except where a tetrahedron would get bad."""
    uncut = np.stack([group.corners[:, 0] for group in lattice.groups])
    limit, images = _BENT * smallest_dihedral_angles(grid[uncut]).min(), lattice.images
    points = np.concatenate([grid, cuts])
    changed = np.zeros(len(points), dtype=bool)
    changed[: len(grid)] = moves.any(axis=1)[images]
    while changed.any():
        points[: len(grid)] = grid + moves[images]
        touched = cells[changed[cells.T].any(axis=0)]
        corners = points[touched]
        bad = touched[(smallest_dihedral_angles(corners) < limit) | (signed_volumes(corners) <= 0)]
        nodes = images[bad[bad < len(grid)]]
        undone = np.zeros(len(grid), dtype=bool)
        undone[nodes] = moves[nodes].any(axis=1)
        moves[undone] = 0.0
        changed[: len(grid)] = undone[images]
    return points
