"""Periodic homogenisation of a phase field as a ForwardModel: on a conforming mesh, or on its pixels."""

from dataclasses import dataclass

import numpy as np
from dolfinx import mesh as dmesh
from mpi4py import MPI

from genmech_fem.adapters.meshes import dolfinx_mesh, phase_field
from genmech_fem.adapters.problem_model import ProblemModel, as_vector, cell_values
from genmech_fem.adapters.sampling import sampling_matrices
from genmech_fem.errors import ConvergenceError, MeshingError
from genmech_fem.fields import Arrays, FieldSpec, ScalarSpec, check
from genmech_fem.geometry import Mesh, periodic_mesh
from genmech_fem.microstructure import phase_grid, phase_spec
from genmech_fem.problems.homogenization import PeriodicElasticity


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
GLASS = Material(70.0, 0.22)


@dataclass(frozen=True)
class ConformingHomogenization:
    """Phase field -> effective stiffness and local strains, each sample on a conforming mesh of its own.

    The outputs are ``stiffness`` (batch, 6) [GPa], the upper triangle of the Mandel matrix
    C* (plane strain), and ``strain`` (batch, 3 loads, 3 Mandel components, nx, ny) [1],
    the local strain at the pixel centres under each unit strain.

    Args:
        resolution: Pixels along each side of the unit cell.
        matrix: Material of phase 0.
        inclusion: Material of phase 1.
        refine: Mesh cells per pixel and direction.
    """

    resolution: int = 32
    matrix: Material = EPOXY
    inclusion: Material = GLASS
    refine: int = 2

    @property
    def inputs(self) -> tuple[FieldSpec]:
        """The phase field."""
        return (phase_spec(self.resolution),)

    @property
    def outputs(self) -> tuple[ScalarSpec, FieldSpec]:
        """Effective stiffness and local strains."""
        return (
            ScalarSpec("stiffness", 6, "GPa"),
            FieldSpec("strain", phase_grid(self.resolution), (3, 3)),
        )

    def mesh(self, phase: np.ndarray) -> Mesh:
        """Conforming periodic mesh of one phase field (nx, ny)."""
        return periodic_mesh(phase, refine=self.refine)

    def problem(self, phase: np.ndarray) -> PeriodicElasticity:
        """The solved problem of one phase field (nx, ny)."""
        domain, tags = dolfinx_mesh(self.mesh(phase))
        problem = PeriodicElasticity(domain)
        for name, control in problem.controls.items():
            phase_field(domain, tags, np.array([getattr(m, name) for m in (self.matrix, self.inclusion)]), control)
        problem.solve()
        return problem

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Mesh and solve every sample.

        Raises:
            ContractError: The inputs do not match the specs.
            MeshingError, ConvergenceError: A sample failed; the message names it.
        """
        phases = check(inputs, self.inputs)["phase"]
        stiffness, strain = zip(*(self._sample(i, phase) for i, phase in enumerate(phases)), strict=True)
        return {"stiffness": np.stack(stiffness), "strain": np.stack(strain)}

    def _sample(self, i: int, phase: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        try:
            problem = self.problem(phase)
        except (MeshingError, ConvergenceError) as error:
            raise type(error)(f"sample {i}: {error}") from error
        _, derivatives = sampling_matrices(problem.state.function_space, phase_grid(self.resolution).points())
        nodes = problem.state.x.array.reshape(-1, problem.loads * problem.dimension)
        gradients = np.stack([d @ nodes for d in derivatives])
        gradients = gradients.reshape(problem.dimension, -1, problem.loads, problem.dimension).transpose(2, 3, 0, 1)
        strain = problem.strains(gradients).reshape(self.outputs[1].shape)
        return problem.observe()["stiffness"], strain


def pixel_homogenization(resolution: int, poisson_ratio: float = 0.3) -> ProblemModel:
    """Differentiable map from a modulus on pixels to the effective stiffness, one Q1 element a pixel.

    The input is ``youngs_modulus`` (batch, nx, ny) [GPa], the output ``stiffness``
    (batch, 6) [GPa], the upper triangle of the Mandel matrix C* (plane strain).

    Args:
        resolution: Pixels along each side of the unit cell.
        poisson_ratio: Poisson's ratio of every pixel [1].
    """
    domain = dmesh.create_unit_square(MPI.COMM_SELF, resolution, resolution, dmesh.CellType.quadrilateral)
    problem = PeriodicElasticity(domain)
    problem.controls["poisson_ratio"].x.array[:] = poisson_ratio
    modulus = FieldSpec("youngs_modulus", phase_grid(resolution), (), "GPa")
    stiffness = ScalarSpec("stiffness", 6, "GPa")
    return ProblemModel(
        problem,
        (cell_values(problem.controls["youngs_modulus"], modulus, "youngs_modulus"),),
        (as_vector(stiffness, "stiffness"),),
    )
