"""Conforming meshes of images and level sets, in 2D and 3D, periodic or not."""

from collections.abc import Sequence

import numpy as np

from genmech_fem.geometry.background import Background
from genmech_fem.geometry.fractions import with_own_fraction
from genmech_fem.geometry.level_checks import checked_field, checked_refine
from genmech_fem.geometry.mesh import Mesh
from genmech_fem.geometry.stuffing import triangles, two_phase_triangles
from genmech_fem.geometry.stuffing3d import tetrahedra


def conforming_mesh(
    level: np.ndarray,
    *,
    lower: Sequence[float] | None = None,
    upper: Sequence[float] | None = None,
    threshold: float = 0.5,
    periodic: bool = True,
    refine: int = 1,
    snap: float = 0.3,
) -> Mesh:
    """Mesh an image with cells that follow the contour ``level = threshold``.

    The tag is 1 where ``level > threshold`` and 0 elsewhere. The contour is that of the cubic
    spline through the pixels; where the straight sides of the cells would give a phase another share of
    the box than the spline does, the level is shifted by a constant that restores it.

    Args:
        level: Field (nx, ny) or (nx, ny, nz) at the centres of the pixels or voxels; axis 0 is x.
        lower: Lower corner of the box [length]; default the origin.
        upper: Upper corner of the box [length]; default 1 along each axis.
        threshold: Value of `level` on the interface; not that of a plateau, which has no contour.
        periodic: Whether the field repeats: then opposite sides of the box carry identical points and
            facets. Otherwise the outermost values go on to the border.
        refine: Background cells along each side of a pixel.
        snap: Grid nodes closer to the interface than this share of an edge move onto it;
            other edges are cut.

    Returns:
        Triangles in 2D, with angles of at least 6 degrees for square pixels and the default `snap`;
        tetrahedra in 3D, with dihedral angles of at least 5 degrees.

    Raises:
        ValueError: The field, the box, `refine` or `snap` cannot be used.
        MeshingError: A cell is degenerate: the box is too far from the origin for its size, or `snap` is tiny.
    """
    field = checked_field("conforming_mesh.level", level) - threshold
    if not np.isfinite(threshold):
        raise ValueError(f"conforming_mesh.threshold: expected a finite number, got {threshold}")
    box = _box("conforming_mesh", lower, upper, field.ndim)
    refine = checked_refine("conforming_mesh", refine, snap)
    if field.ndim == 3:
        return tetrahedra(field, *box, periodic, refine, snap)
    return with_own_fraction(
        field, lambda level: two_phase_triangles(level, *box, periodic, refine, snap), periodic=periodic, refine=refine
    )


def multiphase_mesh(
    indicators: np.ndarray,
    *,
    lower: Sequence[float] | None = None,
    upper: Sequence[float] | None = None,
    periodic: bool = True,
    refine: int = 1,
    snap: float = 0.3,
) -> Mesh:
    """Mesh an image of several phases with triangles that follow all their interfaces.

    Args:
        indicators: One field for each phase (phases, nx, ny); a phase lies where its own is the largest.
            `smooth_labels` makes them from an image of labels.
        lower: As of `conforming_mesh`, as are the other arguments.
        upper: Upper corner of the box [length].
        periodic: Whether the fields repeat.
        refine: Background squares along each side of a pixel.
        snap: Share of an edge.

    Returns:
        Triangles with the phase as their tag.

    Raises:
        ValueError: The fields, the box, `refine` or `snap` cannot be used.
        MeshingError: A triangle is degenerate.
    """
    fields = np.asarray(indicators)
    if fields.ndim != 3 or len(fields) < 2:
        raise ValueError(
            f"multiphase_mesh.indicators: expected (phases, nx, ny) of at least 2 phases, got shape {fields.shape}"
        )
    fields = np.stack([checked_field("multiphase_mesh.indicators", field, (2,)) for field in fields])
    low, high = map(np.array, _box("multiphase_mesh", lower, upper, 2))
    return triangles(Background(fields, low, high, periodic, checked_refine("multiphase_mesh", refine, snap), snap))


def _box(
    caller: str, lower: Sequence[float] | None, upper: Sequence[float] | None, dimension: int
) -> tuple[list[float], list[float]]:
    """Lower and upper corner (dimension,) [length]; the unit box is the default."""
    low = np.zeros(dimension) if lower is None else np.asarray(lower, dtype=float)
    high = np.ones(dimension) if upper is None else np.asarray(upper, dtype=float)
    if not (low.shape == high.shape == (dimension,) and np.isfinite([low, high]).all() and (low < high).all()):
        raise ValueError(f"{caller}: expected a box with finite lower < upper in {dimension}D, got {lower}, {upper}")
    return low.tolist(), high.tolist()
