"""Structures on the cells of their box, one Q1 element each: from moduli to compliance, displacement and stress."""

from collections.abc import Sequence

import numpy as np
from dolfinx import mesh
from mpi4py import MPI
from scipy import sparse

from genmech_fem.adapters.linear_maps import LinearMap, as_vector, cell_values, sample_state
from genmech_fem.adapters.load_cases import LoadCases
from genmech_fem.adapters.problem_model import ProblemModel
from genmech_fem.adapters.structure_problem import structure_problem
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.geometry.structures import Structure, node_grid
from genmech_fem.problems import VariationalProblem

_OUTPUTS = ("compliance", "displacement", "von_mises")


def pixel_structure(structure: Structure, outputs: Sequence[str] = ("compliance",)) -> ProblemModel:
    """A structure whose cells have a modulus each; load cases share one factorisation a sample.

    Input ``youngs_modulus`` (batch, *cells). Outputs, of which some are chosen; the axis of the load cases is left out
    of the two fields where there is only one:

    - ``compliance`` (batch, load cases), the work of each load.
    - ``displacement`` (batch, load cases, dimension, *nodes) at the corners of the cells.
    - ``von_mises`` (batch, load cases, *cells), the von Mises stress at the centres that the strain makes in solid
      material of the modulus 1, which for densities is the stress of the solid part.

    Args:
        structure: The structure.
        outputs: Names of the outputs.

    Raises:
        ValueError: An output is unknown, or no cell has its middle in the place of a load.
    """
    check_outputs(outputs, _OUTPUTS)
    problem, moduli = pixel_problem(structure)
    return ProblemModel(problem, (moduli,), tuple(_output(name, structure, problem, moduli) for name in outputs))


def pixel_problem(structure: Structure) -> tuple[VariationalProblem | LoadCases, LinearMap]:
    """The problem on the cells, and the map from arrays to its control."""
    problem = structure_problem(structure, box_mesh(structure.grid))
    spec = FieldSpec("youngs_modulus", structure.grid)
    return problem, cell_values(problem.controls[spec.name], spec, spec.name)


def check_outputs(outputs: Sequence[str], known: Sequence[str]) -> None:
    """Raise ValueError unless there are outputs, all of them known."""
    if not outputs or not set(outputs) <= set(known):
        raise ValueError(f"outputs: expected some of {known}, got {list(outputs)}")


def box_mesh(grid: Grid) -> mesh.Mesh:
    """The cells of a grid in 2D or 3D as a mesh."""
    corners = [np.array(grid.lower), np.array(grid.upper)]
    if grid.dimension == 2:
        return mesh.create_rectangle(MPI.COMM_SELF, corners, list(grid.shape), mesh.CellType.quadrilateral)
    return mesh.create_box(MPI.COMM_SELF, corners, list(grid.shape), mesh.CellType.hexahedron)


def _output(name: str, structure: Structure, problem: VariationalProblem | LoadCases, moduli: LinearMap) -> LinearMap:
    cases, grid = len(structure.loads), structure.grid
    axis = () if cases == 1 else (cases,)
    if name == "compliance":
        return as_vector(ScalarSpec(name, cases), name)
    if name == "displacement":
        nodes = node_grid(grid)
        once = sample_state(problem.state, FieldSpec(name, nodes, (grid.dimension,))).matrix
        return LinearMap(FieldSpec(name, nodes, (*axis, grid.dimension)), "state", _repeated(once, cases))
    means = sparse.csr_array(moduli.matrix.T / np.prod(grid.spacing))
    return LinearMap(FieldSpec(name, grid, axis), name, _repeated(means, cases))


def _repeated(matrix: sparse.csr_array, cases: int) -> sparse.csr_array:
    return sparse.csr_array(sparse.kron(sparse.identity(cases), matrix))
