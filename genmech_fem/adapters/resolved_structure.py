"""Structures of cells with all their microstructure."""

from dataclasses import dataclass

import numpy as np

from genmech_fem.adapters.materials import EPOXY, GLASS, Material, write_phases
from genmech_fem.adapters.meshes import dolfinx_mesh
from genmech_fem.adapters.sample_errors import naming_sample
from genmech_fem.adapters.two_scale import check_cells
from genmech_fem.fields import Arrays, FieldSpec, Grid, ScalarSpec, check
from genmech_fem.geometry import conforming_mesh
from genmech_fem.problems import VariationalProblem, elasticity
from genmech_fem.problems.conditions import Condition


def assembled(phases: np.ndarray) -> np.ndarray:
    """Put images (batch, nx, ny, *cells) of the cells of plane structures together to one image of each structure."""
    batch, nx, ny, columns, rows = phases.shape
    return phases.transpose(0, 3, 1, 4, 2).reshape(batch, columns * nx, rows * ny)


@dataclass(frozen=True)
class ResolvedStructure:
    """A plane structure with all its microstructure, meshed conformingly; the judge of a `homogenized_structure`.

    Input ``phase`` (batch, resolution, resolution, *cells), the phase field of each cell; outputs ``compliance``
    (batch, 1), the work of the loads in plane strain, and ``volume`` (batch, 1), the share of phase 1 in the mesh.

    Args:
        cells: The cells of the structure.
        resolution: Pixels along each side of a cell.
        conditions: What holds and what loads it, as of `problems.elasticity`; at least one load.
        matrix: Material of phase 0.
        inclusion: Material of phase 1.
        refine: Mesh cells per pixel and direction.

    Raises:
        ContractError: The cells are not those of a plane box.
        ValueError: Nothing loads it.
    """

    cells: Grid
    resolution: int
    conditions: tuple[Condition, ...]
    matrix: Material = EPOXY
    inclusion: Material = GLASS
    refine: int = 1

    def __post_init__(self) -> None:
        check_cells(self.cells, self.conditions)

    @property
    def inputs(self) -> tuple[FieldSpec]:
        """The phase fields."""
        return (FieldSpec("phase", self.cells, (self.resolution,) * 2),)

    @property
    def outputs(self) -> tuple[ScalarSpec, ScalarSpec]:
        """Compliance and volume."""
        return ScalarSpec("compliance"), ScalarSpec("volume")

    def problem(self, phases: np.ndarray) -> VariationalProblem:
        """The solved problem of one structure (resolution, resolution, *cells).

        Raises:
            MeshingError, ConvergenceError: It cannot be meshed or solved.
        """
        return self._solved(phases)[0]

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Mesh and solve every sample.

        Raises:
            ContractError: The input does not match its spec.
            MeshingError, ConvergenceError: A sample failed; the message names it.
        """
        samples = [self._sample(i, phases) for i, phases in enumerate(check(inputs, self.inputs)["phase"])]
        return {spec.name: np.stack([sample[spec.name] for sample in samples]) for spec in self.outputs}

    def _sample(self, i: int, phases: np.ndarray) -> dict[str, np.ndarray]:
        with naming_sample(i):
            problem, volume = self._solved(phases)
        return {"compliance": problem.observe(["compliance"])["compliance"], "volume": np.array([volume])}

    def _solved(self, phases: np.ndarray) -> tuple[VariationalProblem, float]:
        image = assembled(phases[None])[0]
        mesh = conforming_mesh(
            image, lower=self.cells.lower, upper=self.cells.upper, periodic=False, refine=self.refine
        )
        domain, tags = dolfinx_mesh(mesh)
        problem = elasticity(domain, self.conditions)
        write_phases(problem, domain, tags, self.matrix, self.inclusion)
        problem.solve()
        sizes = mesh.measures()
        return problem, float(sizes[mesh.tags == 1].sum() / sizes.sum())
