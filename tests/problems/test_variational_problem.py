"""A user's own form: patch test, non-symmetric and non-linear forms, and what happens when things go wrong."""

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.errors import ConvergenceError
from genmech_fem.problems import DirectSolver, Newton, VariationalProblem, diffusion


def square(n=4, cell=mesh.CellType.triangle):
    return mesh.create_unit_square(MPI.COMM_SELF, n, n, cell)


def boundary_dofs(space):
    domain = space.mesh
    facets = mesh.locate_entities_boundary(domain, domain.topology.dim - 1, lambda x: np.full(x.shape[1], True))
    return fem.locate_dofs_topological(space, domain.topology.dim - 1, facets)


@pytest.mark.parametrize("cell", [mesh.CellType.triangle, mesh.CellType.quadrilateral])
@pytest.mark.parametrize("degree", [1, 2])
def test_patch_test_of_elasticity(cell, degree):
    """A linear displacement on the boundary gives the same linear displacement inside."""
    domain = square(4, cell)
    x = domain.geometry.x
    inner = (x[:, :2] > 0.1).all(axis=1) & (x[:, :2] < 0.9).all(axis=1)
    x[inner, :2] += 0.06 * np.sin(37 * x[inner, 1::-1])
    space = fem.functionspace(domain, ("Lagrange", degree, (2,)))
    state, v, boundary = fem.Function(space), ufl.TestFunction(space), fem.Function(space)
    gradient = np.array([[0.01, -0.02], [0.03, 0.005]])
    boundary.interpolate(lambda x: gradient @ x[:2])
    strain = ufl.sym(ufl.grad(state))
    stress = 2.0 * strain + 3.0 * ufl.tr(strain) * ufl.Identity(2)
    problem = VariationalProblem(
        ufl.inner(stress, ufl.sym(ufl.grad(v))) * ufl.dx,
        state,
        controls={"boundary": boundary},
        bcs=[fem.dirichletbc(boundary, boundary_dofs(space))],
        symmetric=True,
    )
    problem.solve()
    np.testing.assert_allclose(state.x.array, boundary.x.array, atol=1e-12 * np.abs(boundary.x.array).max())


def nonlinear(n=5):
    """- div((1 + u^2) grad u) + b . grad u = f: non-linear and not symmetric, all kinds of controls."""
    domain = square(n)
    space = fem.functionspace(domain, ("Lagrange", 1))
    state, v = fem.Function(space), ufl.TestFunction(space)
    field, boundary = fem.Function(space), fem.Function(space)
    field.x.array[:], boundary.x.array[:] = 2.0, 0.3
    wind = fem.Constant(domain, np.array([1.0, 2.0]))
    form = (
        (1 + state**2) * field * ufl.inner(ufl.grad(state), ufl.grad(v))
        + ufl.inner(wind, ufl.grad(state)) * v
        - 5 * ufl.cos(state) * v
    ) * ufl.dx
    return VariationalProblem(
        form,
        state,
        controls={"field": field, "wind": wind, "boundary": boundary},
        bcs=[fem.dirichletbc(boundary, boundary_dofs(space))],
        observables={"mean": state * ufl.dx, "rate": ufl.exp(state) * field * wind[0] * ufl.dx},
    )


@pytest.mark.parametrize("observed", [("state",), ("mean", "rate"), ("state", "rate")])
def test_taylor(taylor_order, generator, observed):
    problem = nonlinear()
    problem.solve()
    cotangents = {key: generator.standard_normal(problem.observe()[key].shape) for key in observed}
    assert taylor_order(problem, cotangents, generator) == pytest.approx(2.0, abs=0.1)


def test_a_linear_form_takes_one_solve(monkeypatch):
    calls, solve = [], DirectSolver.solve
    monkeypatch.setattr(DirectSolver, "solve", lambda self, *a, **k: calls.append(1) or solve(self, *a, **k))
    problem = diffusion(square())
    problem.solve()
    assert problem.linear
    assert len(calls) == 1
    assert problem.residual_norm(problem.state.x.array) < 1e-13


