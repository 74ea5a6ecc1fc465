"""A box with discs at random places that do not overlap, meshed by gmsh.

Random sequential adsorption: Widom, J. Chem. Phys. 44 (1966), doi:10.1063/1.1726548.
"""

from dataclasses import replace

import numpy as np

from genmech_fem.errors import MeshingError
from genmech_fem.geometry.body_facets import check_lengths
from genmech_fem.geometry.facets import with_facet_tags
from genmech_fem.geometry.gmsh_models import TIME_LIMIT, PlaneBody, with_parts
from genmech_fem.geometry.mesh import Mesh
from genmech_fem.geometry.outlines import circle, rectangle

_TRIES = 20_000


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

    Facets: the sides and ``interface``. Cells: ``matrix`` (0), ``inclusions`` (1).

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
    check_lengths("random_inclusions", width=box[0], height=box[1], smallest=radius[0], largest=radius[1], size=size)
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
