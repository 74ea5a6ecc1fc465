"""A wheel with straight spokes, meshed by gmsh."""

from collections.abc import Mapping, Sequence

import numpy as np

from genmech_fem.geometry.body_facets import check_lengths, named, on_circle
from genmech_fem.geometry.gmsh_models import TIME_LIMIT, PlaneBody, with_parts
from genmech_fem.geometry.mesh import Mesh
from genmech_fem.geometry.outlines import Outline, circle


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
    check_lengths("spoked_disc", **lengths, thickness=thickness)
    inner = radius - rim
    if not bore < hub < inner:
        raise ValueError(f"spoked_disc: expected bore < hub < radius - rim, got {bore}, {hub}, {inner}")
    if spokes != int(spokes) or spokes < 1:
        raise ValueError(f"spoked_disc.spokes: expected a whole number of at least 1, got {spokes}")
    if spoke_width >= 2 * hub * np.sin(np.pi / max(spokes, 2)):
        raise ValueError(f"spoked_disc: expected {spokes} spokes side by side at the hub, got width {spoke_width}")
    turns = 2 * np.pi * np.arange(spokes) / spokes
    halves = {r: float(np.arcsin(spoke_width / 2 / r)) for r in (hub, inner)}  # angle of half a spoke by radius
    gaps = [_gap(turn, 2 * np.pi / spokes, halves) for turn in turns]
    joints = [_joint(turn, r, half) for turn in turns for r, half in halves.items()]
    body = PlaneBody(
        circle((0, 0), radius), size, holes=[circle((0, 0), bore), *gaps], splits=joints, thickness=thickness
    )
    mesh = with_parts(body.mesh(time_limit), lambda x: np.digitize(np.linalg.norm(x[:, :2], axis=1), [hub, inner]))
    names = {"hub": 0, "spokes": 1, "rim_ring": 2}
    return named(mesh, names, {"rim": on_circle((0, 0), radius), "bore": on_circle((0, 0), bore)})


def _gap(turn: float, step: float, halves: Mapping[float, float]) -> Outline:
    """Outline of the gap between the spoke at the angle `turn` and the next one, `step` further [rad]."""
    (hub, a), (inner, b) = halves.items()
    points = _at_angles([hub] * 3 + [inner] * 3, turn + np.array([a, step / 2, step - a, step - b, step / 2, b]))
    first, second, third, fourth = (("arc", i, 6, i + 1) for i in (0, 1, 3, 4))
    return Outline(points, [first, second, ("line", 2, 3), third, fourth, ("line", 5, 0)])


def _joint(turn: float, radius: float, half: float) -> Outline:
    """The arc between the spoke at the angle `turn` and a ring."""
    return Outline(_at_angles([radius] * 2, turn + np.array([-half, half])), [("arc", 0, 2, 1)])


def _at_angles(radii: Sequence[float], angles: np.ndarray) -> np.ndarray:
    """Points (n, 2) by polar coordinates, and the origin after them."""
    around = np.array(radii)[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.vstack([around, [0, 0]])
