"""Designs: the density of topology optimisation as a mesh of the solid alone, and as a file for CAD."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import meshio
import numpy as np
from scipy import sparse
from scipy.ndimage import gaussian_filter, label

from genmech_fem.errors import MeshingError
from genmech_fem.fields import Grid
from genmech_fem.geometry.facets import SIDES, SURFACE, unique_facets, with_facet_tags
from genmech_fem.geometry.files import write
from genmech_fem.geometry.gmsh_models import TIME_LIMIT, polygon, run_gmsh
from genmech_fem.geometry.mesh import Mesh
from genmech_fem.geometry.splines_on_grids import on_lattice
from genmech_fem.geometry.stuffing import Background, triangles
from genmech_fem.geometry.stuffing3d import tetrahedra

_SAMPLES = 2  # of the level along each side of a pixel
_EXACT = 0.001  # error of the volume at which the search for the threshold ends
_WRONG = 0.005  # error that is refused
_MESHES = 8  # most meshes of that search
_FACETS = 10_000  # most triangles of a STEP file


@dataclass(frozen=True)
class Island:
    """A part of a design that hangs together with no larger one.

    Args:
        centre: Centre of gravity [length].
        volume: Area or volume [length^dimension].
    """

    centre: tuple[float, ...]
    volume: float


@dataclass(frozen=True, eq=False)
class Design:
    """Mesh of the solid of a design.

    Args:
        mesh: Triangles or tetrahedra of the solid, with facet tags of the sides of the box, and ``surface``.
        threshold: Density on the surface.
        volume: Share of the box that the solid fills, islands included.
        islands: All parts but the largest, the largest of these first.
        removed: Volume of those islands that are not in the mesh [length^dimension].
        smooth: Width of the smoothing filter that was used [pixel].
        lost_bridges: Connections between solid pixels that the mesh does not have; in 3D without those inside a
            part that hangs together otherwise and parts no void.
    """

    mesh: Mesh
    threshold: float
    volume: float
    islands: tuple[Island, ...]
    removed: float
    smooth: float
    lost_bridges: int


def design_mesh(
    density: np.ndarray,
    *,
    lower: tuple[float, ...],
    upper: tuple[float, ...],
    volume: float | None = None,
    keep: Literal["largest", "all"] = "largest",
    smooth: float = 1.0,
    refine: int = 1,
    snap: float = 0.3,
) -> Design:
    """Mesh the solid of a design, with a smooth surface at the density that gives the wanted volume.

    Where smoothing would break a connection between solid pixels that share a side, it is halved, left out, and then
    the background is refined. If that does not help either, `Design.lost_bridges` tells it.

    Args:
        density: Density (nx, ny) or (nx, ny, nz) at the centres of the pixels; axis 0 is x.
        lower: Lower corner of the box [length].
        upper: Upper corner of the box [length].
        volume: Share of the box that the solid fills; default the mean density.
        keep: ``"largest"`` leaves the islands out, ``"all"`` keeps them.
        smooth: Standard deviation of the Gaussian filter that smooths the density [pixel].
        refine: Background cells along each side of a pixel.
        snap: As of `conforming_mesh`.

    Raises:
        ValueError: The density or another argument cannot be used.
        MeshingError: There is no threshold at which the solid has the wanted volume.
    """
    field = _checked(density)
    box = Grid(field.shape, lower, upper)
    wanted = float(field.mean()) if volume is None else volume
    if not 0 < wanted < 1:
        raise ValueError(f"design_mesh.volume: expected a share of the box between 0 and 1, got {wanted}")
    if keep not in ("largest", "all"):
        raise ValueError(f"design_mesh.keep: expected 'largest' or 'all', got {keep!r}")
    if refine != int(refine) or refine < 1 or not 0 <= snap < 0.5:
        raise ValueError(
            f"design_mesh: expected a whole number refine >= 1 and 0 <= snap < 0.5, got refine={refine}, snap={snap}"
        )
    if not 0 <= smooth < np.inf:
        raise ValueError(f"design_mesh.smooth: expected a width of at least 0 pixels, got {smooth}")
    pixels = _solid_pixels(field, wanted)
    ways = dict.fromkeys([(smooth, refine), (smooth / 2, refine), (0.0, refine), (0.0, 2 * refine)])
    tries: list[tuple[int, Mesh, np.ndarray, float, float]] = []
    for width, finer in ways:
        level = gaussian_filter(field, width, mode="nearest") if width else field
        whole, threshold = _at_volume(level, wanted, box, finer, snap)
        solid = submesh(whole, whole.tags == 1)
        pieces = connected_pieces(solid)
        tries.append((_lost_bridges(whole, pixels, box), solid, pieces, threshold, width))
        if not tries[-1][0]:
            break
    lost, solid, pieces, threshold, width = min(tries, key=lambda found: found[0])
    measures = solid.measures()
    volumes = np.bincount(pieces, weights=measures)
    order = np.argsort(-volumes)
    moments = measures[:, None] * solid.points[solid.cells].mean(axis=1)
    islands = tuple(
        Island(tuple((moments[pieces == k].sum(axis=0) / volumes[k]).tolist()), float(volumes[k])) for k in order[1:]
    )
    kept = submesh(solid, pieces == order[0]) if keep == "largest" and islands else solid
    share = float(measures.sum() / np.prod(np.subtract(upper, lower)))
    removed = float(measures.sum() - kept.measures().sum()) if kept is not solid else 0.0
    return Design(tagged_sides(kept, box), threshold, share, islands, removed, width, lost)


def export_design(
    design: Design | Mesh, path: str | Path, *, thickness: float | None = None, time_limit: float = TIME_LIMIT
) -> None:
    """Write a design as ``.msh`` (mesh with tags), ``.stl`` (triangles of the surface) or ``.step`` (CAD, by gmsh).

    STEP files are in millimetres: take them as the unit of length.

    Args:
        design: Design, or any mesh of triangles (2D) or tetrahedra.
        path: Where to write; the suffix chooses the format.
        thickness: Length along z that a plane design is extruded by [length]; needed for ``.stl``, without it
            ``.step`` holds plane faces.
        time_limit: Most seconds that gmsh may take.

    Raises:
        ValueError: The suffix or the type of cells is unknown, or the thickness is missing or not positive.
        MissingExtraError: gmsh is not installed.
        MeshingError: gmsh fails or takes too long, or the surface has too many triangles for a STEP file.
    """
    path = Path(path)
    mesh = design.mesh if isinstance(design, Design) else design
    suffix = path.suffix.lower()
    if suffix not in (".msh", ".stl", ".step"):
        raise ValueError(f"{path}: expected a file with the suffix ['.msh', '.step', '.stl'], got {path.suffix!r}")
    if (mesh.cell_type, mesh.dimension) not in (("triangle", 2), ("tetra", 3)):
        raise ValueError(
            f"export_design: expected triangles in 2D or tetrahedra, got {mesh.cell_type} in {mesh.dimension}D"
        )
    if thickness is not None and not (0 < thickness < np.inf and mesh.dimension == 2):
        raise ValueError(f"export_design.thickness: expected a positive length and a mesh in 2D, got {thickness}")
    if suffix == ".msh":
        write(mesh, path)
    elif suffix == ".stl":
        if mesh.dimension == 2 and thickness is None:
            raise ValueError("export_design: expected a thickness, by which a plane design is extruded in STL")
        points, triangles = surface_triangles(mesh) if thickness is None else extruded_surface(mesh, thickness)
        meshio.stl.write(path, meshio.Mesh(points, [("triangle", triangles)]), binary=True)
    else:
        run_gmsh(_solid_task(mesh, thickness), path, time_limit)


def surface_triangles(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Points (points, 3) and outward triangles (triangles, 3) of the surface of a mesh of tetrahedra."""
    facets, cells = unique_facets(mesh)
    used, triangles = np.unique(facets[cells[:, 1] < 0], return_inverse=True)
    return mesh.points[used], triangles.reshape(-1, 3)


