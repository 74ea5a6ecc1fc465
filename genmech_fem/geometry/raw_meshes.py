"""Solutions from the raw meshes of readers: one type of linear cells, their facets with tags, and their fields."""

import re
from collections.abc import Mapping
from dataclasses import replace

import meshio
import numpy as np

from genmech_fem.errors import MeshingError
from genmech_fem.geometry.file_tags import facets_of_point_sets, field_of_tags, real_facets, tags_of_field, tags_of_sets
from genmech_fem.geometry.mesh import DIMENSIONS, FACET_TYPES, FACETS, NODES, Mesh
from genmech_fem.geometry.solution import Solution

_LAGRANGE = {
    "CURVE": "line",
    "TRIANGLE": "triangle",
    "QUADRILATERAL": "quad",
    "TETRAHEDRON": "tetra",
    "HEXAHEDRON": "hexahedron",
}


def solution_from(raw: meshio.Mesh, *, tags: str | None = None, split_quads: bool = False) -> Solution:
    """Make a solution of what a reader found.

    Kept are the cells of the highest dimension, the points they use, and the facets that carry a tag.

    Args:
        raw: Blocks of cells with data and sets, as of meshio; ``field_data`` is {name: (tag, dimension)}.
        tags: Name of the cell field with the tags; default the first of `TAG_FIELDS`, else the sets of cells.
        split_quads: Split quadrilaterals into two triangles at the shorter diagonal.

    Raises:
        MeshingError: The cells are not of one known type, or their points do not exist.
    """
    notes: list[str] = []
    chosen, kind = _cell_blocks(raw, split_quads)
    if any(raw.cells[i].data.shape[1] > NODES[_linear(raw.cells[i].type)] for i in chosen):
        notes.append("The cells are of higher order: kept are their corners and the data there.")
    points = np.asarray(raw.points, dtype=np.float64)
    blocks = [_corners(raw.cells[i], len(points)) for i in chosen]
    cells, origin = _triangles(points, blocks) if kind == "triangle" else _joined(blocks)
    used, index = np.unique(cells, return_inverse=True)
    new = np.full(len(points), -1)
    new[used] = np.arange(len(used))
    mesh = Mesh(_plane(points[used], kind), index.reshape(cells.shape), kind, np.zeros(len(cells), dtype=np.int32))
    low = _facet_blocks(raw, kind)
    none = np.zeros((0, len(FACETS[kind][0])), dtype=np.int64)
    facets = np.concatenate([none, *(new[_corners(raw.cells[i], len(points))] for i in low)])
    cell_sets = _members(raw, chosen, origin)
    point_sets = {name: new[np.asarray(nodes, dtype=np.int64)] for name, nodes in raw.point_sets.items()}
    point_sets = {name: nodes[nodes >= 0] for name, nodes in point_sets.items()}
    found = field_of_tags(raw, tags)
    if found:
        cell_tags, facet_tags, names = tags_of_field(raw, found, (chosen, low), origin)
    else:
        facet_sets = _members(raw, low, np.arange(len(facets)))
        cell_tags, facet_tags, names = tags_of_sets(cell_sets, facet_sets, len(cells), len(facets))
    facets, facet_tags, left = real_facets(mesh, facets, facet_tags)
    if left:
        notes.append(f"{left} tagged facets that are no facets of the cells were left out.")
    if not len(facets) and point_sets:
        facets, facet_tags, more = facets_of_point_sets(mesh, point_sets, first=int(cell_tags.max()) + 1)
        names = more | names
    present = {*cell_tags.tolist(), *facet_tags.tolist()}
    names = {name: tag for name, tag in names.items() if tag in present}
    at_points = {name: np.asarray(data)[used] for name, data in raw.point_data.items()}
    at_cells = {
        name: np.concatenate([np.asarray(data[i]) for i in chosen])[origin]
        for name, data in raw.cell_data.items()
        if name != found
    }
    return Solution(
        replace(mesh, tags=cell_tags, facets=facets, facet_tags=facet_tags, names=names),
        _fields(at_points),
        _fields(at_cells),
        point_sets,
        cell_sets,
        notes=tuple(notes),
    )


