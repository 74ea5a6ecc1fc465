"""The direct solver: against numpy, several right-hand sides, and recovery."""

import numpy as np
import pytest
from petsc4py import PETSc

from genmech_fem.errors import ConvergenceError
from genmech_fem.problems import DirectSolver


def petsc_matrix(dense):
    matrix = PETSc.Mat().createAIJ(dense.shape, comm=PETSc.COMM_SELF)
    matrix.setUp()
    fill(matrix, dense)
    return matrix


def fill(matrix, dense):
    rows = np.arange(len(dense), dtype=np.int32)
    matrix.setValues(rows, rows, dense)
    matrix.assemble()


@pytest.mark.parametrize("symmetric", [True, False])
def test_solutions(symmetric, generator):
    dense = generator.standard_normal((12, 12)) + (0 if symmetric else 4 * np.eye(12))
    dense = dense + dense.T if symmetric else dense  # indefinite
    solver = DirectSolver(petsc_matrix(dense), symmetric=symmetric)
    rhs = generator.standard_normal((12, 3))
    np.testing.assert_allclose(solver.solve(rhs), np.linalg.solve(dense, rhs), rtol=1e-9)
    np.testing.assert_allclose(solver.solve(rhs[:, 0], transpose=True), np.linalg.solve(dense.T, rhs[:, 0]), rtol=1e-9)


def factorise_and_solve(solver, rhs):
    solver.factorise()
    return solver.solve(rhs)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bad", [0.0, np.nan])
def test_recovery(symmetric, bad, generator):
    dense = np.diag(np.arange(1.0, 9.0))
    matrix, rhs = petsc_matrix(dense + 0.1), np.ones(8)
    solver = DirectSolver(matrix, symmetric=symmetric)
    fill(matrix, np.full((8, 8), bad))
    for _ in range(2):
        with pytest.raises(ConvergenceError, match="stiffness matrix|boundary conditions"):
            factorise_and_solve(solver, rhs)
    fill(matrix, dense + 0.2)
    np.testing.assert_allclose(factorise_and_solve(solver, rhs), np.linalg.solve(dense + 0.2, rhs), rtol=1e-12)


def test_a_singular_matrix_is_found_for_any_load():
    chain = 2.0 * np.eye(6) - np.eye(6, k=1) - np.eye(6, k=-1)
    chain[0, 0] = chain[-1, -1] = 1.0
    with pytest.raises(ConvergenceError, match="check that the boundary conditions hold every part"):
        DirectSolver(petsc_matrix(chain), symmetric=True)
