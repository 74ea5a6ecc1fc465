"""Parametric bodies, meshed by gmsh: plate with a hole, L-bracket and MBB beam.

All lengths are in one unit of your choice. The facets of straight outer sides have the names of
`with_facet_tags`: ``left``, ``right``, ``bottom``, ``top``, and in 3D ``front`` and ``back``.
"""

import numpy as np

from genmech_fem.geometry.body_facets import check_lengths, named, on_circle, on_patch
from genmech_fem.geometry.gmsh_models import TIME_LIMIT, PlaneBody
from genmech_fem.geometry.mesh import Mesh
from genmech_fem.geometry.outlines import Outline, circle, polygon, rectangle


def plate_with_hole(
    *,
    width: float,
    height: float,
    radius: float,
    size: float,
    hole_size: float | None = None,
    thickness: float | None = None,
    time_limit: float = TIME_LIMIT,
) -> Mesh:
    """Rectangular plate centred at the origin, with a circular hole in its centre.

    Facets: the sides and ``hole``. Cells: ``plate`` (0).

    Args:
        width: Length along x [length].
        height: Length along y [length].
        radius: Radius of the hole [length].
        size: Size of the cells [length].
        hole_size: Size of the cells at the hole [length]; default `size`.
        thickness: Length along z [length], for a mesh of tetrahedra.
        time_limit: Most seconds that gmsh may take.

    Raises:
        ValueError: A length is not positive, or the hole does not fit.
        MissingExtraError: gmsh is not installed.
        MeshingError: gmsh fails or takes too long.
    """
    check_lengths("plate_with_hole", width=width, height=height, radius=radius, size=size)
    check_lengths("plate_with_hole", hole_size=hole_size, thickness=thickness)
    if 2 * radius >= min(width, height):
        raise ValueError(f"plate_with_hole.radius: expected less than {min(width, height) / 2}, got {radius}")
    corner = np.array([width, height]) / 2
    body = PlaneBody(
        rectangle(-corner, corner),
        size,
        holes=[circle((0, 0), radius)],
        refinements=[] if hole_size is None else [(0, 0, radius, hole_size)],
        thickness=thickness,
    )
    return named(body.mesh(time_limit), {"plate": 0}, {"hole": on_circle((0, 0), radius)})


def l_bracket(
    *,
    width: float,
    height: float,
    arm: float,
    size: float,
    fillet: float = 0.0,
    fillet_size: float | None = None,
    thickness: float | None = None,
    time_limit: float = TIME_LIMIT,
) -> Mesh:
    """L-shaped bracket: an upright arm along x = 0, to be held at its top, and a level arm along y = 0.

    Facets: ``left``, ``right`` (the end of the level arm), ``bottom``, ``top`` (the end of the upright arm),
    ``fillet``, and ``surface`` for the two inner sides. Cells: ``bracket`` (0).

    Args:
        width: Length along x [length].
        height: Length along y [length].
        arm: Width of both arms [length].
        size: Size of the cells [length].
        fillet: Radius of the fillet in the inner corner [length]; 0 is a sharp corner.
        fillet_size: Size of the cells at the inner corner [length]; default `size`.
        thickness: Length along z [length], for a mesh of tetrahedra.
        time_limit: Most seconds that gmsh may take.

    Raises:
        ValueError: A length is not positive, or arms or fillet do not fit.
        MissingExtraError: gmsh is not installed.
        MeshingError: gmsh fails or takes too long.
    """
    check_lengths("l_bracket", width=width, height=height, arm=arm, size=size)
    check_lengths("l_bracket", fillet=fillet or None, fillet_size=fillet_size, thickness=thickness)
    room = min(width, height) - arm
    if fillet >= room:
        raise ValueError(f"l_bracket: expected arm + fillet below {min(width, height)}, got {arm} + {fillet}")
    centre = arm + fillet
    points = [[0, 0], [width, 0], [width, arm], [centre, arm], [arm, centre], [arm, height], [0, height]]
    if fillet:
        pieces = [("arc", 3, 7, 4) if i == 3 else ("line", i, (i + 1) % 7) for i in range(7)]
        outline = Outline(np.array([*points, [centre, centre]]), pieces)
    else:
        outline = polygon(np.array(points[:4] + points[5:]))
    refinements = [] if fillet_size is None else [(arm, arm, max(1.2 * fillet, fillet_size), fillet_size)]
    mesh = PlaneBody(outline, size, refinements=refinements, thickness=thickness).mesh(time_limit)
    facets = {"fillet": on_circle((centre, centre), fillet)} if fillet else {}
    return named(mesh, {"bracket": 0}, facets)


def mbb_beam(
    *, width: float, height: float, patch: float, size: float, half: bool = True, time_limit: float = TIME_LIMIT
) -> Mesh:
    """Beam of the MBB problem of topology optimisation, with its supports and its load on patches.

    The half beam is the right one: ``left`` is the plane of symmetry. Facets: the sides, less ``load``, a patch
    of the top at x = 0 (of the whole beam, in the middle), and ``support``, a patch of the bottom at the right end
    (of the whole beam, ``support_left`` and ``support_right``). Cells: ``beam`` (0). A standard one is 3 x 1 (half).

    Args:
        width: Length along x of what is meshed [length].
        height: Length along y [length].
        patch: Length of a support, and of the load on the half beam; on the whole beam the load is twice as long
            [length].
        size: Size of the cells [length].
        half: Mesh one half only.
        time_limit: Most seconds that gmsh may take.

    Raises:
        ValueError: A length is not positive, or the patches do not fit.
        MissingExtraError: gmsh is not installed.
        MeshingError: gmsh fails or takes too long.
    """
    check_lengths("mbb_beam", width=width, height=height, patch=patch, size=size)
    if 2 * patch >= width:
        raise ValueError(f"mbb_beam.patch: expected less than half of width={width}, got {patch}")
    if half:
        supports, load = {"support": (width - patch, width)}, (0.0, patch)
    else:
        supports = {"support_left": (0.0, patch), "support_right": (width - patch, width)}
        load = (width / 2 - patch, width / 2 + patch)
    ends = {*load, *(end for support in supports.values() for end in support)} - {0.0, width}
    bottom = sorted(end for end in ends if any(end in support for support in supports.values()))
    top = sorted((end for end in ends if end in load), reverse=True)
    points = [[0, 0], *([x, 0] for x in bottom), [width, 0], [width, height], *([x, height] for x in top), [0, height]]
    mesh = PlaneBody(polygon(np.array(points, dtype=float)), size).mesh(time_limit)
    patches = {"load": on_patch(load, height)} | {name: on_patch(ends, 0.0) for name, ends in supports.items()}
    return named(mesh, {"beam": 0}, patches)
