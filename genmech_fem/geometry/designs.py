"""Designs: the density of topology optimisation as a mesh of the solid alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter, label

from genmech_fem.fields import Grid
from genmech_fem.geometry.facets import with_box_tags
from genmech_fem.geometry.level_checks import checked_field, checked_refine
from genmech_fem.geometry.mesh import Mesh
from genmech_fem.geometry.pieces import connected_pieces, submesh
from genmech_fem.geometry.thresholds import at_volume


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
    refine = checked_refine("design_mesh", refine, snap)
    if not 0 <= smooth < np.inf:
        raise ValueError(f"design_mesh.smooth: expected a width of at least 0 pixels, got {smooth}")
    ways = [(smooth, refine), (smooth / 2, refine), (0.0, refine), (0.0, 2 * refine)]
    found = _least_broken(field, wanted, box, ways, snap)
    measures = found.solid.measures()
    largest, islands = _islands(found.solid, found.pieces)
    kept = submesh(found.solid, found.pieces == largest) if keep == "largest" and islands else found.solid
    share = float(measures.sum() / np.prod(np.subtract(upper, lower)))
    removed = float(measures.sum() - kept.measures().sum()) if kept is not found.solid else 0.0
    return Design(with_box_tags(kept, box), found.threshold, share, islands, removed, found.smooth, found.lost_bridges)


def _checked(density: np.ndarray) -> np.ndarray:
    field = checked_field("design_mesh.density", density)
    if not -1e-6 <= field.min() < field.max() <= 1 + 1e-6:
        raise ValueError(
            f"design_mesh.density: expected densities from 0 to 1 that vary, got {field.min()} to {field.max()}"
        )
    return field


@dataclass(frozen=True, eq=False)
class _Attempt:
    """The solid of one smoothing and refinement, and the piece of each of its cells."""

    solid: Mesh
    pieces: np.ndarray
    threshold: float
    smooth: float
    lost_bridges: int


def _least_broken(
    field: np.ndarray, wanted: float, box: Grid, ways: Sequence[tuple[float, int]], snap: float
) -> _Attempt:
    """The first way, of widths of the filter and refinements, that loses no bridge, else the one that loses fewest."""
    pixels = _solid_pixels(field, wanted)
    tries: list[_Attempt] = []
    for width, refine in dict.fromkeys(ways):
        level = gaussian_filter(field, width, mode="nearest") if width else field
        whole, threshold = at_volume(level, wanted, box, refine, snap)
        solid, void = (submesh(whole, whole.tags == phase) for phase in (1, 0))
        pieces = connected_pieces(solid)
        lost = _lost_bridges((solid, pieces), (void, connected_pieces(void)), pixels, box)
        tries.append(_Attempt(solid, pieces, threshold, width, lost))
        if not lost:
            break
    return min(tries, key=lambda attempt: attempt.lost_bridges)


def _islands(solid: Mesh, pieces: np.ndarray) -> tuple[int, tuple[Island, ...]]:
    """The number of the largest piece, and the others by volume."""
    measures = solid.measures()
    volumes = np.bincount(pieces, weights=measures)
    moments = measures[:, None] * solid.points[solid.cells].mean(axis=1)
    centres = (np.stack([np.bincount(pieces, weights=m) for m in moments.T], axis=1) / volumes[:, None]).tolist()
    largest, *others = np.argsort(-volumes).tolist()
    return largest, tuple(Island(tuple(centres[k]), float(volumes[k])) for k in others)


def _solid_pixels(field: np.ndarray, wanted: float) -> np.ndarray:
    """Whether a pixel is one of the densest, which make up the wanted volume."""
    ranked = np.sort(field, axis=None)
    first = np.clip(round((1 - wanted) * field.size), 1, field.size - 1)
    return np.asarray(field > (ranked[first - 1] + ranked[first]) / 2)


type _Pieces = tuple[Mesh, np.ndarray]


def _lost_bridges(solid: _Pieces, void: _Pieces, pixels: np.ndarray, box: Grid) -> int:
    """How many connections of solid pixels the mesh of solid and void, with the pieces of their cells, lacks.

    Each shows by a part of the solid pixels that lies in two pieces of the mesh, or by two parts of the void pixels
    that lie in one. A part and a piece meet where they share more than half a pixel.
    """
    in_solid = _meeting(*solid, label(pixels)[0], box)
    in_void = _meeting(*void, label(~pixels, structure=np.ones((3,) * pixels.ndim))[0], box)
    return int(np.maximum(in_solid.sum(axis=1) - 1, 0).sum() + np.maximum(in_void.sum(axis=0) - 1, 0).sum())


def _meeting(mesh: Mesh, pieces: np.ndarray, parts: np.ndarray, box: Grid) -> np.ndarray:
    """Whether parts of the pixels, from number 1 on, and pieces of the mesh meet (parts, pieces)."""
    pixel = np.array(box.spacing)
    places = ((mesh.points[mesh.cells].mean(axis=1) - box.lower) / pixel).astype(np.int64)
    shared = np.zeros((parts.max() + 1, pieces.max() + 1))
    np.add.at(shared, (parts[tuple(np.minimum(places, np.subtract(parts.shape, 1)).T)], pieces), mesh.measures())
    return np.asarray(shared[1:] > 0.5 * pixel.prod())
