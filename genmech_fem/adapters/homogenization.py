"""Periodic homogenisation of a phase field as a ForwardModel: on a conforming mesh, or on its pixels."""

from dataclasses import dataclass

import numpy as np
from dolfinx import mesh as dmesh
from mpi4py import MPI
from scipy import sparse

from genmech_fem.adapters.meshes import dolfinx_mesh, phase_field
from genmech_fem.adapters.problem_model import LinearMap, ProblemModel, as_vector, cell_values
from genmech_fem.adapters.sampling import sample_gradients
from genmech_fem.errors import ContractError, ConvergenceError, MeshingError
from genmech_fem.fields import Arrays, FieldSpec, Grid, ScalarSpec, check
from genmech_fem.geometry import Mesh, conforming_mesh
from genmech_fem.microstructure import phase_grid, phase_spec
from genmech_fem.problems.homogenization import PeriodicHomogenization, periodic_elasticity


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
        return conforming_mesh(phase, refine=self.refine)

    def problem(self, phase: np.ndarray) -> PeriodicHomogenization:
        """The solved problem of one phase field (nx, ny)."""
        domain, tags = dolfinx_mesh(self.mesh(phase))
        problem = periodic_elasticity(domain)
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
        gradients = sample_gradients(problem.state.function_space, phase_grid(self.resolution))(problem.state)
        gradients = gradients.reshape(problem.loads, problem.dimension, problem.dimension, -1)
        strain = problem.strains(gradients).reshape(self.outputs[1].shape)
        return problem.observe()["stiffness"], strain


def pixel_homogenization(resolution: int, poisson_ratio: float = 0.3, dimension: int = 2) -> ProblemModel:
    """Differentiable map from a modulus on pixels or voxels to the effective stiffness, one Q1 element each.

    The input is ``youngs_modulus`` (batch, nx, ny[, nz]) [GPa], the output ``stiffness``
    (batch, 6) or (batch, 21) [GPa], the upper triangle of the Mandel matrix C* (2D: plane strain).

    Args:
        resolution: Pixels along each side of the unit cell.
        poisson_ratio: Poisson's ratio of every pixel [1].
        dimension: 2 or 3.
    """
    cell = dmesh.CellType.quadrilateral if dimension == 2 else dmesh.CellType.hexahedron
    create = dmesh.create_unit_square if dimension == 2 else dmesh.create_unit_cube
    problem = periodic_elasticity(create(MPI.COMM_SELF, *[resolution] * dimension, cell))
    problem.set_controls({"poisson_ratio": np.full(resolution**dimension, poisson_ratio)})
    grid = Grid((resolution,) * dimension, (0.0,) * dimension, (1.0,) * dimension)
    modulus = FieldSpec("youngs_modulus", grid, (), "GPa")
    stiffness = ScalarSpec("stiffness", problem.loads * (problem.loads + 1) // 2, "GPa")
    return ProblemModel(
        problem,
        (cell_values(problem.controls["youngs_modulus"], modulus, "youngs_modulus"),),
        (as_vector(stiffness, "stiffness"),),
    )


def phase_values(tags: np.ndarray, spec: ScalarSpec, source: str) -> LinearMap:
    """Map one value a phase to a control with one value a cell, so that gradients are those of the phases' moduli.

    Args:
        tags: Phase of each cell of this process (cells,), in the order of the mesh's cells.
        spec: Vector of the values, `spec.size` phases.
        source: Name of the control.

    Raises:
        ContractError: A tag is not that of a phase.
    """
    tags = np.asarray(tags)
    if tags.min() < 0 or tags.max() >= spec.size:
        raise ContractError(f"phase_values: expected tags from 0 to {spec.size - 1}, got {tags.min()} to {tags.max()}")
    cells = np.arange(len(tags))
    return LinearMap(spec, source, sparse.csr_array((np.ones(len(tags)), (cells, tags)), shape=(len(tags), spec.size)))
