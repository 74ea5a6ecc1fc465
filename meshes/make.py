"""Make the small meshes of this folder again: ``python meshes/make.py [folder]``."""

import sys
from pathlib import Path

import numpy as np

from genmech_fem.geometry import Mesh, periodic_mesh, write
from genmech_fem.microstructure import PeriodicFibres, phase_from_distance, phase_grid


def unit_cell_fibre() -> Mesh:
    """One fibre of radius 0.25 in the centre of the unit cell, 24 x 24 pixels."""
    grid = phase_grid(24)
    distance = np.linalg.norm(grid.points() - 0.5, axis=1) - 0.25
    return periodic_mesh(phase_from_distance(distance, grid.spacing[0]).reshape(grid.shape))


def unit_cell_fibres() -> Mesh:
    """Several fibres, some across the border, 32 x 32 pixels, seed 7."""
    return periodic_mesh(PeriodicFibres(resolution=32)(np.random.default_rng(7))["phase"][0])


def make(folder: Path) -> None:
    """Write all meshes into `folder`."""
    write(unit_cell_fibre(), folder / "unit_cell_fibre.msh")
    write(unit_cell_fibre(), folder / "unit_cell_fibre.xdmf")
    write(unit_cell_fibres(), folder / "unit_cell_fibres.vtu")


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
