"""The neutral mesh: plain arrays between image, mesh file and solver."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from genmech_fem.errors import MeshingError

# Corners of the simplices that fill each cell, in the node order of meshio.
_SIMPLICES = {
    "triangle": ((0, 1, 2),),
    "quad": ((0, 1, 2), (0, 2, 3)),
    "tetra": ((0, 1, 2, 3),),
    "hexahedron": ((0, 1, 2, 6), (0, 2, 3, 6), (0, 3, 7, 6), (0, 7, 4, 6), (0, 4, 5, 6), (0, 5, 1, 6)),
}
DIMENSIONS = {"triangle": 2, "quad": 2, "tetra": 3, "hexahedron": 3}
NODES = {"triangle": 3, "quad": 4, "tetra": 4, "hexahedron": 8}
# Corners of the facets of each cell, seen from outside in the same sense of rotation.
FACETS = {
    "triangle": ((0, 1), (1, 2), (2, 0)),
    "quad": ((0, 1), (1, 2), (2, 3), (3, 0)),
    "tetra": ((0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)),
    "hexahedron": ((0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)),
}
FACET_TYPES = {2: "line", 3: "triangle", 4: "quad"}
"""Type of a facet by the number of its corners."""
_DTYPES: dict[str, type[np.generic]] = {
    "points": np.float64,
    "cells": np.int64,
    "tags": np.int32,
    "facets": np.int64,
    "facet_tags": np.int32,
}


@dataclass(frozen=True, eq=False)
class Mesh:
    """Mesh of one type of linear cells, with the phase of each.

    Args:
        points: Coordinates (points, dimension) [length]; the dimension is 2 or 3.
        cells: Point indices (cells, nodes of a cell), in the node order of meshio.
        cell_type: ``"triangle"``, ``"quad"``, ``"tetra"`` or ``"hexahedron"``.
        tags: Phase of each cell (cells,), at least 0.
        facets: Point indices of the facets that carry a tag (facets, nodes of a facet).
        facet_tags: Tag of each of these facets (facets,), at least 0.
        names: Tags of cells and facets by name, as ``{"fibre": 1, "left": 11}``.

    Raises:
        MeshingError: The arrays do not describe a mesh. An index out of range would
            abort the whole process in DOLFINx.
    """

    points: np.ndarray
    cells: np.ndarray
    cell_type: str
    tags: np.ndarray
    facets: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    facet_tags: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int32))
    names: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.cell_type not in NODES:
            raise MeshingError(f"Mesh.cell_type: expected one of {sorted(NODES)}, got {self.cell_type!r}")
        for name, dtype in _DTYPES.items():
            object.__setattr__(self, name, _array(name, getattr(self, name), dtype))
        if self.points.ndim != 2 or self.dimension not in (DIMENSIONS[self.cell_type], 3):
            raise MeshingError(
                f"Mesh.points: expected (points, dimension) that can hold a {self.cell_type}, got {self.points.shape}"
            )
        if self.cells.ndim != 2 or self.cells.shape[1] != NODES[self.cell_type] or not len(self.cells):
            raise MeshingError(
                f"Mesh.cells: expected (cells, {NODES[self.cell_type]}) with at least one {self.cell_type}, "
                f"got {self.cells.shape}"
            )
        if self.tags.shape != (len(self.cells),) or self.tags.min() < 0:
            raise MeshingError(
                f"Mesh.tags: expected one phase >= 0 for each of {len(self.cells)} cells, got shape {self.tags.shape}"
                + (f" with {self.tags.min()}" if self.tags.size else "")
            )
        if not np.isfinite(self.points).all():
            raise MeshingError("Mesh.points: expected finite coordinates, got NaN or infinity")
        if self.cells.min() < 0 or self.cells.max() >= len(self.points):
            raise MeshingError(
                f"Mesh.cells: expected indices from 0 to {len(self.points) - 1}, "
                f"got {self.cells.min()} to {self.cells.max()}"
            )
        self._check_facets()

    def _check_facets(self) -> None:
        corners = len(FACETS[self.cell_type][0])
        if not self.facets.size:
            object.__setattr__(self, "facets", self.facets.reshape(0, corners))
        facets = self.facets
        if facets.shape != (self.facet_tags.size, corners) or self.facet_tags.ndim != 1:
            raise MeshingError(
                f"Mesh.facets: expected (facets, {corners}) with one tag each, "
                f"got {facets.shape} and tags {self.facet_tags.shape}"
            )
        if facets.size and not (0 <= facets.min() <= facets.max() < len(self.points) and self.facet_tags.min() >= 0):
            raise MeshingError(
                f"Mesh.facets: expected indices from 0 to {len(self.points) - 1} and tags >= 0, "
                f"got {facets.min()} to {facets.max()} and tags from {self.facet_tags.min()}"
            )

    @property
    def dimension(self) -> int:
        """Number of space dimensions."""
        return self.points.shape[1]

    def measures(self) -> np.ndarray:
        """Areas or volumes (cells,) [length^dimension], negative where a cell is inverted.

        The areas of a surface in 3D carry no sign. Exact for cells with plane faces.
        """
        return self._measures.copy()

    @cached_property
    def _measures(self) -> np.ndarray:
        content = np.zeros(len(self.cells))
        simplices = _SIMPLICES[self.cell_type]
        for simplex in simplices:
            corners = self.points.T[:, self.cells.T[list(simplex)]]  # (dimension, corners, cells)
            sides = corners[:, 1:] - corners[:, :1]
            if sides.shape[0] == sides.shape[1]:
                content += _determinants(sides)
            else:
                content += np.sqrt(_determinants(np.einsum("dac,dbc->abc", sides, sides)))
        return content / math.factorial(DIMENSIONS[self.cell_type])

    def phase_fractions(self) -> np.ndarray:
        """Share of the area or volume that each phase fills, shape (highest tag + 1,)."""
        measures = np.abs(self.measures())
        return np.bincount(self.tags, weights=measures) / measures.sum()

    def smallest_angle(self) -> float:
        """Smallest angle of all triangles [degree].

        Raises:
            MeshingError: The cells are not triangles.
        """
        if self.cell_type != "triangle":
            raise MeshingError(f"smallest_angle: expected a mesh of triangles, got cells of type {self.cell_type!r}")
        return float(np.degrees(smallest_angles(self.points[self.cells]).min()))


def smallest_angles(corners: np.ndarray) -> np.ndarray:
    """Smallest angle [rad] of each triangle with `corners` (triangles, 3, dimension); 0 if degenerate."""
    a, b, c = np.sort(np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2), axis=1).T
    cosine = (b**2 + c**2 - a**2) / np.maximum(2 * b * c, np.finfo(float).tiny)
    return np.asarray(np.arccos(np.clip(cosine, -1.0, 1.0)))


def _determinants(matrices: np.ndarray) -> np.ndarray:
    """Determinants of matrices (2, 2, n) or (3, 3, n), several times as fast as NumPy's."""
    if len(matrices) == 2:
        (a, b), (c, d) = matrices
        return np.asarray(a * d - b * c)
    (a, b, c), (d, e, f), (g, h, i) = matrices
    return np.asarray(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))


def _array(name: str, value: np.ndarray, dtype: type[np.generic]) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in ("fiu" if dtype is np.float64 else "iu"):
        wanted = "real numbers" if dtype is np.float64 else "integers"
        raise MeshingError(f"Mesh.{name}: expected {wanted}, got dtype {array.dtype}")
    return np.ascontiguousarray(array, dtype=dtype)
