"""Solutions of other programs: a mesh with its fields and sets, as plain arrays."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import meshio
import numpy as np

from genmech_fem.errors import MeshingError
from genmech_fem.fields import Grid
from genmech_fem.geometry.facets import unique_facets
from genmech_fem.geometry.location import locate_in_mesh
from genmech_fem.geometry.mesh import FACETS, NODES, Mesh

PHASE = "phase"
GMSH = "gmsh:physical"
BLOCK = "block"
TAG_FIELDS = (
    PHASE,
    GMSH,
    "medit:ref",
    "nastran:ref",
    "su2:tag",
    "avsucd:material",
    "netgen:index",
    "tetgen:ref",
    "MaterialIDs",
    "CellEntityIds",
    BLOCK,
)
"""Names of the cell fields that hold tags, the first that a file has is taken."""
_FACET_TYPES = {"triangle": "line", "quad": "line", "tetra": "triangle", "hexahedron": "quad"}
_LAGRANGE = {
    "CURVE": "line",
    "TRIANGLE": "triangle",
    "QUADRILATERAL": "quad",
    "TETRAHEDRON": "tetra",
    "HEXAHEDRON": "hexahedron",
}


@dataclass(frozen=True, eq=False)
class Solution:
    """A mesh file with its fields.

    Args:
        mesh: The mesh, of linear cells.
        point_data: Fields (points, ...) by name, in the order of `mesh.points`, components as the file has them.
        cell_data: Fields (cells, ...) by name, in the order of `mesh.cells`.
        point_sets: Indices of points by name of the set.
        cell_sets: Indices of cells by name of the set. Other than tags, sets may overlap.
        time: Time of the step, where the file tells it.
        source: The file.
        notes: What of the file was left out, one sentence each.
    """

    mesh: Mesh
    point_data: Mapping[str, np.ndarray] = field(default_factory=dict)
    cell_data: Mapping[str, np.ndarray] = field(default_factory=dict)
    point_sets: Mapping[str, np.ndarray] = field(default_factory=dict)
    cell_sets: Mapping[str, np.ndarray] = field(default_factory=dict)
    time: float | None = None
    source: str = ""
    notes: tuple[str, ...] = ()

    def sample(self, grid: Grid, names: Iterable[str] | None = None) -> tuple[dict[str, np.ndarray], np.ndarray]:
        """Fields on a regular grid, without DOLFINx.

        Point data are interpolated linearly (in quadrilaterals and hexahedra multilinearly) in
        each cell, cell data are constant in each cell.

        Args:
            grid: Grid of the dimension of the mesh.
            names: Fields wanted; default all.

        Returns:
            Fields (*value_shape, *grid.shape) by name, NaN outside the mesh, and the mask
            (grid.shape), true inside.

        Raises:
            ValueError: There is no such field, a name is that of a point and of a cell field, or the grid has
                another dimension.
        """
        if grid.dimension != self.mesh.dimension:
            raise ValueError(f"sample: expected a grid of dimension {self.mesh.dimension}, got {grid.dimension}")
        names = list(names if names is not None else {**self.point_data, **self.cell_data})
        for name in names:
            found = (name in self.point_data) + (name in self.cell_data)
            if found != 1:
                known = f"point fields {sorted(self.point_data)} and cell fields {sorted(self.cell_data)}"
                reason = "both have" if found else "none has"
                raise ValueError(f"sample: expected the name of one field, got '{name}', which {reason}: {known}")
        cells, weights = locate_in_mesh(self.mesh, grid)
        inside = cells >= 0
        hit = cells[inside]
        fields = {}
        for name in names:
            if name in self.point_data:
                corners = self.point_data[name][self.mesh.cells[hit]]
                values = np.einsum("nk,nk...->n...", weights[inside], corners)
            else:
                values = self.cell_data[name][hit].astype(np.float64)
            array = np.full((len(cells), *values.shape[1:]), np.nan)
            array[inside] = values
            fields[name] = np.moveaxis(array, 0, -1).reshape(*values.shape[1:], *grid.shape)
        return fields, inside.reshape(grid.shape)


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
    top = max((block.dim for block in raw.cells), default=0)
    chosen = [i for i, block in enumerate(raw.cells) if block.dim == top and len(block.data)]
    kinds = sorted({_linear(raw.cells[i].type) for i in chosen})
    split = split_quads and set(kinds) <= {"triangle", "quad"}
    if (len(kinds) != 1 and not split) or not set(kinds) <= set(NODES):
        advice = ": pass split_quads=True to get triangles" if set(kinds) == {"triangle", "quad"} else ""
        raise MeshingError(f"expected cells of one type of {sorted(NODES)}, got {kinds}{advice}")
    kind = "triangle" if split else kinds[0]
    if any(raw.cells[i].data.shape[1] > NODES[_linear(raw.cells[i].type)] for i in chosen):
        notes.append("The cells are of higher order: kept are their corners and the data there.")
    points = np.asarray(raw.points, dtype=np.float64)
    blocks = [_corners(raw.cells[i], len(points)) for i in chosen]
    origin = np.arange(sum(map(len, blocks)))
    if split:
        cells, origin = _split(points, blocks)
    else:
        cells = np.concatenate(blocks)
    used, index = np.unique(cells, return_inverse=True)
    new = np.full(len(points), -1)
    new[used] = np.arange(len(used))
    kept = points[used]
    if top == 2 and kept.shape[1] == 3 and not kept[:, 2].any():
        kept = kept[:, :2]
    at_cells = {
        name: np.concatenate([np.asarray(data[i]) for i in chosen])[origin] for name, data in raw.cell_data.items()
    }
    at_points = {name: np.asarray(data)[used] for name, data in raw.point_data.items()}
    mesh = Mesh(kept, index.reshape(cells.shape), kind, np.zeros(len(cells), dtype=np.int32))
    cell_sets = _members(raw, chosen, origin)
    point_sets = {name: new[np.asarray(nodes, dtype=np.int64)] for name, nodes in raw.point_sets.items()}
    point_sets = {name: nodes[nodes >= 0] for name, nodes in point_sets.items()}
    low = [i for i, block in enumerate(raw.cells) if block.dim == top - 1 and _linear(block.type) == _FACET_TYPES[kind]]
    facets = np.concatenate(
        [np.zeros((0, len(FACETS[kind][0])), dtype=np.int64)] + [new[_corners(raw.cells[i], len(points))] for i in low]
    )
    found = _tag_field(raw, tags)
    if found:
        cell_tags = _integers(found, at_cells.pop(found))
        facet_tags = _integers(found, np.concatenate([np.zeros(0)] + [np.ravel(raw.cell_data[found][i]) for i in low]))
        names = {name: abs(int(tag)) for name, (tag, dim) in raw.field_data.items() if dim in (top, top - 1)}
        if found == GMSH and _shifted(names):
            cell_tags = cell_tags - 1
            names |= {name: names[name] - 1 for name, (_, dim) in raw.field_data.items() if dim == top}
    else:
        cell_tags, names = _tags_of_sets(cell_sets, len(cells), first=1)
        in_sets = _members(raw, low, np.arange(len(facets)))
        facet_tags, more = _tags_of_sets(in_sets, len(facets), first=len(cell_sets) + 1)
        names |= more
    mesh = replace(mesh, tags=cell_tags)
    facets, facet_tags, left = _real_facets(mesh, facets, facet_tags)
    if left:
        notes.append(f"{left} tagged facets that are no facets of the cells were left out.")
    if not len(facets) and point_sets:
        facets, facet_tags, more = _facets_of_point_sets(mesh, point_sets, first=int(cell_tags.max()) + 1)
        names |= {name: tag for name, tag in more.items() if name not in names}
    present = {*cell_tags.tolist(), *facet_tags.tolist()}
    names = {name: tag for name, tag in names.items() if tag in present}
    return Solution(
        replace(mesh, facets=facets, facet_tags=facet_tags, names=names),
        {name: _field(data) for name, data in at_points.items() if _is_field(name, data)},
        {name: _field(data) for name, data in at_cells.items() if _is_field(name, data)},
        point_sets,
        cell_sets,
        notes=tuple(notes),
    )


def _linear(kind: str) -> str:
    """Type of the linear cell with the same corners; types without one stay."""
    lagrange = re.fullmatch(r"VTK_(?:LAGRANGE|BEZIER)_(\w+)", kind)
    if lagrange:
        return _LAGRANGE.get(lagrange[1], kind)
    plain = re.fullmatch(r"(line|triangle|quad|tetra|hexahedron)\d*", kind)
    return plain[1] if plain else kind


def _corners(block: meshio.CellBlock, count: int) -> np.ndarray:
    kind = _linear(block.type)
    cells = np.asarray(block.data)[:, : NODES.get(kind, 2)].astype(np.int64)
    if cells.size and not 0 <= cells.min() <= cells.max() < count:
        raise MeshingError(f"expected {kind} cells of points 0 to {count - 1}, got {cells.min()} to {cells.max()}")
    return cells


def _split(points: np.ndarray, blocks: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
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


def _tag_field(raw: meshio.Mesh, tags: str | None) -> str | None:
    if tags is not None and tags not in raw.cell_data:
        raise MeshingError(f"tags={tags!r}: expected the name of a cell field among {sorted(raw.cell_data)}")
    return tags or next((name for name in TAG_FIELDS if name in raw.cell_data), None)


def _integers(name: str, data: np.ndarray) -> np.ndarray:
    values = np.abs(np.ravel(data))  # Gmsh writes -tag where the orientation is reversed
    if values.dtype.kind not in "fiub" or not np.array_equal(values, np.rint(values)):
        raise MeshingError(f"expected integer tags in the cell field '{name}', got {values.dtype}: name another one")
    return values.astype(np.int32)


def _shifted(names: Mapping[str, int]) -> bool:
    """Whether `write` made the Gmsh file: phase k is the group k + 1."""
    return any(name == f"{PHASE}_{tag - 1}" for name, tag in names.items())


def _tags_of_sets(sets: Mapping[str, np.ndarray], count: int, first: int) -> tuple[np.ndarray, dict[str, int]]:
    """Tags from `first` on in the order of the sets, 0 elsewhere; of several sets the smallest counts."""
    names = {name: first + k for k, name in enumerate(sets)}
    tags = np.zeros(count, dtype=np.int32)
    for name in sorted(sets, key=lambda name: len(sets[name]), reverse=True):
        tags[sets[name]] = names[name]
    return tags, names


def _real_facets(mesh: Mesh, facets: np.ndarray, tags: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Those with a tag that are facets of cells, each once, and the number of the others."""
    facets, tags = facets[tags > 0], tags[tags > 0]
    if not len(facets):
        return facets, tags, 0
    of_cells, _ = unique_facets(mesh)
    both = np.sort(np.concatenate([of_cells, facets]), axis=1)
    _, number = np.unique(both, axis=0, return_inverse=True)
    number = number.ravel()
    real = np.isin(number[len(of_cells) :], number[: len(of_cells)])
    _, once = np.unique(number[len(of_cells) :][real], return_index=True)
    once.sort()
    return facets[real][once], tags[real][once], int((~real).sum())


def _facets_of_point_sets(
    mesh: Mesh, sets: Mapping[str, np.ndarray], first: int
) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """The facets of the boundary with all corners in a set."""
    facets, cells = unique_facets(mesh)
    border = facets[cells[:, 1] < 0]
    of_sets = {name: np.flatnonzero(np.isin(border, nodes).all(axis=1)) for name, nodes in sets.items()}
    tags, names = _tags_of_sets(of_sets, len(border), first)
    return border[tags > 0], tags[tags > 0], names


def _is_field(name: str, data: np.ndarray) -> bool:
    return data.dtype.kind in "fiub" and not name.startswith("gmsh:")


def _field(data: np.ndarray) -> np.ndarray:
    return data[:, 0] if data.ndim == 2 and data.shape[1] == 1 else data
