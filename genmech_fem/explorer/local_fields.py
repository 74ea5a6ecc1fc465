"""Local fields of a verified cell on its mesh, under each unit strain, and the mesh as PyVista's grid."""

from typing import TYPE_CHECKING

import numpy as np

from genmech_fem.adapters import ConformingHomogenization
from genmech_fem.adapters.pyvista import to_pyvista
from genmech_fem.explorer.solving import Solved
from genmech_fem.geometry import Mesh
from genmech_fem.metrics import isotropic_stiffness
from genmech_fem.problems.physics import mandel_basis

if TYPE_CHECKING:
    import pyvista

LOADS = ("E11", "E22", "E12")
ENERGY, VON_MISES = "strain energy density [GPa]", "von Mises stress [GPa]"


def local_strains(mesh: Mesh, displacement: np.ndarray) -> np.ndarray:
    """Strains (loads, 3 Mandel components, cells) under unit strains, from periodic displacements (loads, 2, nodes)."""
    corners = mesh.points[mesh.cells]
    values = np.moveaxis(displacement, -1, 0)[mesh.cells]
    sides, steps = corners[:, 1:] - corners[:, :1], values[:, 1:] - values[:, :1]
    gradients = np.linalg.solve(sides, steps.reshape(len(sides), 2, -1)).reshape(len(sides), 2, *values.shape[2:])
    return np.eye(3)[:, :, None] + np.einsum("mij,cjki->kmc", mandel_basis(2), gradients)


def local_fields(solver: ConformingHomogenization, solved: Solved) -> dict[str, np.ndarray]:
    """Strain energy density and von Mises stress (loads, cells) [GPa], plane strain, the load being 1."""
    mesh = solved.mesh
    strains = local_strains(mesh, solved.answers["displacement"][0])
    materials = solver.matrix, solver.inclusion
    laws = np.stack([isotropic_stiffness(m.youngs_modulus, m.poisson_ratio) for m in materials])[mesh.tags]
    stresses = np.einsum("cij,kjc->kic", laws, strains)
    s11, s22, shear = np.moveaxis(stresses, 1, 0)
    s33 = np.array([m.poisson_ratio for m in materials])[mesh.tags] * (s11 + s22)
    squares = (s11 - s22) ** 2 + (s22 - s33) ** 2 + (s33 - s11) ** 2
    return {
        ENERGY: np.einsum("kic,kic->kc", strains, stresses) / 2,
        VON_MISES: np.sqrt(squares / 2 + 1.5 * shear**2),  # shear is sqrt(2) times the component
    }


def grid_of(solver: ConformingHomogenization, solved: Solved) -> "pyvista.UnstructuredGrid":
    """The mesh with ``phase`` and, by load, the local fields of its cells and the displacement of its nodes.

    Raises:
        MissingExtraError: PyVista is not installed.
    """
    grid = to_pyvista(solved.mesh)
    for name, field in local_fields(solver, solved).items():
        quantity, unit = name.split(" [")
        for load, values in zip(LOADS, field, strict=True):
            grid.cell_data[f"{quantity} {load} [{unit}"] = values
    for load, unit_strain, periodic in zip(LOADS, mandel_basis(2), solved.answers["displacement"][0], strict=True):
        moved = np.zeros_like(grid.points)
        moved[:, :2] = solved.mesh.points @ unit_strain + periodic.T
        grid.point_data[f"displacement {load}"] = moved
    return grid
