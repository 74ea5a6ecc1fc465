"""Reading and writing mesh files and solutions of other programs, through meshio and PyVista."""

import io
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path

import meshio
import numpy as np

from genmech_fem.drafts import draft_folder
from genmech_fem.errors import MeshingError, MissingExtraError, one_line
from genmech_fem.geometry.abaqus import read_abaqus
from genmech_fem.geometry.file_tags import PHASE
from genmech_fem.geometry.gmsh_files import read_gmsh, write_gmsh
from genmech_fem.geometry.mesh import Mesh
from genmech_fem.geometry.pyvista import vtk_components
from genmech_fem.geometry.raw_meshes import solution_from
from genmech_fem.geometry.solution import Solution
from genmech_fem.geometry.vtk_files import read_vtk_file
from genmech_fem.geometry.xdmf import read_xdmf, write_xdmf

type Fields = Mapping[str, np.ndarray]
type Reader = Callable[[Path, int], tuple[meshio.Mesh, float | None]]


_WRITERS: dict[str, Callable[[Path, Mesh, meshio.Mesh], None]] = {
    ".msh": write_gmsh,
    ".vtk": lambda path, _, raw: meshio.vtk.write(path, raw),
    ".vtu": lambda path, _, raw: meshio.vtu.write(path, raw),
    ".xdmf": lambda path, _, raw: write_xdmf(path, raw),
}


def _one_step(read: Callable[[Path], meshio.Mesh]) -> Reader:
    def reader(path: Path, step: int) -> tuple[meshio.Mesh, None]:
        if step not in (-1, 0):
            raise ValueError(f"step={step}: expected one of 1 steps")
        return read(path), None

    return reader


def _or_vtk(read: Callable[[Path], meshio.Mesh]) -> Reader:
    """Read by meshio, and what that does not know (LZ4, polygons, some number types) by VTK."""

    def reader(path: Path, step: int) -> tuple[meshio.Mesh, float | None]:
        with path.open("rb") as file:
            head = file.read(1024)
        if b"LZ4" in head or b"POLYDATA" in head:
            return read_vtk_file(path, step)
        try:
            return _one_step(read)(path, step)
        except KeyError:  # of a type of numbers or data
            return read_vtk_file(path, step)

    return reader


_READERS: dict[str, Reader] = {
    ".msh": _one_step(read_gmsh),
    ".vtk": _or_vtk(meshio.vtk.read),
    ".vtu": _or_vtk(meshio.vtu.read),
    ".xdmf": read_xdmf,
    ".inp": _one_step(read_abaqus),
    ".bdf": _one_step(meshio.nastran.read),
    ".nas": _one_step(meshio.nastran.read),
    ".fem": _one_step(meshio.nastran.read),
    ".mesh": _one_step(meshio.medit.read),
    ".su2": _one_step(meshio.su2.read),
    ".avs": _one_step(meshio.avsucd.read),
    **dict.fromkeys((".e", ".exo", ".ex2", ".exii"), read_vtk_file),
    **dict.fromkeys((".pvd", ".pvtu", ".vtm", ".vtkhdf", ".hdf", ".vti", ".vtr", ".vts", ".vtp"), read_vtk_file),
    **dict.fromkeys((".foam", ".case", ".cgns"), read_vtk_file),
}


def write(mesh: Mesh, path: str | Path, *, point_data: Fields | None = None, cell_data: Fields | None = None) -> None:
    """Write a mesh file; the suffix ``.msh``, ``.vtk``, ``.vtu`` or ``.xdmf`` chooses the format.

    The phase is the cell field ``phase``. In Gmsh files phase k is the physical group
    k + 1, named ``phase_k`` and as `mesh.names` has it, and facets are written with their tags and
    names; the other formats hold no facets and names. Two components get a third, 0; only
    the points in XDMF stay 2D.

    Args:
        mesh: The mesh.
        path: Where to write.
        point_data: Fields (points,) or (points, components) or (points, n, n) by name.
        cell_data: Fields (cells,) or (cells, components) or (cells, n, n) by name.

    Raises:
        ValueError: The suffix is unknown, or a field does not fit the mesh.
        OSError: The file cannot be written; one that was there stays.
    """
    path = Path(path)
    writer = _WRITERS[_suffix(path, _WRITERS)]
    if PHASE in (cell_data or {}):
        raise ValueError(f"write: the cell field '{PHASE}' is written from mesh.tags, give yours another name")
    at_cells = {name: [_field(name, data, len(mesh.cells))] for name, data in (cell_data or {}).items()}
    at_points = {name: _field(name, data, len(mesh.points)) for name, data in (point_data or {}).items()}
    points = mesh.points if path.suffix.lower() == ".xdmf" else vtk_components(mesh.points)
    at_cells[PHASE] = [mesh.tags.astype(np.int64)]  # VTK cannot read meshio's int32
    with draft_folder(path) as folder:
        writer(folder / path.name, mesh, meshio.Mesh(points, [(mesh.cell_type, mesh.cells)], at_points, at_cells))
        (folder / path.name).replace(path)


