"""Reading and writing mesh files through meshio."""

import io
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr
from pathlib import Path

import meshio
import numpy as np

from genmech_fem.errors import MeshingError
from genmech_fem.geometry.mesh import NODES, Mesh
from genmech_fem.geometry.xdmf import read_xdmf, write_xdmf

type Fields = Mapping[str, np.ndarray]

PHASE = "phase"
_GMSH = "gmsh:physical"


def _write_gmsh(path: Path, mesh: meshio.Mesh) -> None:
    # Gmsh takes the physical tag 0 for "none": phase k is the physical group k + 1, named "phase_k".
    data = [*mesh.point_data.values(), *(block for (block,) in mesh.cell_data.values())]
    if any(array[0].size not in (1, 3, 9) for array in data):
        raise ValueError(f"{path}: a Gmsh file holds fields of 1, 3 or 9 components only, use .vtu")
    (tags,) = mesh.cell_data.pop(PHASE)
    dimension = 2 if mesh.cells[0].type in ("triangle", "quad") else 3
    mesh.cell_data[_GMSH] = mesh.cell_data["gmsh:geometrical"] = [tags + 1]
    mesh.field_data = {f"{PHASE}_{tag}": np.array([tag + 1, dimension]) for tag in np.unique(tags)}
    meshio.gmsh.write(path, mesh, fmt_version="2.2")


_READERS: dict[str, Callable[[Path], meshio.Mesh]] = {
    ".msh": meshio.gmsh.read,
    ".vtk": meshio.vtk.read,
    ".vtu": meshio.vtu.read,
    ".xdmf": read_xdmf,
}
_WRITERS: dict[str, Callable[[Path, meshio.Mesh], None]] = {
    ".msh": _write_gmsh,
    ".vtk": meshio.vtk.write,
    ".vtu": meshio.vtu.write,
    ".xdmf": write_xdmf,
}


def write(mesh: Mesh, path: str | Path, *, point_data: Fields | None = None, cell_data: Fields | None = None) -> None:
    """Write a mesh file; the suffix ``.msh``, ``.vtk``, ``.vtu`` or ``.xdmf`` chooses the format.

    The phase is the cell field ``phase``; in Gmsh files phase k is the physical group
    k + 1, named ``phase_k``. Two components get a third, 0; only the points
    in XDMF stay 2D.

    Args:
        mesh: The mesh.
        path: Where to write.
        point_data: Fields (points,) or (points, components) or (points, n, n) by name.
        cell_data: Fields (cells,) or (cells, components) or (cells, n, n) by name.

    Raises:
        ValueError: The suffix is unknown, or a field does not fit the mesh.
    """
    path = Path(path)
    writer = _WRITERS[_suffix(path)]
    if PHASE in (cell_data or {}):
        raise ValueError(f"write: the cell field '{PHASE}' is written from mesh.tags, give yours another name")
    at_cells = {name: [_field(name, data, len(mesh.cells))] for name, data in (cell_data or {}).items()}
    at_points = {name: _field(name, data, len(mesh.points)) for name, data in (point_data or {}).items()}
    points = mesh.points if writer is write_xdmf else _padded(mesh.points)
    at_cells[PHASE] = [mesh.tags.astype(np.int64)]  # VTK cannot read meshio's int32
    writer(path, meshio.Mesh(points, [(mesh.cell_type, mesh.cells)], point_data=at_points, cell_data=at_cells))


def read(path: str | Path) -> Mesh:
    """Read a mesh file that `write`, Gmsh or another program wrote.

    Kept are the cells of the highest dimension and the points they use. The phase is the
    cell field ``phase``, else the physical tag of Gmsh, else 0. Cells of a surface that
    lies in z = 0 give a mesh in 2D.

    Args:
        path: File with the suffix ``.msh``, ``.vtk``, ``.vtu`` or ``.xdmf``.

    Raises:
        ValueError: The suffix is unknown.
        FileNotFoundError: There is no such file.
        MeshingError: The file is damaged, of another format or holds no usable mesh.
    """
    path = Path(path)
    reader = _READERS[_suffix(path)]
    if not path.is_file():
        raise FileNotFoundError(f"read: expected a mesh file, found none at {path}")
    said = io.StringIO()  # meshio reports on the console what it skips
    try:
        with redirect_stderr(said):
            mesh = _neutral(reader(path))
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise MeshingError(f"{path}: expected a complete {path.suffix} mesh file, cannot read it: {reason}") from error
    if "not closed" in " ".join(said.getvalue().split()):
        raise MeshingError(f"{path}: expected a complete {path.suffix} mesh file, the end is missing: write it again")
    return mesh


def _suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise ValueError(f"{path}: expected a mesh file with the suffix {sorted(_READERS)}, got {path.suffix!r}")
    return suffix


def _padded(array: np.ndarray) -> np.ndarray:
    """Fill up every axis of two components to three with zeros."""
    return np.pad(array, [(0, 0)] + [(0, 1 if n == 2 else 0) for n in array.shape[1:]])


def _field(name: str, data: np.ndarray, count: int) -> np.ndarray:
    array = np.asarray(data)
    if array.dtype.kind not in "fiub" or array.ndim not in (1, 2, 3) or len(array) != count or " " in name:
        raise ValueError(
            f"write: expected real numbers ({count},), ({count}, n) or ({count}, n, n) under a name without blanks, "
            f"got {array.dtype} of shape {array.shape} for '{name}'"
        )
    array = _padded(array.astype(np.float64 if array.dtype.kind == "f" else np.int64))
    return array.reshape(count, -1) if array.ndim == 3 else array


def _neutral(mesh: meshio.Mesh) -> Mesh:
    top = max((block.dim for block in mesh.cells), default=0)
    chosen = [i for i, block in enumerate(mesh.cells) if block.dim == top]
    kinds = sorted({mesh.cells[i].type for i in chosen})
    if len(kinds) != 1 or kinds[0] not in NODES:
        raise MeshingError(f"expected cells of one type of {sorted(NODES)}, got {kinds}")
    cells = np.concatenate([mesh.cells[i].data for i in chosen])
    tags = np.zeros(len(cells), dtype=np.int32)
    for name in (PHASE, _GMSH):
        if name in mesh.cell_data:
            tags = np.concatenate([mesh.cell_data[name][i] for i in chosen]).ravel()
            break
    if name == _GMSH and any(group.startswith(f"{PHASE}_") for group in mesh.field_data):
        tags = tags - 1
    checked = Mesh(mesh.points, cells, kinds[0], tags)
    used, index = np.unique(checked.cells, return_inverse=True)
    points = checked.points[used]
    flat = top == 2 and points.shape[1] == 3 and not points[:, 2].any()
    return Mesh(points[:, :2] if flat else points, index.reshape(cells.shape), kinds[0], tags)
