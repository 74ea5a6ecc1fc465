"""Linear solvers: against numpy, several right-hand sides, recovery, multigrid, PETSc options, and no PETSc."""

import os
import subprocess
import sys

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.errors import ConvergenceError
from genmech_fem.problems import LinearSolver, SolverOptions, VariationalProblem
from genmech_fem.problems.forms import assemble, compiled, new_matrix
from genmech_fem.problems.solver_options import preset

BARS = 12


def chain(skew=0.0):
    """Matrix of a chain of springs, with `skew` not symmetric; its values are overwritten by the tests."""
    domain = mesh.create_unit_interval(MPI.COMM_SELF, BARS)
    space = fem.functionspace(domain, ("Lagrange", 1))
    u, v = ufl.TrialFunction(space), ufl.TestFunction(space)
    form = compiled((ufl.inner(ufl.grad(u), ufl.grad(v)) + u * v + skew * u.dx(0) * v) * ufl.dx)
    matrix = new_matrix(form)
    assemble(matrix, form, [])
    return matrix, space


@pytest.mark.parametrize("symmetric", [True, False])
def test_solutions(symmetric, generator):
    matrix, space = chain(0.0 if symmetric else 3.0)
    if symmetric:
        matrix.data[:] -= 2.0 * (matrix.data > 0)  # indefinite
    solver, dense = LinearSolver(matrix, space, SolverOptions(symmetric=symmetric)), matrix.to_dense()
    assert symmetric == np.allclose(dense, dense.T)
    rhs = generator.standard_normal((BARS + 1, 3))
    for transpose, a in ((False, dense), (True, dense.T)):
        np.testing.assert_allclose(solver.solve(rhs, transpose=transpose), np.linalg.solve(a, rhs), rtol=1e-9)
        np.testing.assert_allclose(solver.solve(rhs[:, 0], transpose=transpose), np.linalg.solve(a, rhs[:, 0]))


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bad", [0.0, np.nan])
def test_recovery(symmetric, bad):
    matrix, space = chain()
    values, rhs = matrix.data.copy(), np.ones(BARS + 1)
    solver = LinearSolver(matrix, space, SolverOptions(symmetric=symmetric))
    expected = solver.solve(rhs)
    matrix.data[:] = bad
    for _ in range(2):
        with pytest.raises(ConvergenceError, match="stiffness matrix|boundary conditions"):
            solver.factorise()
        with pytest.raises(ConvergenceError, match="call factorise"):
            solver.solve(rhs)
    matrix.data[:] = 2 * values
    solver.factorise()
    np.testing.assert_allclose(solver.solve(rhs), expected / 2, rtol=1e-12)


def block(n, cell=mesh.CellType.hexahedron, fixed=True, **options):
    """A cube of random stiffness under its own weight, clamped on one side."""
    domain = mesh.create_unit_cube(MPI.COMM_SELF, n, n, n, cell)
    space = fem.functionspace(domain, ("Lagrange", 1, (3,)))
    u, v, E = fem.Function(space), ufl.TestFunction(space), fem.Function(fem.functionspace(domain, ("DG", 0)))
    E.x.array[:] = np.random.default_rng(0).uniform(1e9, 2e10, E.x.array.size)
    eps = ufl.sym(ufl.grad(u))
    stress = E * (eps + ufl.tr(eps) * ufl.Identity(3))
    clamped = fem.locate_dofs_geometrical(space, lambda x: np.isclose(x[0], 0))
    return VariationalProblem(
        ufl.inner(stress, ufl.sym(ufl.grad(v))) * ufl.dx(metadata={"quadrature_degree": 2}) - v[2] * ufl.dx,
        u,
        controls={"youngs_modulus": E},
        bcs=[fem.dirichletbc(np.zeros(3), clamped, space)] if fixed else [],
        observables={"work": u[2] * ufl.dx},
        solver=SolverOptions(symmetric=True, **options),
    )


def test_presets():
    direct = preset(symmetric=True, dimension=2, size=10**6)
    assert (direct["pc_type"], direct["pc_factor_mat_solver_type"]) == ("cholesky", "mumps")
    assert preset(symmetric=False, dimension=3, size=1000)["pc_type"] == "lu"
    assert preset(symmetric=True, dimension=3, size=10**6)["pc_type"] == "gamg"
    assert preset(symmetric=False, dimension=3, size=10**6)["ksp_type"] == "gmres"


