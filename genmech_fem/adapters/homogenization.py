"""Periodic homogenisation of a phase field as a ForwardModel: on a conforming mesh, or on its pixels."""

from dataclasses import dataclass

import numpy as np
from dolfinx import fem
from dolfinx import mesh as dmesh
from mpi4py import MPI

from genmech_fem.adapters.linear_maps import as_vector, cell_values
from genmech_fem.adapters.materials import EPOXY, GLASS, Material, write_phases
from genmech_fem.adapters.meshes import dolfinx_mesh
from genmech_fem.adapters.problem_model import ProblemModel
from genmech_fem.adapters.sample_errors import naming_sample
from genmech_fem.adapters.sampling import sample_gradients
from genmech_fem.fields import Arrays, FieldSpec, Grid, Points, ScalarSpec, check, pad
from genmech_fem.geometry import Mesh, conforming_mesh, mesh_arrays, mesh_specs
from genmech_fem.microstructure import phase_grid, phase_spec
from genmech_fem.problems.homogenization import PeriodicHomogenization, periodic_elasticity


@dataclass(frozen=True)
class ConformingHomogenization:
    """Phase field -> effective stiffness and local strains, each sample on a conforming mesh of its own.

    The outputs are ``stiffness`` (batch, 6) [GPa], the upper triangle of the Mandel matrix
    C* (plane strain), and ``strain`` (batch, 3 loads, 3 Mandel components, nx, ny) [1],
    the local strain at the pixel centres under each unit strain. With `keep_mesh` there are also the
    arrays of `geometry.mesh_specs` and ``displacement`` (batch, 3 loads, 2, nodes) [cell length], the
    periodic part of the displacement at the nodes of the sample's mesh under each unit strain.

    Args:
        resolution: Pixels along each side of the unit cell.
        matrix: Material of phase 0.
        inclusion: Material of phase 1.
        refine: Mesh cells per pixel and direction.
        keep_mesh: Return the mesh and the displacement on it too.
    """

    resolution: int = 32
    matrix: Material = EPOXY
    inclusion: Material = GLASS
    refine: int = 2
    keep_mesh: bool = False

    @property
    def inputs(self) -> tuple[FieldSpec]:
        """The phase field."""
        return (phase_spec(self.resolution),)

    @property
    def outputs(self) -> tuple[ScalarSpec, FieldSpec, *tuple[FieldSpec, ...]]:
        """Effective stiffness and local strains."""
        always = ScalarSpec("stiffness", 6, "GPa"), FieldSpec("strain", phase_grid(self.resolution), (3, 3))
        if not self.keep_mesh:
            return always
        return (*always, *mesh_specs("triangle", "1"), FieldSpec("displacement", Points(2), (3, 2)))

    def mesh(self, phase: np.ndarray) -> Mesh:
        """Conforming periodic mesh of one phase field (nx, ny)."""
        return conforming_mesh(phase, refine=self.refine)

    def problem(self, phase: np.ndarray) -> PeriodicHomogenization:
        """The solved problem of one phase field (nx, ny)."""
        return self._solved(self.mesh(phase))

    def _solved(self, mesh: Mesh) -> PeriodicHomogenization:
        domain, tags = dolfinx_mesh(mesh)
        problem = periodic_elasticity(domain)
        write_phases(problem, domain, tags, self.matrix, self.inclusion)
        problem.solve()
        return problem

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Mesh and solve every sample.

        Raises:
            ContractError: The inputs do not match the specs.
            MeshingError, ConvergenceError: A sample failed; the message names it.
        """
        phases = check(inputs, self.inputs)["phase"]
        samples = [self._sample(i, phase) for i, phase in enumerate(phases)]
        batch = {}
        for spec in self.outputs:
            values = [sample[spec.name] for sample in samples]
            if -1 in spec.shape:
                batch[spec.name], batch[f"{spec.name}.mask"] = pad(values)
            else:
                batch[spec.name] = np.stack(values)
        return batch

    def _sample(self, i: int, phase: np.ndarray) -> dict[str, np.ndarray]:
        with naming_sample(i):
            mesh = self.mesh(phase)
            problem = self._solved(mesh)
        gradients = sample_gradients(problem.state.function_space, phase_grid(self.resolution))(problem.state)
        gradients = gradients.reshape(problem.loads, problem.dimension, problem.dimension, -1)
        strain = problem.strains(gradients).reshape(self.outputs[1].shape)
        sample = {"stiffness": problem.observe()["stiffness"], "strain": strain}
        if self.keep_mesh:
            sample |= {name: array[0] for name, array in mesh_arrays(mesh).items()}
            sample["displacement"] = _at_nodes(problem.state, len(mesh.points))
        return sample


def _at_nodes(state: fem.Function, count: int) -> np.ndarray:
    """Values (*value_shape, nodes) of a P1 function at the nodes of the mesh that its domain was made of."""
    space = state.function_space
    geometry = space.mesh.geometry
    values = np.zeros((count, *space.value_shape))
    nodes = geometry.input_global_indices[geometry.dofmaps[0]]
    values[nodes] = state.x.array.reshape(-1, *space.value_shape)[space.dofmap.list]
    return np.moveaxis(values, 0, -1)


def pixel_mesh(resolution: int, dimension: int = 2) -> dmesh.Mesh:
    """The unit square or cube as pixels or voxels, `resolution` a side."""
    cell = dmesh.CellType.quadrilateral if dimension == 2 else dmesh.CellType.hexahedron
    create = dmesh.create_unit_square if dimension == 2 else dmesh.create_unit_cube
    return create(MPI.COMM_SELF, *[resolution] * dimension, cell)


def pixel_homogenization(resolution: int, poisson_ratio: float = 0.3, dimension: int = 2) -> ProblemModel:
    """Differentiable map from a modulus on pixels or voxels to the effective stiffness, one Q1 element each.

    The input is ``youngs_modulus`` (batch, nx, ny[, nz]) [GPa], the output ``stiffness``
    (batch, 6) or (batch, 21) [GPa], the upper triangle of the Mandel matrix C* (2D: plane strain).

    Args:
        resolution: Pixels along each side of the unit cell.
        poisson_ratio: Poisson's ratio of every pixel [1].
        dimension: 2 or 3.
    """
    problem = periodic_elasticity(pixel_mesh(resolution, dimension))
    problem.set_controls({"poisson_ratio": np.full(resolution**dimension, poisson_ratio)})
    grid = Grid((resolution,) * dimension, (0.0,) * dimension, (1.0,) * dimension)
    modulus = FieldSpec("youngs_modulus", grid, (), "GPa")
    stiffness = ScalarSpec("stiffness", problem.loads * (problem.loads + 1) // 2, "GPa")
    return ProblemModel(
        problem,
        (cell_values(problem.controls["youngs_modulus"], modulus, "youngs_modulus"),),
        (as_vector(stiffness, "stiffness"),),
    )
