"""Meshes from images, and functions on grids: shares, angles and times, beside gmsh, mmg, DOLFINx and VTK.

Run it with  uv run python tests/benchmarks/geometry.py [--quick]

All times are CPU seconds of one thread.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import mmgpy
import numpy as np
import reporting
import vtk

from genmech_fem.adapters import interpolation_matrix, locate, sample_values, to_pyvista
from genmech_fem.errors import MeshingError
from genmech_fem.fields import Grid
from genmech_fem.geometry import Mesh, coarsen, conforming_mesh, spline_mesh, with_facet_tags
from genmech_fem.geometry.quality import smallest_dihedral_angles
from genmech_fem.microstructure import PeriodicFibres

# isort: split
from dolfinx import fem, geometry, mesh
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parents[1] / "geometry"))
from random_fields import FAMILIES, own_fraction, random_field, side_mismatch

type Row = dict[str, Any]

LOCATE_TRIANGLES = 100  # 2 * 100^2 triangles
GMSH_LIMIT = 20.0  # [s]
mmgpy.disable_logging()


def timed(function: Callable[..., Any], *args: Any, **options: Any) -> tuple[float, Any]:
    """CPU seconds of a call, of this process and of its children, and what it returned."""
    began = reporting.cpu_seconds()
    result = function(*args, **options)
    return reporting.cpu_seconds() - began, result


def angle(made: Mesh) -> float:
    """Smallest angle of the triangles, or smallest dihedral angle of the tetrahedra [deg]."""
    if made.dimension == 2:
        return made.smallest_angle()
    return float(np.degrees(smallest_dihedral_angles(made.points[made.cells]).min()))


def judged(made: Mesh, fraction: float) -> Row:
    """What counts for a mesh of the unit cell."""
    ones = (0.0,) * made.dimension, (1.0,) * made.dimension
    measures = made.measures()
    found = made.phase_fractions()[1] if made.tags.max() else 0.0
    return {
        "inverted": int((measures <= 0).sum()),
        "side_mismatch": mismatch if np.isfinite(mismatch := side_mismatch(made.points, *ones)) else None,
        "angle": angle(made),
        "fraction_error": abs(float(found) - fraction),
        "cells": len(made.cells),
        "fills": bool(abs(measures.sum() - 1) < 1e-9),
    }


def good(row: Row) -> bool:
    """Whether the mesh keeps all guarantees."""
    return bool(
        row["value"] == "meshed"
        and row["fills"]
        and row["inverted"] == 0
        and row["side_mismatch"] is not None
        and row["side_mismatch"] <= 1e-12
        and row["fraction_error"] <= 0.005
    )


def attempt(what: str, seed: int, family: str, fraction: float, make: Callable[[], Mesh]) -> Row:
    """Make a mesh and judge it."""
    row: Row = {"what": what, "seed": None, "field": seed, "family": family}
    began = reporting.cpu_seconds()
    try:
        made = make()
    except MeshingError as error:
        return row | {"value": f"failed: {error}"[:80], "cpu_ms": 1e3 * (reporting.cpu_seconds() - began)}
    row["cpu_ms"] = 1e3 * (reporting.cpu_seconds() - began)
    return row | {"value": "meshed"} | judged(made, fraction)


def mmg_levelset(field: np.ndarray, threshold: float) -> Mesh:
    """The peer mmg: its level-set splitting of one triangle pair a pixel."""
    background = conforming_mesh(np.ones_like(field))
    level = interpolation_matrix(Grid(field.shape, (0.0, 0.0), (1.0, 1.0)), background.points, periodic=True)
    split = mmgpy.MmgMesh2D(background.points, background.cells.astype(np.int32))
    values = (level @ field.ravel() - threshold).reshape(-1, 1)
    try:
        split.remesh_levelset(values, verbose=-1, hmax=1.5 / len(field))
    except RuntimeError as error:
        raise MeshingError(f"mmg: {error}") from error
    triangles, tags = split.get_triangles_with_refs()
    return Mesh(split.get_vertices(), triangles, "triangle", (np.asarray(tags) == 2).astype(np.int32))


def meshes_2d(count: int, peers: int) -> list[Row]:
    """Periodic triangle meshes of random fields, and what the peers make of some of them."""
    rows: list[Row] = []
    conforming_mesh(np.random.default_rng(0).random((64, 64)))
    for seed in range(count):
        generator = np.random.default_rng(seed)
        family = FAMILIES[seed % len(FAMILIES)]
        n = 64 if seed % 3 else int(generator.integers(16, 129))
        field, threshold = random_field(family, (n, n), generator)
        fraction = own_fraction(field, threshold, 8)

        def make(field: np.ndarray = field, threshold: float = threshold) -> Mesh:
            return conforming_mesh(field, threshold=threshold)

        row = attempt("2D, genmech_fem", seed, family, fraction, make) | {"pixels": f"{n}^2"}
        rows.append(row)
        if seed < peers:
            others: dict[str, Callable[[], Mesh]] = {
                "2D, genmech_fem + mmg": lambda: coarsen(make()),
                "2D, gmsh splines": lambda: spline_mesh(field, threshold=threshold, time_limit=GMSH_LIMIT),  # noqa: B023
                "2D, mmg level set": lambda: mmg_levelset(field, threshold),  # noqa: B023
            }
            for what, other in others.items():
                rows.append(attempt(what, seed, family, fraction, other) | {"pixels": f"{n}^2"})
        _say(f"2D fields {seed + 1}/{count}")
    return rows


def meshes_3d(count: int) -> list[Row]:
    """Periodic tetrahedra of random fields."""
    rows = []
    for seed in range(count):
        generator = np.random.default_rng(1000 + seed)
        family = FAMILIES[seed % len(FAMILIES)]
        n = 32 if seed % 3 == 0 else int(generator.integers(10, 29))
        field, threshold = random_field(family, (n, n, n), generator)
        fraction = own_fraction(field, threshold, 8 if n < 20 else 5)

        def make(field: np.ndarray = field, threshold: float = threshold) -> Mesh:
            return conforming_mesh(field, threshold=threshold)

        rows.append(attempt("3D, genmech_fem", seed, family, fraction, make) | {"pixels": f"{n}^3"})
        _say(f"3D fields {seed + 1}/{count}")
    return rows


def large_image() -> list[Row]:
    """A 2048^2 image of fibres: time and peak memory."""
    image = np.tile(PeriodicFibres(resolution=256)(np.random.default_rng(0))["phase"][0], (8, 8))
    seconds, made = timed(conforming_mesh, image)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return [
        measured("2048^2 pixels: conforming mesh [s]", None, seconds, cells=len(made.cells)),
        measured("2048^2 pixels: peak memory of the process [GiB]", None, peak),
    ]


def measured(what: str, seed: int | None, value: float, **more: Any) -> Row:
    """One row of a time or a ratio."""
    return {"what": what, "seed": seed, "value": value, **more}


def triangle_mesh(seed: int, n: int) -> mesh.Mesh:
    """Unit square of 2 n^2 triangles with perturbed inner points."""
    domain = mesh.create_unit_square(MPI.COMM_SELF, n, n)
    _perturb(domain, seed, n)
    return domain


def tetrahedra(seed: int, n: int) -> mesh.Mesh:
    """Unit cube of 6 n^3 tetrahedra with perturbed inner points."""
    domain = mesh.create_unit_cube(MPI.COMM_SELF, n, n, n)
    _perturb(domain, seed, n)
    return domain


def _perturb(domain: mesh.Mesh, seed: int, n: int) -> None:
    x = domain.geometry.x[:, : domain.topology.dim]
    inner = ((x > 1e-9) & (x < 1 - 1e-9)).all(axis=1)
    x[inner] += np.random.default_rng(seed).uniform(-0.2, 0.2, x[inner].shape) / n


def collisions(domain: mesh.Mesh, points: np.ndarray) -> np.ndarray:
    """Cells of the points by DOLFINx's own search."""
    x = np.zeros((len(points), 3))
    x[:, : points.shape[1]] = points
    tree = geometry.bb_tree(domain, domain.topology.dim)
    found = geometry.compute_colliding_cells(domain, geometry.compute_collisions_points(tree, x), x)
    cells = np.full(len(points), -1)
    held = np.diff(found.offsets) > 0
    cells[held] = found.array[found.offsets[:-1][held]]
    return cells


