"""Tags of cells and facets in mesh files: those of a field, or numbers of sets."""

from collections.abc import Mapping

import meshio
import numpy as np

from genmech_fem.errors import MeshingError
from genmech_fem.geometry.facets import unique_facets
from genmech_fem.geometry.mesh import Mesh

type Tags = tuple[np.ndarray, np.ndarray, dict[str, int]]
"""Tags of cells (cells,) and of facets (facets,), and what they are called."""

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


def field_of_tags(raw: meshio.Mesh, tags: str | None) -> str | None:
    """The cell field that holds the tags: the one asked for, else the first of `TAG_FIELDS` that there is.

    Raises:
        MeshingError: There is no such field.
    """
    if tags is not None and tags not in raw.cell_data:
        raise MeshingError(f"tags={tags!r}: expected the name of a cell field among {sorted(raw.cell_data)}")
    return tags or next((name for name in TAG_FIELDS if name in raw.cell_data), None)


def tags_of_field(raw: meshio.Mesh, name: str, blocks: tuple[list[int], list[int]], origin: np.ndarray) -> Tags:
    """Tags of the cell field `name`.

    Args:
        raw: What a reader found.
        name: The field.
        blocks: Numbers of the blocks of cells, and of those of facets.
        origin: The cell of the file (cells,) that each cell is of.

    Raises:
        MeshingError: They are no integers.
    """
    of_cells, of_facets = blocks
    data = raw.cell_data[name]
    cell_tags = _integers(name, np.concatenate([np.asarray(data[i]) for i in of_cells])[origin])
    facet_tags = _integers(name, np.concatenate([np.zeros(0), *(np.ravel(data[i]) for i in of_facets)]))
    top = raw.cells[of_cells[0]].dim
    names = {group: abs(int(tag)) for group, (tag, dim) in raw.field_data.items() if dim in (top, top - 1)}
    if name == GMSH and _shifted(names):
        cell_tags = cell_tags - 1
        names |= {group: names[group] - 1 for group, (_, dim) in raw.field_data.items() if dim == top}
    return cell_tags, facet_tags, names


def tags_of_sets(
    cell_sets: Mapping[str, np.ndarray], facet_sets: Mapping[str, np.ndarray], cells: int, facets: int
) -> Tags:
    """Numbers of the sets from 1 on, those of cells first; 0 for what is in none."""
    cell_tags, names = _numbered(cell_sets, cells, first=1)
    facet_tags, more = _numbered(facet_sets, facets, first=len(cell_sets) + 1)
    return cell_tags, facet_tags, names | more


def _integers(name: str, data: np.ndarray) -> np.ndarray:
    values = np.abs(np.ravel(data))  # Gmsh writes -tag where the orientation is reversed
    if values.dtype.kind not in "fiub" or not np.array_equal(values, np.rint(values)):
        raise MeshingError(f"expected integer tags in the cell field '{name}', got {values.dtype}: name another one")
    return values.astype(np.int32)


def _shifted(names: Mapping[str, int]) -> bool:
    """Whether `write` made the Gmsh file: phase k is the group k + 1."""
    return any(name == f"{PHASE}_{tag - 1}" for name, tag in names.items())


def _numbered(sets: Mapping[str, np.ndarray], count: int, first: int) -> tuple[np.ndarray, dict[str, int]]:
    """Tags from `first` on in the order of the sets, 0 elsewhere; of several sets the smallest counts."""
    names = {name: first + k for k, name in enumerate(sets)}
    tags = np.zeros(count, dtype=np.int32)
    for name in sorted(sets, key=lambda name: len(sets[name]), reverse=True):
        tags[sets[name]] = names[name]
    return tags, names


def real_facets(mesh: Mesh, facets: np.ndarray, tags: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """The facets (facets, nodes) with a tag that are those of cells, each once, their tags, and how many are not."""
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


def facets_of_point_sets(
    mesh: Mesh, sets: Mapping[str, np.ndarray], first: int
) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """The facets of the boundary with all corners in a set."""
    facets, cells = unique_facets(mesh)
    border = facets[cells[:, 1] < 0]
    of_sets = {name: np.flatnonzero(np.isin(border, nodes).all(axis=1)) for name, nodes in sets.items()}
    tags, names = _numbered(of_sets, len(border), first)
    return border[tags > 0], tags[tags > 0], names