def test_a_linear_solution_does_not_depend_on_what_was_there(generator):
    problem = diffusion(square())
    first = problem.solve().x.array.copy()
    problem.state.x.array[:] = generator.standard_normal(first.size)
    np.testing.assert_array_equal(problem.solve().x.array, first)


def test_quadratic_convergence_and_restart(monkeypatch):
    problem, norms = nonlinear(), []
    residual_at = VariationalProblem._residual_at

    def record(self, *args, **kwargs):
        here = residual_at(self, *args, **kwargs)
        norms.append(here.norm)
        return here

    monkeypatch.setattr(VariationalProblem, "_residual_at", record)
    problem.solve()
    assert not problem.linear
    assert len(norms) <= 8
    assert norms[-1] < 1e3 * norms[-2] ** 2 + 1e-14
    norms.clear()
    problem.solve()
    assert len(norms) == 2  # the reference, and the start that already is the solution


def test_residual_norm(generator):
    problem = diffusion(square())
    problem.controls["boundary_value"].value = 1.0
    problem.solve()
    solution = problem.observe()["state"]
    assert problem.residual_norm(solution) < 1e-13
    assert problem.residual_norm(np.zeros_like(solution)) >= 1.0
    small, large = (
        problem.residual_norm(solution + h * generator.standard_normal(solution.size)) for h in (1e-6, 1e-3)
    )
    assert 1e-7 < small < 1e-4 < large
    shifted = solution - 1.0  # satisfies the equation, not the boundary value
    assert problem.residual_norm(shifted) == pytest.approx(1.0)
    np.testing.assert_array_equal(problem.state.x.array, solution)
    with pytest.raises(ValueError, match=r"expected the dofs, shape \(25,\), got \(3,\)"):
        problem.residual_norm(np.zeros(3))


def test_where_two_conditions_meet_the_last_one_holds(taylor_order, generator):
    domain = square()
    space = fem.functionspace(domain, ("Lagrange", 1))
    state, v = fem.Function(space), ufl.TestFunction(space)
    left, lower = fem.Constant(domain, 1.0), fem.Constant(domain, 2.0)
    on_left, on_lower = (
        fem.locate_dofs_geometrical(space, lambda x, axis=axis: np.isclose(x[axis], 0.0)) for axis in (0, 1)
    )
    form = (1 + state**2) * ufl.inner(ufl.grad(state), ufl.grad(v)) * ufl.dx
    bcs = [fem.dirichletbc(left, on_left, space), fem.dirichletbc(lower, on_lower, space)]
    problem = VariationalProblem(form, state, controls={"left": left, "lower": lower}, bcs=bcs)
    problem.solve()
    assert (state.x.array[on_lower] == 2.0).all()
    assert taylor_order(problem, {"state": np.ones(state.x.array.size)}, generator) == pytest.approx(2.0, abs=0.1)


def spoil(problem, how):
    kappa = problem.controls["conductivity"].x.array
    kappa[:] = {"zero": 0.0, "overflow": 1e308}[how]


@pytest.mark.parametrize("how", ["zero", "overflow"])
@pytest.mark.parametrize("solved_before", [True, False])
def test_a_good_solve_works_after_a_bad_one(how, solved_before):
    problem = diffusion(square())
    expected = diffusion(square()).solve().x.array
    if solved_before:
        problem.solve()
    before = problem.state.x.array.copy()
    for _ in range(2):
        spoil(problem, how)
        with pytest.raises(ConvergenceError, match="coefficients"):
            problem.solve()
        np.testing.assert_array_equal(problem.state.x.array, before)
        with pytest.raises(ConvergenceError, match="call solve\\(\\) first"):
            problem.pull_back({"compliance": np.ones(1)})
    problem.controls["conductivity"].x.array[:] = 1.0
    np.testing.assert_allclose(problem.solve().x.array, expected, rtol=1e-12)
    assert np.isfinite(problem.pull_back({"compliance": np.ones(1)})["conductivity"]).all()