def by_vtk(domain: mesh.Mesh, points: np.ndarray) -> np.ndarray:
    """Cells of the points by VTK's static cell locator."""
    locator = vtk.vtkStaticCellLocator()
    locator.SetDataSet(to_pyvista(domain))
    locator.BuildLocator()
    x = np.zeros((len(points), 3))
    x[:, : points.shape[1]] = points
    return np.array([locator.FindCell(point) for point in x])


def naive(u: fem.Function, points: np.ndarray) -> np.ndarray:
    """Search and evaluate as in the demos of DOLFINx."""
    x = np.zeros((len(points), 3))
    x[:, : points.shape[1]] = points
    return u.eval(x, collisions(u.function_space.mesh, points))


def sampling(seed: int, domain: mesh.Mesh, grid: Grid, label: str, *, with_vtk: bool) -> list[Row]:
    """First and repeated sampling of a vector field, against DOLFINx and VTK."""
    points = grid.points()
    u = fem.Function(fem.functionspace(domain, ("Lagrange", 1, (domain.geometry.dim,))))
    u.x.array[:] = np.random.default_rng(seed).standard_normal(u.x.array.size)
    ours, cells = timed(locate, domain, grid)
    theirs, other = timed(collisions, domain, points)
    first, operator = timed(sample_values, u.function_space, grid)
    slow, values = timed(naive, u, points)
    repeats = 50
    repeated, _ = timed(lambda: [operator.matrix @ u.x.array for _ in range(repeats)])
    sampled = operator(u).reshape(domain.geometry.dim, -1).T
    same_cells = u.eval(np.pad(points, ((0, 0), (0, 3 - points.shape[1]))), cells)
    rows = [
        measured(f"{label}: locate, genmech_fem [ms]", seed, 1e3 * ours),
        measured(f"{label}: locate, DOLFINx collisions [ms]", seed, 1e3 * theirs),
        measured(f"{label}: locate, DOLFINx / genmech_fem", seed, theirs / ours),
        measured(f"{label}: matrix of a vector field, first use [ms]", seed, 1e3 * first),
        measured(f"{label}: sample again [ms]", seed, 1e3 * repeated / repeats),
        measured(f"{label}: search and Function.eval [ms]", seed, 1e3 * slow),
        measured(f"{label}: repeat, Function.eval / genmech_fem", seed, slow / (repeated / repeats)),
        measured(
            f"{label}: largest difference to Function.eval in the same cells", seed, np.abs(sampled - same_cells).max()
        ),
        measured(
            f"{label}: largest difference to Function.eval in its own cells", seed, np.abs(sampled - values).max()
        ),
        measured(f"{label}: points found by one of both only", seed, float(((cells < 0) != (other < 0)).sum())),
    ]
    if with_vtk:
        third, _ = timed(by_vtk, domain, points)
        rows.append(measured(f"{label}: locate, vtkStaticCellLocator from Python [ms]", seed, 1e3 * third))
    return rows


