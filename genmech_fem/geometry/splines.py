"""Two-phase triangle meshes between spline curves through the contour of a level set, by gmsh."""

from dataclasses import replace

import numpy as np
from skimage.measure import find_contours

from genmech_fem.errors import MeshingError
from genmech_fem.fields import Grid
from genmech_fem.geometry.facets import with_facet_tags
from genmech_fem.geometry.gmsh_models import TIME_LIMIT, PlaneBody, with_parts
from genmech_fem.geometry.level_checks import checked_field
from genmech_fem.geometry.mesh import Mesh
from genmech_fem.geometry.outlines import Outline, rectangle, spline
from genmech_fem.geometry.splines_on_grids import at_points, on_lattice

_SPACING = 0.5  # of the points on a curve, in pixels
_FEWEST = 6  # points of a closed curve
_FINER = 4  # intervals along a pixel where the contour is looked for
_WRONG = 0.02  # of the area of the box, which means that curves have crossed


def spline_mesh(
    level: np.ndarray,
    *,
    lower: tuple[float, float] = (0.0, 0.0),
    upper: tuple[float, float] = (1.0, 1.0),
    threshold: float = 0.5,
    size: float | None = None,
    periodic: bool = True,
    time_limit: float = TIME_LIMIT,
) -> Mesh:
    """Mesh a box with triangles between smooth curves along the contour ``level = threshold``.

    The tag is 1 where ``level > threshold`` and 0 elsewhere; sides and interface are tagged as by `with_facet_tags`.
    The curves are cubic splines through points of the contour, half a pixel apart. Where a field is
    rough or its contours nearly touch, the splines may cross and gmsh fails; `conforming_mesh` does not.

    Args:
        level: Field (nx, ny) at the centres of the pixels; axis 0 is x.
        lower: Lower corner of the box [length].
        upper: Upper corner of the box [length].
        threshold: Value of `level` on the interface.
        size: Size of the triangles [length]; default the larger side of a pixel.
        periodic: Whether the field goes on periodically, and opposite sides get the same points; else its outermost
            values go on to the border.
        time_limit: Most seconds that gmsh may take.

    Raises:
        ValueError: The field, the box or the size cannot be used.
        MissingExtraError: gmsh is not installed.
        MeshingError: gmsh fails or takes too long.
    """
    field = checked_field("spline_mesh.level", level, (2,)) - threshold
    if not np.isfinite(threshold):
        raise ValueError(f"spline_mesh.threshold: expected a finite number, got {threshold}")
    box = Grid(field.shape, lower, upper)
    corner, pixel = np.subtract(box.upper, box.lower), np.array(box.spacing)
    size = float(pixel.max()) if size is None else size
    if not 0 < size < np.inf:
        raise ValueError(f"spline_mesh.size: expected a positive length, got {size}")
    positions = [np.arange(n * _FINER + 1) / _FINER for n in field.shape]
    nodes = on_lattice(field, positions, periodic=periodic)
    contours = [contour * pixel / _FINER for contour in find_contours(nodes, 0.0)]
    splits = [curve for contour in contours if (curve := _curve(contour, _SPACING * pixel.min())) is not None]
    body = PlaneBody(
        rectangle((0, 0), corner),
        size,
        splits=splits,
        periodic=(corner[0], corner[1]) if periodic else None,
        cells_around=0,
    )
    mesh = with_parts(body.mesh(time_limit), lambda x: at_points(field, x / pixel, periodic=periodic) > 0)
    share = mesh.tags @ mesh.measures() / corner.prod()
    filled = np.isclose(mesh.measures().sum(), corner.prod(), rtol=1e-6)
    if not filled or abs(share - (nodes > 0).mean()) > _WRONG or (periodic and not _sides_match(mesh, corner)):
        raise MeshingError(
            "spline_mesh: expected curves that do not cross, got a mesh that misses parts of the level set: "
            "smooth it, take smaller cells, or use conforming_mesh"
        )
    return with_facet_tags(replace(mesh, points=mesh.points + lower))


def _sides_match(mesh: Mesh, corner: np.ndarray) -> bool:
    """Whether opposite sides of the box from the origin to `corner` (2,) have the same points."""
    sides = [[_places_on(mesh, axis, end) for end in (0.0, length)] for axis, length in enumerate(corner)]
    return all(len(low) == len(high) and np.allclose(low, high) for low, high in sides)


def _places_on(mesh: Mesh, axis: int, place: float) -> np.ndarray:
    """The points on a side of the box, in their order along it."""
    return np.sort(mesh.points[np.isclose(mesh.points[:, axis], place), 1 - axis])


def _curve(contour: np.ndarray, spacing: float) -> Outline | None:
    """Spline through points of the contour at equal distances; none where it is closed and tiny."""
    steps = np.linalg.norm(np.diff(contour, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    closed = bool((contour[0] == contour[-1]).all())
    if closed and along[-1] < spacing:
        return None
    places = np.linspace(0, along[-1], max(round(along[-1] / spacing), _FEWEST if closed else 1) + 1)
    points = np.stack([np.interp(places, along, contour[:, axis]) for axis in (0, 1)], axis=1)
    return spline(points[:-1], closed=True) if closed else spline(points, closed=False)
