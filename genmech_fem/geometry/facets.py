"""Facets of a mesh: which cells share them, and their tags for sides, surfaces and interfaces."""

from dataclasses import replace

import numpy as np

from genmech_fem.fields import Grid
from genmech_fem.geometry.mesh import FACETS, Mesh

SURFACE = 10
"""Tag of facets of the boundary that lie on no side of the box."""
SIDES = {"left": 11, "right": 12, "bottom": 21, "top": 22, "front": 31, "back": 32}
"""Tags of the sides of the box: lower and upper x, y, z."""
INTERFACES = 100
"""Least tag of an interface."""


def interface_tag(a: int, b: int) -> int:
    """Tag of the facets between the phases a and b; their name is ``interface_a_b`` with a < b."""
    low, high = sorted((a, b))
    return INTERFACES + high * (high - 1) // 2 + low


def unique_facets(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """All facets of a mesh, each once.

    Returns:
        Point indices (facets, nodes of a facet), as seen from the first of its cells, and the
        one or two cells of each facet (facets, 2), -1 where there is no second.
    """
    pattern = np.array(FACETS[mesh.cell_type])
    corners = mesh.cells[:, pattern].reshape(-1, pattern.shape[1])
    if pattern.shape[1] == 2:
        low, high = np.minimum(*corners.T), np.maximum(*corners.T)
        third = high
    else:  # three corners tell faces apart
        low, high, third = np.sort(corners, axis=1).T[:3]
    key = low * len(mesh.points) + high
    order = np.argsort(key) if third is high else np.lexsort((third, key))
    sorted_key, third = key[order], third[order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (sorted_key[1:] != sorted_key[:-1]) | (third[1:] != third[:-1])
    index = np.flatnonzero(first)
    cells = np.full((len(index), 2), -1)
    cell_of = order // len(pattern)
    cells[:, 0] = cell_of[index]
    shared = np.diff(np.append(index, len(order))) > 1
    cells[shared, 1] = cell_of[index[shared] + 1]
    return corners[order[index]], cells


def with_facet_tags(mesh: Mesh) -> Mesh:
    """Tag the facets of sides, surfaces and interfaces, with their names.

    Sides are the faces of the bounding box of the mesh: ``left``, ``right`` (x), ``bottom``,
    ``top`` (y), ``front``, ``back`` (z). The rest of the boundary is ``surface``; facets between
    phases a < b are ``interface_a_b``; the cells of phase k are ``phase_k``.
    """
    facets, cells = unique_facets(mesh)
    inner = cells[:, 1] >= 0
    one, two = mesh.tags[cells].T
    different = np.flatnonzero(inner & (one != two))
    low, high = np.minimum(one, two)[different].astype(np.int64), np.maximum(one, two)[different].astype(np.int64)
    tags = np.where(inner, 0, SURFACE)
    tags[different] = INTERFACES + high * (high - 1) // 2 + low
    border = np.flatnonzero(~inner)
    ends = mesh.points[facets[border]].reshape(-1, mesh.dimension)
    lower, upper = ends.min(axis=0, initial=np.inf), ends.max(axis=0, initial=-np.inf)
    names = {f"phase_{k}": int(k) for k in np.unique(mesh.tags)}
    tolerance = 1e-9 * (upper - lower).max()
    for (name, tag), (axis, side) in zip(SIDES.items(), np.ndindex(3, 2), strict=True):
        if axis < mesh.dimension:
            away = np.abs(mesh.points[facets[border], axis] - (lower, upper)[side][axis]).max(axis=1, initial=0.0)
            tags[border[away <= tolerance]] = tag
            names |= {name: tag} if (away <= tolerance).any() else {}
    names |= {"surface": SURFACE} if (tags == SURFACE).any() else {}
    pairs = sorted(set(zip(low.tolist(), high.tolist(), strict=True)))
    names |= {f"interface_{a}_{b}": interface_tag(a, b) for a, b in pairs}
    kept = tags > 0
    return replace(mesh, facets=facets[kept], facet_tags=tags[kept].astype(np.int32), names=names)


def with_box_tags(mesh: Mesh, box: Grid) -> Mesh:
    """Tag the boundary of a solid in a box: sides where it reaches those of the box, surface elsewhere."""
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
