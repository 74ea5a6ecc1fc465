"""Child process that runs gmsh, which may crash or hang on bad outlines.

``python gmsh_process.py TASK OUT`` reads a task in JSON and writes OUT: a mesh (``.npz``) or a CAD file (``.step``).
"""

import json
import sys
from pathlib import Path
from typing import Any

import gmsh
import numpy as np

type Entities = list[tuple[int, int]]

_CELLS = {2: 2, 3: 4}  # gmsh's numbers of the triangle and the tetrahedron
_TOLERANCE = 1e-6  # of places, where the body is of size 1


def main(source: str, out: str) -> None:
    """Do the task."""
    task = json.loads(Path(source).read_text())
    gmsh.initialize(interruptible=False)
    try:
        gmsh.option.setNumber("General.Terminal", 0)
        if "outer" in task:
            _mesh(task, out)
        else:
            _solid(task, out)
    finally:
        gmsh.finalize()


def _mesh(task: dict[str, Any], out: str) -> None:
    """Mesh the body, split by the given curves and, where there is a thickness, extruded."""
    body = [_face([task["outer"]])]
    if task["holes"]:
        body, _ = gmsh.model.occ.cut(body, [_face([outline]) for outline in task["holes"]])
    splits = [(1, curve) for outline in task["splits"] for curve in _curves(outline)]
    if splits:
        _, parts = gmsh.model.occ.fragment(body, splits)
        body = [entity for part in parts[: len(body)] for entity in part]
    gmsh.model.occ.synchronize()
    loose = [(1, tag) for _, tag in gmsh.model.getEntities(1) if not len(gmsh.model.getAdjacencies(1, tag)[0])]
    gmsh.model.removeEntities(loose, recursive=True)
    if task["thickness"] is not None:
        gmsh.model.occ.extrude(body, 0, 0, task["thickness"])
        gmsh.model.occ.synchronize()
    if task["periodic"] is not None:
        _match_sides(*task["periodic"])
    _set_sizes(task["size"], task["refinements"], task["gradation"])
    gmsh.option.setNumber("Mesh.MeshSizeFromCurvature", task["cells_around"])
    dimension = 2 if task["thickness"] is None else 3
    gmsh.model.mesh.generate(dimension)
    numbers, points, _ = gmsh.model.mesh.getNodes()
    index = np.zeros(int(numbers.max()) + 1, dtype=np.int64)
    index[numbers.astype(np.int64)] = np.arange(len(numbers))
    cells, parts = [], []
    for number, (_, tag) in enumerate(gmsh.model.getEntities(dimension)):
        _, nodes = gmsh.model.mesh.getElementsByType(_CELLS[dimension], tag)
        cells.append(index[nodes.astype(np.int64)].reshape(-1, dimension + 1))
        parts.append(np.full(len(cells[-1]), number))
    np.savez(out, points=points.reshape(-1, 3), cells=np.concatenate(cells), parts=np.concatenate(parts))


def _curves(outline: dict[str, Any]) -> list[int]:
    """Curves of an outline, whose pieces are [kind, points...]."""
    occ = gmsh.model.occ
    points = [occ.addPoint(*point) for point in outline["points"]]
    make = {
        "line": lambda ends: occ.addLine(*ends),
        "arc": lambda ends: occ.addCircleArc(*ends),
        "spline": occ.addSpline,
    }
    return [make[kind]([points[i] for i in numbers]) for kind, *numbers in outline["pieces"]]


def _face(outlines: list[dict[str, Any]]) -> tuple[int, int]:
    """Plane face within the first outline and without the others."""
    return 2, gmsh.model.occ.addPlaneSurface([gmsh.model.occ.addCurveLoop(_curves(outline)) for outline in outlines])


def _match_sides(width: float, height: float) -> None:
    """Make the meshes of opposite sides of the box the same."""
    for axis, length in enumerate((width, height)):
        low, high = (_curves_at(axis, place) for place in (0.0, length))
        if len(low) != len(high):
            raise ValueError(
                f"expected as many curves on opposite sides, got {len(low)} and {len(high)}: some cross the border"
            )
        move = np.eye(4)
        move[axis, 3] = length
        gmsh.model.mesh.setPeriodic(1, high, low, move.ravel().tolist())


def _curves_at(axis: int, place: float) -> list[int]:
    """The curves on the line where a coordinate has a value, in their order along it."""
    found = []
    for _, tag in gmsh.model.getEntities(1):
        box = np.reshape(gmsh.model.getBoundingBox(1, tag), (2, 3))
        if np.abs(box[:, axis] - place).max() < _TOLERANCE:
            found.append((box[:, 1 - axis].sum(), tag))
    return [tag for _, tag in sorted(found)]


def _set_sizes(size: float, refinements: list[list[float]], gradation: float) -> None:
    """Size of the cells: `size`, and smaller in cylinders: [x, y, radius, size]."""
    gmsh.option.setNumber("Mesh.MeshSizeMax", size)
    fields = []
    for x, y, radius, smaller in refinements:
        fields.append(gmsh.model.mesh.field.add("MathEval"))
        distance = f"(Sqrt((x-({x}))^2+(y-({y}))^2)-{radius})"
        gmsh.model.mesh.field.setString(fields[-1], "F", f"{smaller}+{gradation}*{distance}")
    if fields:
        gmsh.option.setNumber("Mesh.MeshSizeMin", min(smaller for *_, smaller in refinements))
        least = gmsh.model.mesh.field.add("Min")
        gmsh.model.mesh.field.setNumbers(least, "FieldsList", fields)
        gmsh.model.mesh.field.setAsBackgroundMesh(least)


def _solid(task: dict[str, Any], out: str) -> None:
    """Write plane faces, extruded where there is a thickness, or the volumes within closed shells of triangles."""
    occ = gmsh.model.occ
    faces = [_face(outlines) for outlines in task["faces"]]
    if task["thickness"] is not None and faces:
        occ.extrude(faces, 0, 0, task["thickness"])
    for shell in task["shells"]:
        _volume(shell["points"], shell["triangles"])
    occ.synchronize()
    gmsh.write(out)


def _volume(coordinates: list[list[float]], triangles: list[list[int]]) -> None:
    """Volume within triangles that close one or several surfaces, the outer one first."""
    occ = gmsh.model.occ
    points = [occ.addPoint(*point) for point in coordinates]
    edges: dict[tuple[int, int], int] = {}
    faces = []
    for triangle in triangles:
        loop = []
        for a, b in zip(triangle, [*triangle[1:], triangle[0]], strict=True):
            if (b, a) in edges:
                loop.append(-edges[b, a])
            else:
                edges[a, b] = occ.addLine(points[a], points[b])
                loop.append(edges[a, b])
        faces.append(occ.addPlaneSurface([occ.addCurveLoop(loop)]))
    occ.addVolume([occ.addSurfaceLoop(faces)])


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2])
    except Exception as error:
        sys.exit(" ".join(str(error).split()) or type(error).__name__)