def _say(text: str) -> None:
    print(f"\r{time.strftime('%H:%M:%S')} {text}   ", end="", file=sys.stderr, flush=True)


def summary(rows: list[Row]) -> list[Row]:
    """One row for each mesher and family."""
    found = []
    for what in dict.fromkeys(row["what"] for row in rows):
        for family in ("all", *FAMILIES):
            mine = [r for r in rows if r["what"] == what and family in ("all", r["family"])]
            done = [r for r in mine if r["value"] == "meshed"]
            found.append(
                {
                    "what": what,
                    "family": family,
                    "fields": len(mine),
                    "meshed": len(done) / max(len(mine), 1),
                    "good": sum(map(good, done)) / max(len(mine), 1),
                    "angle_min": min((r["angle"] for r in done), default=None),
                    "sides_match": sum(r["side_mismatch"] is not None for r in done) / max(len(mine), 1),
                    "side_mismatch": max(
                        (r["side_mismatch"] for r in done if r["side_mismatch"] is not None), default=None
                    ),
                    "fraction_error_max": max((r["fraction_error"] for r in done), default=None),
                    "cells_median": median([r["cells"] for r in done]) if done else None,
                    "cpu_ms_median": median([r["cpu_ms"] for r in mine]) if mine else None,
                    "cpu_ms_max": max((r["cpu_ms"] for r in mine), default=None),
                }
            )
    return found