def extruded_surface(mesh: Mesh, thickness: float) -> tuple[np.ndarray, np.ndarray]:
    """Points (points, 3) and outward triangles (triangles, 3) of a plane mesh extruded from z = 0."""
    n = len(mesh.points)
    facets, cells = unique_facets(mesh)
    a, b = facets[cells[:, 1] < 0].T
    sides = np.concatenate([np.stack([a, b, b + n], axis=1), np.stack([a, b + n, a + n], axis=1)])
    points = np.concatenate([np.pad(mesh.points, ((0, 0), (0, 1)), constant_values=z) for z in (0.0, thickness)])
    return points, np.concatenate([mesh.cells[:, ::-1], mesh.cells + n, sides])


def _checked(density: np.ndarray) -> np.ndarray:
    field = np.asarray(density)
    if field.dtype.kind not in "fiub" or field.ndim not in (2, 3) or min(field.shape) < 4:
        raise ValueError(
            "design_mesh.density: expected real numbers (nx, ny[, nz]) on at least 4 pixels along each axis, "
            f"got {field.dtype} of shape {field.shape}"
        )
    field = field.astype(np.float64)
    if not np.isfinite(field).all() or not -1e-6 <= field.min() < field.max() <= 1 + 1e-6:
        raise ValueError(
            f"design_mesh.density: expected finite densities from 0 to 1 that vary, got {field.min()} to {field.max()}"
        )
    return field