def read(path: str | Path) -> Mesh:
    """Read the mesh of a file, without its fields; for the rest see `read_solution`."""
    return read_solution(path).mesh


def read_solution(path: str | Path, step: int = -1, *, tags: str | None = None, split_quads: bool = False) -> Solution:
    """Read a mesh file with its fields, sets and tags that `write`, Gmsh or another program wrote.

    Kept are the cells of the highest dimension, the points they use, and the facets with a tag. Cells of higher
    order become linear: their corners and the data there are kept. Cells of a surface that
    lies in z = 0 give a mesh in 2D.

    The tags of cells and facets are those of one cell field: ``phase``, the physical tags of Gmsh, the property numbers
    of Nastran, Medit, SU2 and the like, or the blocks and side sets of Exodus and other files of several parts.
    Without one, the sets of cells are numbered 1, 2, ... in the order of the file (0 for the rest), then the surfaces
    or, where there are none, the sets of points, whose facets are those of the boundary with all corners in the set.
    A cell or facet in several sets gets the tag of the smallest; the sets themselves stay complete in
    `Solution.cell_sets` and `Solution.point_sets`.

    Files ``.e``, ``.exo``, ``.ex2``, ``.exii``, ``.pvd``, ``.pvtu``, ``.vtm``, ``.vtkhdf``, ``.hdf``, ``.vti``,
    ``.vtr``, ``.vts``, ``.vtp``, ``.foam``, ``.case``, ``.cgns``, and rarer kinds of ``.vtk`` and ``.vtu`` (as LZ4
    compression) need PyVista, ``.xdmf`` with its numbers in HDF5 needs pyfive.

    Args:
        path: File; the suffix tells the format.
        step: Step in time, negative from the last.
        tags: Name of the cell field that holds the tags.
        split_quads: Split quadrilaterals into triangles, also beside triangles; each gets the data of its
            quadrilateral.

    Raises:
        ValueError: The suffix is unknown.
        FileNotFoundError: There is no such file.
        MeshingError: The file is damaged, of another format or holds no usable mesh, or no such step or tags.
        MissingExtraError: The file needs a package that is not installed.
    """
    path = Path(path)
    reader = _READERS[_suffix(path, _READERS)]
    if not path.is_file():
        raise FileNotFoundError(f"read: expected a mesh file, found none at {path}")
    said = io.StringIO()  # meshio reports on the console what it skips
    try:
        with redirect_stderr(said), redirect_stdout(said):
            raw, time = reader(path, step)
            solution = solution_from(raw, tags=tags, split_quads=split_quads)
    except MissingExtraError:
        raise
    except Exception as error:
        expected = f"expected a complete {path.suffix} mesh file"
        raise MeshingError(f"{path}: {expected}, cannot read it: {one_line(error)}") from error
    if "not closed" in " ".join(said.getvalue().split()):
        raise MeshingError(f"{path}: expected a complete {path.suffix} mesh file, the end is missing: write it again")
    return replace(solution, time=time, source=str(path))


def _suffix(path: Path, known: Mapping[str, object]) -> str:
    suffix = path.suffix.lower()
    if suffix not in known:
        raise ValueError(f"{path}: expected a mesh file with the suffix {sorted(known)}, got {path.suffix!r}")
    return suffix


def _field(name: str, data: np.ndarray, count: int) -> np.ndarray:
    array = np.asarray(data)
    if array.dtype.kind not in "fiub" or array.ndim not in (1, 2, 3) or len(array) != count or " " in name:
        raise ValueError(
            f"write: expected real numbers ({count},), ({count}, n) or ({count}, n, n) under a name without blanks, "
            f"got {array.dtype} of shape {array.shape} for '{name}'"
        )
    return vtk_components(array.astype(np.float64 if array.dtype.kind == "f" else np.int64))