@pytest.mark.parametrize("cell", [mesh.CellType.hexahedron, mesh.CellType.tetrahedron])
def test_multigrid_gives_the_direct_solution_and_gradient(monkeypatch, cell):
    """The iterations hardly grow with the mesh only if GAMG knows the rigid-body motions."""
    from genmech_fem.problems import solver_options

    direct = block(8, cell)
    direct.solve()
    monkeypatch.setattr(solver_options, "DIRECT_3D", 0)
    iterative, finer = block(8, cell), block(16, cell)
    for problem in (iterative, finer):
        problem.solve()
    np.testing.assert_allclose(iterative.state.x.array, direct.state.x.array, atol=1e-8 * direct.state.x.array.max())
    weight = {"work": np.ones(1)}
    np.testing.assert_allclose(
        iterative.pull_back(weight)["youngs_modulus"], direct.pull_back(weight)["youngs_modulus"], rtol=1e-5
    )
    counts = [p._system._factorised[0].solver._engine._ksp.getIterationNumber() for p in (iterative, finer)]
    assert counts[1] <= counts[0] + 15


def test_multigrid_without_boundary_conditions(monkeypatch):
    from genmech_fem.problems import solver_options

    monkeypatch.setattr(solver_options, "DIRECT_3D", 0)
    with pytest.raises(ConvergenceError, match="singular, the body moves without a force: check that the boundary"):
        block(4, fixed=False).solve()


def test_petsc_options_replace_the_preset():
    chosen = block(4, petsc_options={"ksp_type": "cg", "pc_type": "jacobi", "ksp_rtol": 1e-12})
    chosen.solve()
    ksp = chosen._system._factorised[0].solver._engine._ksp
    assert (ksp.type, ksp.getPC().type) == ("cg", "jacobi")
    np.testing.assert_allclose(chosen.state.x.array, block(4).solve().x.array, atol=1e-18)
    few = block(4, petsc_options={"ksp_type": "cg", "pc_type": "jacobi", "ksp_max_it": 3})
    with pytest.raises(
        ConvergenceError, match=r"PETSc cg \+ jacobi: .* residual .* after 3 iterations .* 'pc_type': 'lu'"
    ):
        few.solve()


def test_options_that_petsc_does_not_know():
    with pytest.warns(UserWarning, match=r"petsc_options \['ksp_tpye'\] had no effect"):
        block(2, petsc_options={"ksp_tpye": "cg"}).solve()
    with pytest.raises(ValueError, match="PETSc refuses the options {'pc_type': 'magic'}"):
        block(2, petsc_options={"pc_type": "magic"}).solve()
    with pytest.raises(ValueError, match="cached: expected room for at least one"):
        SolverOptions(cached=0)


def test_factorisations_are_kept_up_to_a_bound(monkeypatch, generator):
    from genmech_fem.problems import linear

    problem, made = block(2, cached=2), []
    factorise = linear.LinearSolver.factorise
    monkeypatch.setattr(linear.LinearSolver, "factorise", lambda self: made.append(1) or factorise(self))
    fields = generator.uniform(1e9, 1e10, (3, problem.controls["youngs_modulus"].x.array.size))
    for k, expected in ((0, 1), (1, 2), (0, 2), (1, 2), (2, 3), (1, 3), (0, 4)):
        problem.set_controls({"youngs_modulus": fields[k]})
        problem.solve()
        assert len(made) == expected
        assert problem.residual_norm(problem.state.x.array) < 1e-11
    assert len(problem._system._factorised) == 2


WITHOUT_PETSC = """
import sys
sys.modules["petsc4py"] = None  # as if it were not installed
from genmech_fem.problems import diffusion
import numpy as np
from dolfinx import mesh
from mpi4py import MPI
from genmech_fem.errors import ConvergenceError
problem = diffusion(mesh.create_unit_square(MPI.COMM_SELF, 8, 8))
problem.controls["conductivity"].x.array[:] = np.linspace(1, 2, 128)
problem.solve()
print(problem.observe()["compliance"][0], problem.pull_back({"compliance": np.ones(1)})["conductivity"].sum())
problem.controls["conductivity"].x.array[:] = 1e-320
try:
    problem.solve()
except (ConvergenceError, ValueError) as error:
    print(error)
"""


def test_without_petsc_scipy_solves():
    from genmech_fem.problems import diffusion

    found = subprocess.run(
        [sys.executable, "-c", WITHOUT_PETSC], capture_output=True, text=True, check=True, env={**os.environ}
    ).stdout.splitlines()
    problem = diffusion(mesh.create_unit_square(MPI.COMM_SELF, 8, 8))
    problem.controls["conductivity"].x.array[:] = np.linspace(1, 2, 128)
    problem.solve()
    expected = problem.observe()["compliance"][0], problem.pull_back({"compliance": np.ones(1)})["conductivity"].sum()
    np.testing.assert_allclose([float(x) for x in found[0].split()], expected, rtol=1e-12)
    assert "SuperLU" in found[1]
