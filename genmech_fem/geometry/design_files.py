"""Files of designs for other programs: meshes with tags, surfaces for printers, and solids for CAD."""

from pathlib import Path
from typing import Any

import meshio
import numpy as np

from genmech_fem.drafts import draft_folder
from genmech_fem.errors import MeshingError
from genmech_fem.geometry.designs import Design
from genmech_fem.geometry.facets import unique_facets
from genmech_fem.geometry.files import write
from genmech_fem.geometry.gmsh_models import TIME_LIMIT, run_gmsh
from genmech_fem.geometry.mesh import Mesh
from genmech_fem.geometry.outlines import polygon
from genmech_fem.geometry.pieces import connected_pieces

_FACETS = 10_000  # most triangles of a STEP file


def export_design(
    design: Design | Mesh, path: str | Path, *, thickness: float | None = None, time_limit: float = TIME_LIMIT
) -> None:
    """Write a design as ``.msh`` (mesh with tags), ``.stl`` (triangles of the surface) or ``.step`` (CAD, by gmsh).

    STEP files are in millimetres: take them as the unit of length.

    Args:
        design: Design, or any mesh of triangles (2D) or tetrahedra.
        path: Where to write; the suffix chooses the format.
        thickness: Length along z that a plane design is extruded by [length]; needed for ``.stl``, without it
            ``.step`` holds plane faces.
        time_limit: Most seconds that gmsh may take.

    Raises:
        ValueError: The suffix or the type of cells is unknown, or the thickness is missing or not positive.
        MissingExtraError: gmsh is not installed.
        MeshingError: gmsh fails or takes too long, or the surface has too many triangles for a STEP file.
        OSError: The file cannot be written; one that was there stays.
    """
    path = Path(path)
    mesh = design.mesh if isinstance(design, Design) else design
    suffix = path.suffix.lower()
    if suffix not in (".msh", ".stl", ".step"):
        raise ValueError(f"{path}: expected a file with the suffix ['.msh', '.step', '.stl'], got {path.suffix!r}")
    if (mesh.cell_type, mesh.dimension) not in (("triangle", 2), ("tetra", 3)):
        raise ValueError(
            f"export_design: expected triangles in 2D or tetrahedra, got {mesh.cell_type} in {mesh.dimension}D"
        )
    if thickness is not None and not (0 < thickness < np.inf and mesh.dimension == 2):
        raise ValueError(f"export_design.thickness: expected a positive length and a mesh in 2D, got {thickness}")
    if suffix == ".msh":
        write(mesh, path)
        return
    with draft_folder(path) as folder:
        part = folder / path.name
        if suffix == ".stl":
            _write_stl(mesh, part, thickness)
        else:
            run_gmsh(_solid_task(mesh, thickness), part, time_limit)
        part.replace(path)


def _write_stl(mesh: Mesh, path: Path, thickness: float | None) -> None:
    if mesh.dimension == 2 and thickness is None:
        raise ValueError("export_design: expected a thickness, by which a plane design is extruded in STL")
    points, triangles = surface_triangles(mesh) if thickness is None else extruded_surface(mesh, thickness)
    meshio.stl.write(path, meshio.Mesh(points, [("triangle", triangles)]), binary=True)


def surface_triangles(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Points (points, 3) and outward triangles (triangles, 3) of the surface of a mesh of tetrahedra."""
    facets, cells = unique_facets(mesh)
    used, triangles = np.unique(facets[cells[:, 1] < 0], return_inverse=True)
    return mesh.points[used], triangles.reshape(-1, 3)


def extruded_surface(mesh: Mesh, thickness: float) -> tuple[np.ndarray, np.ndarray]:
    """Points (points, 3) and outward triangles (triangles, 3) of a plane mesh extruded from z = 0."""
    n = len(mesh.points)
    facets, cells = unique_facets(mesh)
    a, b = facets[cells[:, 1] < 0].T
    sides = np.concatenate([np.stack([a, b, b + n], axis=1), np.stack([a, b + n, a + n], axis=1)])
    points = np.concatenate([np.pad(mesh.points, ((0, 0), (0, 1)), constant_values=z) for z in (0.0, thickness)])
    return points, np.concatenate([mesh.cells[:, ::-1], mesh.cells + n, sides])


def _solid_task(mesh: Mesh, thickness: float | None) -> dict[str, Any]:
    """What gmsh's process needs to write a STEP file."""
    if mesh.dimension == 2:
        faces = [[polygon(mesh.points[loop]).scaled(np.zeros(2), 1.0) for loop in loops] for loops in _loops(mesh)]
        return {"faces": faces, "thickness": thickness, "shells": []}
    points, triangles = surface_triangles(mesh)
    if len(triangles) > _FACETS:
        raise MeshingError(
            f"export_design: expected at most {_FACETS} triangles of a surface for STEP, got {len(triangles)}: "
            "take a coarser mesh, or STL"
        )
    return {"faces": [], "thickness": None, "shells": [{"points": points.tolist(), "triangles": triangles.tolist()}]}


def _loops(mesh: Mesh) -> list[list[np.ndarray]]:
    """For each part of a plane mesh the points of its outline and of its holes, corners only."""
    facets, cells = unique_facets(mesh)
    border = cells[:, 1] < 0
    pieces = connected_pieces(mesh)[cells[border, 0]]
    found = []
    for piece in range(pieces.max() + 1):
        loops = [_corners(mesh.points, loop) for loop in _simple_loops(facets[border][pieces == piece])]
        areas = [_area(mesh.points[loop]) for loop in loops]
        found.append([loops[k] for k in np.argsort(areas)[::-1]])
    return found


def _simple_loops(edges: np.ndarray) -> list[np.ndarray]:
    """Closed chains of points that visit no point twice, from edges (edges, 2) in the sense of rotation."""
    following: dict[int, list[int]] = {}
    for a, b in edges.tolist():
        following.setdefault(a, []).append(b)
    loops = []
    for start in following:
        while following[start]:
            chain, place = [start], {start: 0}
            while True:
                point = following[chain[-1]].pop()
                if point in place:
                    loops.append(np.array(chain[place[point] :]))
                    for passed in chain[place[point] + 1 :]:
                        del place[passed]
                    del chain[place[point] + 1 :]
                    if point == start:
                        break
                else:
                    place[point] = len(chain)
                    chain.append(point)
    return loops


def _corners(points: np.ndarray, loop: np.ndarray) -> np.ndarray:
    """The points of a loop where it turns."""
    before, after = points[loop] - points[np.roll(loop, 1)], points[np.roll(loop, -1)] - points[loop]
    turn = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0])
    return loop[turn > 1e-9 * np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)]


def _area(corners: np.ndarray) -> float:
    x, y = corners.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