def cpu_64(repeats: int) -> list[Row]:
    """CPU time of one mesh of 64^2 pixels, without and with facet tags."""
    rows = []
    for family in FAMILIES:
        field, threshold = random_field(family, (64, 64), np.random.default_rng(7))
        made = conforming_mesh(field, threshold=threshold)
        plain = [timed(conforming_mesh, field, threshold=threshold)[0] for _ in range(repeats)]
        tagged = [timed(with_facet_tags, made)[0] for _ in range(repeats)]
        rows.append(measured(f"64^2, {family}: conforming mesh [ms]", None, 1e3 * median(plain), cells=len(made.cells)))
        rows.append(measured(f"64^2, {family}: tags of sides and interfaces [ms]", None, 1e3 * median(tagged)))
    return rows


def main() -> None:
    """Measure everything."""
    quick = reporting.arguments(__doc__.splitlines()[0]).quick
    fields_2d, fields_3d, peers, seeds = (24, 4, 4, [0]) if quick else (300, 50, 40, [0, 1, 2])
    times = cpu_64(5 if quick else 30)
    made_2d, made_3d = meshes_2d(fields_2d, peers), meshes_3d(fields_3d)
    samples: list[Row] = []
    for seed in seeds:
        square = Grid((256, 256), (0.0, 0.0), (1.0, 1.0))
        samples += sampling(seed, triangle_mesh(seed, LOCATE_TRIANGLES), square, "20k triangles, 256^2", with_vtk=False)
        cube, n = (
            (Grid((16,) * 3, (0.0,) * 3, (1.0,) * 3), 8) if quick else (Grid((64,) * 3, (0.0,) * 3, (1.0,) * 3), 17)
        )
        samples += sampling(seed, tetrahedra(seed, n), cube, f"{6 * n**3} tetrahedra, {cube.shape[0]}^3", with_vtk=True)
        _say(f"sampling, seed {seed}")
    ours_2d = [row for row in made_2d if row["what"] == "2D, genmech_fem"]

    def over_seeds(what: str) -> float:
        return median(row["value"] for row in samples if row["what"] == what)

    figures = {
        "success_2d": sum(map(good, ours_2d)) / len(ours_2d),
        "success_3d": sum(map(good, made_3d)) / len(made_3d),
        "min_angle_2d": min(row["angle"] for row in ours_2d),
        "min_dihedral_3d": min(row["angle"] for row in made_3d),
        "side_mismatch_max": max(row["side_mismatch"] for row in (*ours_2d, *made_3d)),
        "fraction_error_max_2d": max(row["fraction_error"] for row in ours_2d),
        "fraction_error_max_3d": max(row["fraction_error"] for row in made_3d),
        "cpu_ms_64": median(row["cpu_ms"] for row in ours_2d if row["pixels"] == "64^2"),
        "cpu_ms_64_smooth": median(r["cpu_ms"] for r in ours_2d if r["pixels"] == "64^2" and r["family"] == "smooth"),
        "cpu_ms_64_rough": median(r["cpu_ms"] for r in ours_2d if r["pixels"] == "64^2" and r["family"] == "rough"),
        "sampling_repeat_speedup": over_seeds("20k triangles, 256^2: repeat, Function.eval / genmech_fem"),
        "locate_speedup": over_seeds("20k triangles, 256^2: locate, DOLFINx / genmech_fem"),
    }
    rows = [*times, *([] if quick else large_image()), *samples, *summary([*made_2d, *made_3d]), *made_2d, *made_3d]
    print(file=sys.stderr)
    reporting.write("geometry", figures, rows, seeds, quick=quick)


if __name__ == "__main__":
    main()
