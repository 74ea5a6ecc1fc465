"""Parametric bodies, meshed by gmsh: plate with a hole, L-bracket, MBB beam, spoked disc, random inclusions.

All lengths are in one unit of your choice. The facets of straight outer sides have the names of
`with_facet_tags`: ``left``, ``right``, ``bottom``, ``top``, and in 3D ``front`` and ``back``.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from genmech_fem.errors import MeshingError
from genmech_fem.geometry.facets import INTERFACES, with_facet_tags
from genmech_fem.geometry.gmsh_models import TIME_LIMIT, Outline, PlaneBody, circle, polygon, rectangle, with_parts
from genmech_fem.geometry.mesh import Mesh

type Where = Callable[[np.ndarray], np.ndarray]

_NAMED = 41  # the first tag of facets with a name of their own
_TRIES = 20_000


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
    _check_lengths("plate_with_hole", width=width, height=height, radius=radius, size=size)
    _check_lengths("plate_with_hole", hole_size=hole_size, thickness=thickness)
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
    return _named(body.mesh(time_limit), {"plate": 0}, {"hole": _on_circle((0, 0), radius)})


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
    _check_lengths("l_bracket", width=width, height=height, arm=arm, size=size)
    _check_lengths("l_bracket", fillet=fillet or None, fillet_size=fillet_size, thickness=thickness)
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
    named = {"fillet": _on_circle((centre, centre), fillet)} if fillet else {}
    return _named(mesh, {"bracket": 0}, named)


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
    _check_lengths("mbb_beam", width=width, height=height, patch=patch, size=size)
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
    patches = {"load": _on_patch(load, height)} | {name: _on_patch(ends, 0.0) for name, ends in supports.items()}
    return _named(mesh, {"beam": 0}, patches)


def spoked_disc(
    *,
    radius: float,
    rim: float,
    hub: float,
    bore: float,
    spokes: int,
    spoke_width: float,
    size: float,
    thickness: float | None = None,
    time_limit: float = TIME_LIMIT,
) -> Mesh:
    """Wheel centred at the origin: rim, hub with a bore, and straight radial spokes, the first along x.

    Facets: ``rim`` (outside), ``bore``, and ``surface`` for the rest (in 3D, with ``front`` and ``back``).
    Cells: ``hub`` (0), ``spokes`` (1), ``rim_ring`` (2).

    Args:
        radius: Outer radius [length].
        rim: Radial width of the rim [length].
        hub: Outer radius of the hub [length].
        bore: Radius of the bore [length].
        spokes: Number of spokes.
        spoke_width: Width of a spoke [length].
        size: Size of the cells [length].
        thickness: Length along z [length], for a mesh of tetrahedra.
        time_limit: Most seconds that gmsh may take.

    Raises:
        ValueError: A length is not positive, or the parts overlap.
        MissingExtraError: gmsh is not installed.
        MeshingError: gmsh fails or takes too long.
    """
    lengths = {"radius": radius, "rim": rim, "hub": hub, "bore": bore, "spoke_width": spoke_width, "size": size}
    _check_lengths("spoked_disc", **lengths, thickness=thickness)
    inner = radius - rim
    if not bore < hub < inner:
        raise ValueError(f"spoked_disc: expected bore < hub < radius - rim, got {bore}, {hub}, {inner}")
    if spokes != int(spokes) or spokes < 1:
        raise ValueError(f"spoked_disc.spokes: expected a whole number of at least 1, got {spokes}")
    if spoke_width >= 2 * hub * np.sin(np.pi / max(spokes, 2)):
        raise ValueError(f"spoked_disc: expected {spokes} spokes side by side at the hub, got width {spoke_width}")
    gaps, joints = [], []
    for turn in 2 * np.pi * np.arange(spokes) / spokes:
        a, b = (np.arcsin(spoke_width / 2 / r) for r in (hub, inner))
        step = 2 * np.pi / spokes
        angles = turn + np.array([a, step / 2, step - a, step - b, step / 2, b])
        points = _at_angles(np.repeat([hub, inner], 3), angles)
        arcs = [("arc", i, 6, i + 1) for i in (0, 1, 3, 4)]
        pieces = [*arcs[:2], ("line", 2, 3), *arcs[2:], ("line", 5, 0)]
        gaps.append(Outline(np.vstack([points, [0, 0]]), pieces))
        for r, half in ((hub, a), (inner, b)):
            ends = _at_angles(np.array([r, r]), turn + np.array([-half, half]))
            joints.append(Outline(np.vstack([ends, [0, 0]]), [("arc", 0, 2, 1)]))
    body = PlaneBody(
        circle((0, 0), radius), size, holes=[circle((0, 0), bore), *gaps], splits=joints, thickness=thickness
    )
    mesh = with_parts(body.mesh(time_limit), lambda x: np.digitize(np.linalg.norm(x[:, :2], axis=1), [hub, inner]))
    names = {"hub": 0, "spokes": 1, "rim_ring": 2}
    return _named(mesh, names, {"rim": _on_circle((0, 0), radius), "bore": _on_circle((0, 0), bore)})


def random_inclusions(
    generator: np.random.Generator,
    *,
    count: int,
    radius: tuple[float, float],
    size: float,
    box: tuple[float, float] = (1.0, 1.0),
    gap: float | None = None,
    periodic: bool = True,
    time_limit: float = TIME_LIMIT,
) -> Mesh:
    """Box [0, width] x [0, height] with discs at random places that do not overlap.

    Random sequential adsorption: Widom, J. Chem. Phys. 44 (1966), doi:10.1063/1.1726548. Facets: the sides and
    ``interface``. Cells: ``matrix`` (0), ``inclusions`` (1).

    Args:
        generator: Random numbers.
        count: Number of discs.
        radius: Smallest and largest radius, drawn uniformly [length].
        size: Size of the cells [length].
        box: Width and height [length].
        gap: Least distance between two discs, and of a disc to touching a side or a corner [length];
            default half of `size`.
        periodic: Discs may cross a side and go on at the opposite one, where the mesh has the same points;
            else all discs lie inside.
        time_limit: Most seconds that gmsh may take.

    Raises:
        ValueError: A length is not positive, or the discs are larger than the box.
        MeshingError: There is no room for all discs, or gmsh fails or takes too long.
        MissingExtraError: gmsh is not installed.
    """
    _check_lengths("random_inclusions", width=box[0], height=box[1], smallest=radius[0], largest=radius[1], size=size)
    gap = size / 2 if gap is None else gap
    if count != int(count) or count < 1:
        raise ValueError(f"random_inclusions.count: expected a whole number of at least 1, got {count}")
    if not 0 <= gap < np.inf:
        raise ValueError(f"random_inclusions.gap: expected a length of at least 0, got {gap}")
    if not radius[0] <= radius[1] < min(box) / 2 - gap:
        raise ValueError(f"random_inclusions.radius: expected smallest <= largest < {min(box) / 2 - gap}, got {radius}")
    centres, radii = _place(generator, int(count), radius, np.array(box), gap, periodic)
    shifts = np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)]) * box if periodic else np.zeros((1, 2))
    discs = [(c + s, r) for c, r in zip(centres, radii, strict=True) for s in shifts if _meets(c + s, r, box)]
    body = PlaneBody(
        rectangle((0, 0), box),
        size,
        splits=[circle(centre, r) for centre, r in discs],
        periodic=box if periodic else None,
    )

    def inside(x: np.ndarray) -> np.ndarray:
        return np.any([np.linalg.norm(x - centre, axis=1) < r for centre, r in discs], axis=0)

    mesh = with_facet_tags(with_parts(body.mesh(time_limit), inside))
    names = {"phase_0": "matrix", "phase_1": "inclusions", "interface_0_1": "interface"}
    return replace(mesh, names={names.get(name, name): tag for name, tag in mesh.names.items()})


def _named(mesh: Mesh, cells: Mapping[str, int], facets: Mapping[str, Where]) -> Mesh:
    """The mesh with tags of sides and surfaces, and of the named facets among those of the boundary."""
    mesh = with_facet_tags(mesh)
    outer = mesh.facet_tags < INTERFACES
    corners = mesh.points[mesh.facets]
    tags = mesh.facet_tags.copy()
    names = {name: tag for name, tag in mesh.names.items() if not name.startswith("phase_")}
    for tag, (name, where) in enumerate(facets.items(), start=_NAMED):
        chosen = outer & where(corners)
        if not chosen.any():
            raise MeshingError(f"expected facets '{name}', found none: take smaller cells")
        tags[chosen] = tag
        names[name] = tag
    kept = set(tags.tolist())
    return replace(mesh, facet_tags=tags, names={**cells, **{k: v for k, v in names.items() if v in kept}})


def _on_circle(centre: tuple[float, float], radius: float) -> Where:
    """Facets with all corners on a circle, or on the cylinder through it."""

    def where(corners: np.ndarray) -> np.ndarray:
        distance = np.linalg.norm(corners[..., :2] - centre, axis=-1)
        return np.asarray((np.abs(distance - radius) < 1e-6 * radius).all(axis=1))

    return where


def _on_patch(ends: tuple[float, float], y: float) -> Where:
    """Facets on a level line between two x."""

    def where(corners: np.ndarray) -> np.ndarray:
        low, high = ends
        margin = 1e-6 * (high - low)
        x, level = corners[..., 0], np.abs(corners[..., 1] - y) < margin
        return np.asarray((level & (x > low - margin) & (x < high + margin)).all(axis=1))

    return where


def _at_angles(radii: np.ndarray, angles: np.ndarray) -> np.ndarray:
    return radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _place(
    generator: np.random.Generator,
    count: int,
    radius: tuple[float, float],
    box: np.ndarray,
    gap: float,
    periodic: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Centres (count, 2) and radii (count,) of discs, the large ones placed first."""
    radii = np.sort(generator.uniform(*radius, count))[::-1]
    centres = np.zeros((count, 2))
    placed, tries = 0, 0
    while placed < count:
        if tries == _TRIES:
            raise MeshingError(
                f"random_inclusions: expected room for {count} discs, found it for {placed} after {_TRIES} tries: "
                "take fewer or smaller discs, or a smaller gap"
            )
        tries += 1
        r = radii[placed]
        margin = 0.0 if periodic else r + gap
        x = generator.uniform(margin, box - margin)
        away = x - centres[:placed]
        away -= np.round(away / box) * box * periodic
        if (np.linalg.norm(away, axis=1) < radii[:placed] + r + gap).any() or (periodic and _grazes(x, r, box, gap)):
            continue
        centres[placed] = x
        placed += 1
    return centres, radii


def _grazes(centre: np.ndarray, radius: float, box: np.ndarray, gap: float) -> bool:
    """Whether a circle nearly touches a side, or nearly passes through a corner."""
    to_sides = np.minimum(centre, box - centre)
    to_corner = np.linalg.norm(to_sides)
    return bool((np.abs(to_sides - radius) < gap).any() or abs(to_corner - radius) < gap)


def _meets(centre: np.ndarray, radius: float, box: tuple[float, float]) -> bool:
    """Whether a disc overlaps the box from the origin."""
    return bool(np.linalg.norm(centre - np.clip(centre, 0, box)) < radius)


def _check_lengths(function: str, **lengths: float | None) -> None:
    for name, length in lengths.items():
        if length is not None and not 0 < length < np.inf:
            raise ValueError(f"{function}.{name}: expected a positive length, got {length}")
