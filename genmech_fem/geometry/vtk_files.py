"""Files that VTK reads and meshio does not, through PyVista in a child process."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import meshio
import numpy as np

from genmech_fem.errors import require
from genmech_fem.geometry.child_process import run_program
from genmech_fem.geometry.file_tags import BLOCK

TIME_LIMIT = 300
"""Most seconds that VTK may take."""
_PROCESS = Path(__file__).with_name("vtk_process.py")
_TYPES = {
    1: "vertex",
    3: "line",
    5: "triangle",
    8: "quad",
    9: "quad",
    10: "tetra",
    11: "hexahedron",
    12: "hexahedron",
    13: "wedge",
    14: "pyramid",
    21: "line3",
    22: "triangle6",
    23: "quad8",
    24: "tetra10",
    25: "hexahedron20",
    26: "wedge15",
    27: "pyramid13",
    28: "quad9",
    29: "hexahedron27",
    34: "triangle7",
    68: "VTK_LAGRANGE_CURVE",
    69: "VTK_LAGRANGE_TRIANGLE",
    70: "VTK_LAGRANGE_QUADRILATERAL",
    71: "VTK_LAGRANGE_TETRAHEDRON",
    72: "VTK_LAGRANGE_HEXAHEDRON",
    73: "VTK_LAGRANGE_WEDGE",
}
_PIXELS = {8: [0, 1, 3, 2], 11: [0, 1, 3, 2, 4, 5, 7, 6]}
_PIECES = (".pvd", ".pvtu")  # one file a process, points on their borders are in both


def read_vtk_file(path: Path, step: int) -> tuple[meshio.Mesh, float | None]:
    """Read one step of a file, the parts of it as one mesh with the cell field `BLOCK`.

    Points of different parts become one where coordinates and data are the same.

    Raises:
        MissingExtraError: PyVista is not installed.
        ValueError: VTK reports an error, crashes or takes too long, a cell has no known type, or there is no such step.
    """
    require("pyvista", "viz")
    with TemporaryDirectory() as folder:
        out = Path(folder) / "parts.npz"
        try:
            run_program(_PROCESS, str(path.resolve()), str(step), out=out, time_limit=TIME_LIMIT)
        except (TimeoutError, ChildProcessError) as error:
            raise ValueError(f"VTK: {error}") from error
        with np.load(out) as arrays:
            text = json.loads(str(arrays["arr_0"]))
            parts = [_Part(name) for name in text["names"]]
            for number, (i, kind, name) in enumerate(text["keys"], start=1):
                getattr(parts[i], kind)[name] = arrays[f"arr_{number}"]
    if text["shared"]:
        return _joined(parts, [int(part.cell_data["ObjectId"][0]) for part in parts]), text["time"]
    mesh = _joined(parts)
    return (_welded(mesh) if len(parts) > 1 or path.suffix.lower() in _PIECES else mesh), text["time"]


@dataclass
class _Part:
    name: str
    points: dict[str, np.ndarray] = field(default_factory=dict)
    cells: dict[str, np.ndarray] = field(default_factory=dict)
    point_data: dict[str, np.ndarray] = field(default_factory=dict)
    cell_data: dict[str, np.ndarray] = field(default_factory=dict)


def _joined(parts: list[_Part], ids: list[int] | None = None) -> meshio.Mesh:
    """All parts as one mesh; parts with `ids` share their points."""
    blocks: list[meshio.CellBlock] = []
    rows: list[tuple[_Part, np.ndarray]] = []
    tags: list[np.ndarray] = []
    names: dict[str, tuple[int, int]] = {}
    point_sets: dict[str, np.ndarray] = {}
    offset = 0
    for part, tag in zip(parts, ids or range(len(parts)), strict=True):
        own = _blocks(part, offset)
        top = max(block.dim for block, _ in own)
        if top:
            names[part.name] = (tag, top)
        else:
            point_sets[part.name] = np.unique(part.cells["connectivity"]) + offset
        for block, chosen in own:
            blocks.append(block)
            rows.append((part, chosen))
            tags.append(np.full(len(chosen), tag))
        offset += 0 if ids else len(part.points[""])
    top = max(block.dim for block in blocks)
    highest = [part for block, (part, _) in zip(blocks, rows, strict=True) if block.dim == top]
    cell_data = {
        name: [_rows_or_zeros(part.cell_data.get(name), chosen, like) for part, chosen in rows]
        for name, like in highest[0].cell_data.items()
        if all(name in part.cell_data for part in highest)
    }
    if ids or len(parts) > 1:
        cell_data[BLOCK] = tags
    owners = highest[:1] if ids else parts
    common = [name for name in owners[0].point_data if all(name in part.point_data for part in owners)]
    return meshio.Mesh(
        np.concatenate([part.points[""] for part in owners]).astype(np.float64),
        blocks,
        {name: np.concatenate([part.point_data[name] for part in owners]) for name in common},
        cell_data,
        field_data=names,
        point_sets=point_sets,
    )


def _blocks(part: _Part, offset: int) -> list[tuple[meshio.CellBlock, np.ndarray]]:
    """The cells of each type, and their rows in the part."""
    types, starts, connectivity = (part.cells[name] for name in ("types", "offset", "connectivity"))
    found = []
    for number in np.unique(types).tolist():
        if number not in _TYPES:
            raise ValueError(f"expected cells of the types {sorted(set(_TYPES.values()))}, got VTK's type {number}")
        chosen = np.flatnonzero(types == number)
        sizes = np.diff(starts)[chosen]
        if (sizes != sizes[0]).any():
            raise ValueError(f"expected {_TYPES[number]} cells of one order, got {np.unique(sizes).tolist()} nodes")
        cells = connectivity[starts[chosen][:, None] + np.arange(sizes[0])]
        found.append((meshio.CellBlock(_TYPES[number], cells[:, _PIXELS.get(number, slice(None))] + offset), chosen))
    return found


def _rows_or_zeros(data: np.ndarray | None, rows: np.ndarray, like: np.ndarray) -> np.ndarray:
    return np.zeros((len(rows), *like.shape[1:]), like.dtype) if data is None else data[rows]


def _welded(mesh: meshio.Mesh) -> meshio.Mesh:
    """Points with the same coordinates and data made one."""
    columns = [data.reshape(len(mesh.points), -1) for data in mesh.point_data.values() if data.dtype.kind in "fiub"]
    table = np.column_stack([mesh.points, *columns])
    _, first, number = np.unique(table, axis=0, return_index=True, return_inverse=True)
    return meshio.Mesh(
        mesh.points[first],
        [(block.type, number.ravel()[block.data]) for block in mesh.cells],
        {name: data[first] for name, data in mesh.point_data.items()},
        mesh.cell_data,
        field_data=mesh.field_data,
        point_sets={name: np.unique(number.ravel()[nodes]) for name, nodes in mesh.point_sets.items()},
    )
