"""What parametric bodies share: names of their facets, and the check of their lengths."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from genmech_fem.errors import MeshingError
from genmech_fem.geometry.facets import INTERFACES, with_facet_tags
from genmech_fem.geometry.mesh import Mesh

type Where = Callable[[np.ndarray], np.ndarray]
"""Tells of the corners of facets (facets, nodes of a facet, dimension) which facets lie at a place."""

_NAMED = 41  # the first tag of facets with a name of their own


def named(mesh: Mesh, cells: Mapping[str, int], facets: Mapping[str, Where]) -> Mesh:
    """The mesh with tags of sides and surfaces, and of the named facets among those of the boundary.

    Args:
        mesh: Mesh of a body.
        cells: Tags of its cells by name.
        facets: Places of facets by name.

    Raises:
        MeshingError: No facet lies at a place.
    """
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


def on_circle(centre: tuple[float, float], radius: float) -> Where:
    """Facets with all corners on a circle, or on the cylinder through it."""

    def where(corners: np.ndarray) -> np.ndarray:
        distance = np.linalg.norm(corners[..., :2] - centre, axis=-1)
        return np.asarray((np.abs(distance - radius) < 1e-6 * radius).all(axis=1))

    return where


def on_patch(ends: tuple[float, float], y: float) -> Where:
    """Facets on a level line between two x."""

    def where(corners: np.ndarray) -> np.ndarray:
        low, high = ends
        margin = 1e-6 * (high - low)
        x, level = corners[..., 0], np.abs(corners[..., 1] - y) < margin
        return np.asarray((level & (x > low - margin) & (x < high + margin)).all(axis=1))

    return where


def check_lengths(function: str, **lengths: float | None) -> None:
    """Demand positive lengths, where they are given.

    Raises:
        ValueError: One is not; the text names the argument of the function.
    """
    for name, length in lengths.items():
        if length is not None and not 0 < length < np.inf:
            raise ValueError(f"{function}.{name}: expected a positive length, got {length}")