def _cell_blocks(raw: meshio.Mesh, split_quads: bool) -> tuple[list[int], str]:
    """Numbers of the blocks with the cells of the highest dimension, and the type of the linear cells made of them.

    Raises:
        MeshingError: The cells are not of one known type.
    """
    top = max((block.dim for block in raw.cells), default=0)
    chosen = [i for i, block in enumerate(raw.cells) if block.dim == top and len(block.data)]
    kinds = sorted({_linear(raw.cells[i].type) for i in chosen})
    if kinds and split_quads and set(kinds) <= {"triangle", "quad"}:
        return chosen, "triangle"
    if len(kinds) != 1 or kinds[0] not in NODES:
        advice = ": pass split_quads=True to get triangles" if kinds == ["quad", "triangle"] else ""
        raise MeshingError(f"expected cells of one type of {sorted(NODES)}, got {kinds}{advice}")
    return chosen, kinds[0]


def _facet_blocks(raw: meshio.Mesh, kind: str) -> list[int]:
    """Numbers of the blocks with facets of cells of one type."""
    top = max(block.dim for block in raw.cells)
    facet = FACET_TYPES[len(FACETS[kind][0])]
    return [i for i, block in enumerate(raw.cells) if block.dim == top - 1 and _linear(block.type) == facet]


def _plane(points: np.ndarray, kind: str) -> np.ndarray:
    """Points of plane cells in z = 0 without that coordinate, others as they are."""
    flat = DIMENSIONS[kind] == 2 and points.shape[1] == 3 and not points[:, 2].any()
    return points[:, :2] if flat else points


def _linear(kind: str) -> str:
    """Type of the linear cell with the same corners; types without one stay."""
    lagrange = re.fullmatch(r"VTK_(?:LAGRANGE|BEZIER)_(\w+)", kind)
    if lagrange:
        return _LAGRANGE.get(lagrange[1], kind)
    plain = re.fullmatch(r"(line|triangle|quad|tetra|hexahedron)\d*", kind)
    return plain[1] if plain else kind


def _corners(block: meshio.CellBlock, count: int) -> np.ndarray:
    """Points (cells, corners) of the linear cells of a block, of `count` points.

    Raises:
        MeshingError: There are no such points.
    """
    kind = _linear(block.type)
    cells = np.asarray(block.data)[:, : NODES.get(kind, 2)].astype(np.int64)
    if cells.size and not 0 <= cells.min() <= cells.max() < count:
        raise MeshingError(f"expected {kind} cells of points 0 to {count - 1}, got {cells.min()} to {cells.max()}")
    return cells


def _joined(blocks: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Cells of blocks of one type, and their numbers."""
    cells = np.concatenate(blocks)
    return cells, np.arange(len(cells))


def _triangles(points: np.ndarray, blocks: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (cells, 3), and the cell of the file that each is of."""
    cells, origin, start = [], [], 0
    for block in blocks:
        number = np.arange(start, start + len(block))
        start += len(block)
        if block.shape[1] == 3:
            cells.append(block)
            origin.append(number)
            continue
        a, b, c, d = np.moveaxis(points[block], 1, 0)
        turned = np.linalg.norm(d - b, axis=1) < np.linalg.norm(c - a, axis=1)
        order = np.where(turned[:, None], np.roll(block, -1, axis=1), block)
        cells.append(order[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 3))
        origin.append(np.repeat(number, 2))
    return np.concatenate(cells), np.concatenate(origin)


def _members(raw: meshio.Mesh, chosen: list[int], origin: np.ndarray) -> dict[str, np.ndarray]:
    """Indices of the cells made of the chosen blocks in each set that has any; ``origin`` is the cell of the file."""
    found = {}
    for name, sets in raw.cell_sets.items():
        if name.startswith("gmsh:"):
            continue
        masks = [np.zeros(0, dtype=bool)]
        for i in chosen:
            masks.append(np.zeros(len(raw.cells[i].data), dtype=bool))
            masks[-1][np.asarray(sets[i], dtype=np.int64)] = True
        found[name] = np.flatnonzero(np.concatenate(masks)[origin])
    return {name: members for name, members in found.items() if len(members)}


def _fields(data: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those of numbers, of which single components lose their axis."""
    kept = {name: a for name, a in data.items() if a.dtype.kind in "fiub" and not name.startswith("gmsh:")}
    return {name: a[:, 0] if a.ndim == 2 and a.shape[1] == 1 else a for name, a in kept.items()}