def _solid_pixels(field: np.ndarray, wanted: float) -> np.ndarray:
    """Whether a pixel is one of the densest, which make up the wanted volume."""
    ranked = np.sort(field, axis=None)
    first = np.clip(round((1 - wanted) * field.size), 1, field.size - 1)
    return np.asarray(field > (ranked[first - 1] + ranked[first]) / 2)


def _at_volume(level: np.ndarray, wanted: float, box: Grid, refine: int, snap: float) -> tuple[Mesh, float]:
    """The mesh of solid and void whose solid has the wanted share of the box, and the threshold."""
    positions = [(np.arange(n * _SAMPLES) + 0.5) / _SAMPLES for n in level.shape]
    values = np.sort(on_lattice(level, positions, periodic=False), axis=None)
    lower, upper = np.array(box.lower), np.array(box.upper)
    guess = float(np.quantile(values, 1 - wanted))
    tries: list[tuple[float, float, Mesh]] = []
    while len(tries) < _MESHES:
        threshold = guess
        shifted = level - threshold
        if level.ndim == 2:
            mesh = triangles(Background(np.stack([0 * shifted, shifted]), lower, upper, False, refine, snap))
        else:
            mesh = tetrahedra(shifted, box.lower, box.upper, False, refine, snap)
        error = wanted - float(mesh.tags @ mesh.measures()) / float(np.prod(upper - lower))
        tries.append((error, threshold, mesh))
        if abs(error) <= _EXACT * wanted:
            break
        guess = _next_threshold(values, wanted, [(e, t) for e, t, _ in tries])
    error, threshold, mesh = min(tries, key=lambda found: abs(found[0]))
    if abs(error) > _WRONG * wanted:
        raise MeshingError(
            f"design_mesh: expected a threshold where the solid fills {wanted:.3g} of the box, the nearest is off by "
            f"{abs(error):.2g}: many pixels have the same density, take another volume or smooth it"
        )
    return mesh, threshold


def _next_threshold(values: np.ndarray, wanted: float, tries: list[tuple[float, float]]) -> float:
    """Threshold to try after those with known errors of the volume, which grow with it."""
    low_error, low = max(((e, t) for e, t in tries if e < 0), default=(wanted - 1, values[0]), key=lambda x: x[1])
    high_error, high = min(((e, t) for e, t in tries if e > 0), default=(wanted, values[-1]), key=lambda x: x[1])
    if len(tries) % 3 == 0 or not low < high:
        return float(low + high) / 2
    if len({e > 0 for e, _ in tries}) == 2:
        return float(low - low_error * (high - low) / (high_error - low_error))
    error, threshold = tries[-1]
    guess = float(np.quantile(values, np.clip(np.searchsorted(values, threshold) / len(values) - error, 0, 1)))
    return guess if low < guess < high else float(low + high) / 2


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


def _lost_bridges(mesh: Mesh, solid: np.ndarray, box: Grid) -> int:
    """How many connections of solid pixels the mesh lacks.

    Each shows by a part of the solid pixels that lies in two pieces of the mesh, or by two parts of the void pixels
    that lie in one. A part and a piece meet where they share more than half a pixel.
    """
    parts = label(solid)[0], label(~solid, structure=np.ones((3,) * solid.ndim))[0]
    in_solid, in_void = (_meeting(submesh(mesh, mesh.tags == k), parts[1 - k], box) for k in (1, 0))
    return int(np.maximum(in_solid.sum(axis=1) - 1, 0).sum() + np.maximum(in_void.sum(axis=0) - 1, 0).sum())


