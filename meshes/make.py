"""Make the small meshes of this folder again: ``python meshes/make.py [folder]`` (needs gmsh)."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import meshio
import numpy as np

from genmech_fem.geometry import (
    Mesh,
    conforming_mesh,
    l_bracket,
    mbb_beam,
    plate_with_hole,
    random_inclusions,
    spoked_disc,
    write,
)
from genmech_fem.microstructure import PeriodicFibres, phase_from_distance, phase_grid


def unit_cell_fibre() -> Mesh:
    """One fibre of radius 0.25 in the centre of the unit cell, 24 x 24 pixels."""
    grid = phase_grid(24)
    distance = np.linalg.norm(grid.points() - 0.5, axis=1) - 0.25
    return conforming_mesh(phase_from_distance(distance, grid.spacing[0]).reshape(grid.shape))


def unit_cell_fibres() -> Mesh:
    """Several fibres, some across the border, 32 x 32 pixels, seed 7."""
    return conforming_mesh(PeriodicFibres(resolution=32)(np.random.default_rng(7))["phase"][0])


def wheel() -> Mesh:
    """Disc with a rim, a hub and five spokes, of outer radius 1."""
    return spoked_disc(radius=1.0, rim=0.18, hub=0.25, bore=0.12, spokes=5, spoke_width=0.14, size=0.08)


def inclusions(*, periodic: bool, count: int, seed: int) -> Mesh:
    """Discs of radius 0.09 to 0.14 in the unit square."""
    generator = np.random.default_rng(seed)
    return random_inclusions(generator, count=count, radius=(0.09, 0.14), size=0.1, periodic=periodic)


MESHES: dict[str, Callable[[], Mesh]] = {
    "unit_cell_fibre.msh": unit_cell_fibre,
    "unit_cell_fibre.xdmf": unit_cell_fibre,
    "unit_cell_fibres.vtu": unit_cell_fibres,
    "plate_with_hole.msh": partial(plate_with_hole, width=4.0, height=2.0, radius=0.3, size=0.25, hole_size=0.06),
    "l_bracket.vtu": partial(l_bracket, width=1.0, height=1.0, arm=0.4, fillet=0.1, size=0.06, fillet_size=0.02),
    "l_bracket_3d.msh": partial(l_bracket, width=1.0, height=1.0, arm=0.4, fillet=0.1, size=0.15, thickness=0.2),
    "mbb_beam.msh": partial(mbb_beam, width=3.0, height=1.0, patch=0.1, size=0.1),
    "spoked_disc.msh": wheel,
    "random_inclusions.msh": partial(inclusions, periodic=True, count=6, seed=3),
    "plate.inp": partial(inclusions, periodic=False, count=3, seed=5),
}


def write_abaqus(mesh: Mesh, path: Path) -> None:
    """Write a mesh with its tags: those of the cells as element sets, those of the sides as node sets."""
    cells = {name: tag for name, tag in mesh.names.items() if tag in mesh.tags}
    sides = {name: tag for name, tag in mesh.names.items() if tag not in mesh.tags}
    raw = meshio.Mesh(
        mesh.points,
        [(mesh.cell_type, mesh.cells)],
        point_sets={name: np.unique(mesh.facets[mesh.facet_tags == tag]) for name, tag in sides.items()},
        cell_sets={name: [np.flatnonzero(mesh.tags == tag)] for name, tag in cells.items()},
    )
    meshio.abaqus.write(path, raw)


def make(folder: Path) -> None:
    """Write all meshes into `folder`."""
    for name, build in MESHES.items():
        (write_abaqus if name.endswith(".inp") else write)(build(), folder / name)


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