@pytest.mark.parametrize("source", [0.0, 1.0])
def test_without_boundary_conditions(source):
    problem = diffusion(square(), fixed=lambda x: np.full(x.shape[1], False))
    problem.controls["source"].value = source
    with pytest.raises(ConvergenceError, match="check that the boundary conditions hold every part of the mesh"):
        problem.solve()


def test_nan_is_found_before_anything_is_assembled():
    problem = diffusion(square())
    expected = problem.solve().x.array.copy()
    problem.controls["conductivity"].x.array[3] = np.nan
    with pytest.raises(ValueError, match=r"control 'conductivity': expected finite values, .* 1 of 32 dofs, .* dof 3"):
        problem.solve()
    problem.controls["conductivity"].x.array[3] = 1.0
    np.testing.assert_array_equal(problem.solve().x.array, expected)


def test_newton_that_does_not_converge():
    problem = nonlinear()
    few = VariationalProblem(
        problem._ufl[0], problem.state, controls=problem.controls, bcs=problem._bcs, newton=Newton(iterations=1)
    )
    with pytest.raises(ConvergenceError, match="after 1 iterations, expected 1e-10: apply the load in smaller steps"):
        few.solve()
    assert (few.state.x.array == 0.0).all()
    problem.solve()
    few.solve()  # the start is the solution


def test_newton_without_a_solution():
    """u^2 + 1 = 0 has no real root, ln(u) no value at the start."""
    domain = square()
    space = fem.functionspace(domain, ("Lagrange", 1))
    state, v, shift = fem.Function(space), ufl.TestFunction(space), fem.Constant(domain, 1.0)
    problem = VariationalProblem((state**2 + shift) * v * ufl.dx, state, controls={"shift": shift})
    state.x.array[:] = 0.5
    with pytest.raises(ConvergenceError, match="Newton's method|linear solve"):
        problem.solve()
    shift.value = -4.0
    np.testing.assert_allclose(problem.solve().x.array, 2.0)
    problem = VariationalProblem((ufl.ln(state) - shift) * v * ufl.dx, state, controls={"shift": shift})
    state.x.array[:] = -1.0
    with pytest.raises(ConvergenceError, match="not finite: start from another state"):
        problem.solve()
    state.x.array[:], shift.value = 1.0, 0.5
    np.testing.assert_allclose(problem.solve().x.array, np.exp(0.5))


def test_pull_back_wants_the_solution_of_the_present_controls():
    problem = diffusion(square())
    with pytest.raises(ConvergenceError, match="call solve"):
        problem.pull_back({})
    problem.solve()
    assert not np.any(problem.pull_back({})["conductivity"])
    with pytest.raises(ValueError, match="cotangent 'energy': expected one of"):
        problem.pull_back({"energy": np.ones(1)})
    with pytest.raises(ValueError, match=r"cotangent 'compliance': .* got shape \(2,\)"):
        problem.pull_back({"compliance": np.ones(2)})
    problem.controls["source"].value = 7.0
    with pytest.raises(ConvergenceError, match="call solve"):
        problem.pull_back({})


def test_forms_and_controls_are_checked():
    domain = square()
    space = fem.functionspace(domain, ("Lagrange", 1))
    u, v, c = fem.Function(space), ufl.TestFunction(space), fem.Constant(domain, 1.0)
    form = (u - c) * v * ufl.dx
    with pytest.raises(ValueError, match="one test function, got 0 arguments"):
        VariationalProblem(u * ufl.dx, u, controls={})
    with pytest.raises(ValueError, match="observable 'flux': expected a scalar form"):
        VariationalProblem(form, u, controls={"c": c}, observables={"flux": u * v * ufl.dx})
    with pytest.raises(ValueError, match="control 'other': expected it in the residual"):
        VariationalProblem(form, u, controls={"other": fem.Constant(domain, 1.0)})


def test_complex_numbers_are_refused(monkeypatch):
    from genmech_fem.problems import variational

    monkeypatch.setattr(variational, "default_scalar_type", np.complex128)
    with pytest.raises(TypeError, match="real numbers, got complex128"):
        diffusion(square())
