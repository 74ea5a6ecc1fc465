"""Files of Gmsh (``.msh``), and those of Ansys with the same suffix."""

from pathlib import Path

import meshio
import numpy as np

from genmech_fem.geometry.file_tags import GMSH, PHASE
from genmech_fem.geometry.mesh import FACET_TYPES, Mesh


def write_gmsh(path: Path, mesh: Mesh, raw: meshio.Mesh) -> None:
    """Write a mesh, with the fields of `raw`, as version 2.2.

    Raises:
        ValueError: A field has another number of components than Gmsh knows, or a facet tag is 0.
    """
    # Gmsh takes the physical tag 0 for "none": phase k is the physical group k + 1, named "phase_k".
    data = [*raw.point_data.values(), *(block for (block,) in raw.cell_data.values())]
    if any(array[0].size not in (1, 3, 9) for array in data):
        raise ValueError(f"{path.name}: a Gmsh file holds fields of 1, 3 or 9 components only, use .vtu")
    if not mesh.facet_tags.all():
        raise ValueError(f"{path.name}: a Gmsh file holds facet tags from 1 on, got 0")
    (cells,) = raw.cells
    blocks, tags = [(cells.type, cells.data)], [mesh.tags + 1]
    phases, facet_tags = np.unique(mesh.tags).tolist(), np.unique(mesh.facet_tags).tolist()
    groups = {name: (tag, cells.dim - 1) for name, tag in mesh.names.items() if tag in facet_tags}
    groups |= {name: (tag + 1, cells.dim) for name, tag in mesh.names.items() if tag in phases and name not in groups}
    groups |= {f"{PHASE}_{tag}": (tag + 1, cells.dim) for tag in phases}
    del raw.cell_data[PHASE]
    if len(mesh.facets):
        blocks.append((FACET_TYPES[mesh.facets.shape[1]], mesh.facets))
        tags.append(mesh.facet_tags)
        raw.cell_data = {
            name: [data, np.zeros((len(mesh.facets), *data.shape[1:]), data.dtype)]
            for name, (data,) in raw.cell_data.items()
        }
    raw.cell_data |= {GMSH: tags, "gmsh:geometrical": tags}
    stored = meshio.Mesh(raw.points, blocks, raw.point_data, raw.cell_data)
    stored.field_data = {name: np.array(group) for name, group in groups.items()}
    meshio.gmsh.write(path, stored, fmt_version="2.2")


def read_gmsh(path: Path) -> meshio.Mesh:
    """Read a file of Gmsh or Ansys, as its first signs tell."""
    with path.open("rb") as file:
        ansys = file.read(64).lstrip().startswith(b"(")
    return meshio.ansys.read(path) if ansys else meshio.gmsh.read(path)


def _by_block(cells: list[tuple[str, np.ndarray]], data: dict[str, np.ndarray]) -> dict[str, list[np.ndarray]]:
    ends = np.cumsum([len(block) for _, block in cells])[:-1]
    return {name: np.split(values, ends) for name, values in data.items()}


meshio.gmsh._gmsh22.cell_data_from_raw = _by_block  # meshio 5.3.5 splits element data by the length of the pairs
