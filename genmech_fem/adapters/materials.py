"""Isotropic materials of phases."""

from dataclasses import dataclass

import numpy as np
from dolfinx import mesh

from genmech_fem.adapters.meshes import phase_field
from genmech_fem.problems.problem import Problem


@dataclass(frozen=True)
class Material:
    """Isotropic linear elasticity.

    Args:
        youngs_modulus: Young's modulus [GPa].
        poisson_ratio: Poisson's ratio [1].

    Raises:
        ValueError: The modulus is not positive and finite, or the ratio is not in (-1, 0.5).
    """

    youngs_modulus: float
    poisson_ratio: float

    def __post_init__(self) -> None:
        if not (0 < self.youngs_modulus < np.inf and -1 < self.poisson_ratio < 0.5):
            raise ValueError(
                "Material: expected a positive Young's modulus [GPa] and a Poisson's ratio in (-1, 0.5), "
                f"got {self.youngs_modulus} and {self.poisson_ratio}"
            )


EPOXY = Material(3.5, 0.35)
"""Epoxy resin [GPa]."""
GLASS = Material(70.0, 0.22)
"""E-glass [GPa]."""


def moduli(*materials: Material) -> dict[str, tuple[float, ...]]:
    """Values of all materials by name of the control."""
    return {name: tuple(getattr(m, name) for m in materials) for name in ("youngs_modulus", "poisson_ratio")}


def write_phases(problem: Problem, domain: mesh.Mesh, tags: np.ndarray, *materials: Material) -> None:
    """Write the moduli of each phase into the controls of an elastic problem.

    Args:
        problem: The problem, with one value a cell.
        domain: Its mesh.
        tags: Phase of each cell of this process (cells,).
        *materials: Material of each phase.
    """
    for name, values in moduli(*materials).items():
        phase_field(domain, tags, np.array(values), problem.controls[name])