def _meeting(mesh: Mesh, parts: np.ndarray, box: Grid) -> np.ndarray:
    """Whether parts of the pixels, from number 1 on, and pieces of the mesh meet (parts, pieces)."""
    pixel = np.array(box.spacing)
    places = ((mesh.points[mesh.cells].mean(axis=1) - box.lower) / pixel).astype(np.int64)
    pieces = connected_pieces(mesh)
    shared = np.zeros((parts.max() + 1, pieces.max() + 1))
    np.add.at(shared, (parts[tuple(np.minimum(places, np.subtract(parts.shape, 1)).T)], pieces), mesh.measures())
    return np.asarray(shared[1:] > 0.5 * pixel.prod())


def tagged_sides(mesh: Mesh, box: Grid) -> Mesh:
    """The mesh with tags of its boundary: sides where it reaches those of the box, surface elsewhere."""
    mesh = with_facet_tags(mesh)
    tags = mesh.facet_tags.copy()
    sides = np.stack([box.lower, box.upper], axis=1)
    ends = np.stack([mesh.points.min(axis=0), mesh.points.max(axis=0)], axis=1)
    reached = np.abs(ends - sides) <= 1e-9 * np.diff(sides, axis=1).max()
    for tag, touches in zip(SIDES.values(), reached.ravel(), strict=False):
        if not touches:
            tags[tags == tag] = SURFACE
    present = set(tags.tolist())
    names = {name: tag for name, tag in {**SIDES, "surface": SURFACE}.items() if tag in present}
    return replace(mesh, facet_tags=tags, names={"solid": 0, **names})


def _solid_task(mesh: Mesh, thickness: float | None) -> dict[str, Any]:
    """What gmsh's process needs to write a STEP file."""
    if mesh.dimension == 2:
        faces = [[polygon(mesh.points[loop]).scaled(np.zeros(2), 1.0) for loop in loops] for loops in _loops(mesh)]
        return {"faces": faces, "thickness": thickness, "shells": []}
    points, triangles = surface_triangles(mesh)
    if len(triangles) > _FACETS:
        raise MeshingError(
            f"export_design: expected at most {_FACETS} triangles of a surface for STEP, got {len(triangles)}: "
            "take a coarser mesh, or STL"
        )
    return {"faces": [], "thickness": None, "shells": [{"points": points.tolist(), "triangles": triangles.tolist()}]}


def _loops(mesh: Mesh) -> list[list[np.ndarray]]:
    """For each part of a plane mesh the points of its outline and of its holes, corners only."""
    facets, cells = unique_facets(mesh)
    border = cells[:, 1] < 0
    pieces = connected_pieces(mesh)[cells[border, 0]]
    found = []
    for piece in range(pieces.max() + 1):
        loops = [_corners(mesh.points, loop) for loop in _simple_loops(facets[border][pieces == piece])]
        areas = [_area(mesh.points[loop]) for loop in loops]
        found.append([loops[k] for k in np.argsort(areas)[::-1]])
    return found


def _simple_loops(edges: np.ndarray) -> list[np.ndarray]:
    """Closed chains of points that visit no point twice, from edges (edges, 2) in the sense of rotation."""
    following: dict[int, list[int]] = {}
    for a, b in edges.tolist():
        following.setdefault(a, []).append(b)
    loops = []
    for start in following:
        while following[start]:
            chain, place = [start], {start: 0}
            while True:
                point = following[chain[-1]].pop()
                if point in place:
                    loops.append(np.array(chain[place[point] :]))
                    for passed in chain[place[point] + 1 :]:
                        del place[passed]
                    del chain[place[point] + 1 :]
                    if point == start:
                        break
                else:
                    place[point] = len(chain)
                    chain.append(point)
    return loops


def _corners(points: np.ndarray, loop: np.ndarray) -> np.ndarray:
    """The points of a loop where it turns."""
    before, after = points[loop] - points[np.roll(loop, 1)], points[np.roll(loop, -1)] - points[loop]
    turn = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0])
    return loop[turn > 1e-9 * np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)]


def _area(corners: np.ndarray) -> float:
    x, y = corners.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
