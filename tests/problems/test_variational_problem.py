"""A user's own form: patch test, non-symmetric and non-linear forms, and what happens when things go wrong."""

import basix.ufl
import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.errors import ContractError, ConvergenceError, MeshingError
from genmech_fem.problems import (
    LinearSolver,
    Newton,
    Roller,
    SolverOptions,
    Source,
    Traction,
    VariationalProblem,
    diffusion,
    elasticity,
)
from genmech_fem.problems.linearization import Linearization


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
        solver=SolverOptions(symmetric=True),
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
    calls, solve = [], LinearSolver.solve
    monkeypatch.setattr(LinearSolver, "solve", lambda self, *a, **k: calls.append(1) or solve(self, *a, **k))
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
    residual_at = Linearization.residual_at

    def record(self, *args, **kwargs):
        here = residual_at(self, *args, **kwargs)
        norms.append(here.norm)
        return here

    monkeypatch.setattr(Linearization, "residual_at", record)
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
        with pytest.raises((ConvergenceError, ValueError), match="coefficients|expected conductivity > 0, got 0"):
            problem.solve()
        np.testing.assert_array_equal(problem.state.x.array, before)
        with pytest.raises(ConvergenceError, match="call solve\\(\\) first"):
            problem.pull_back({"compliance": np.ones(1)})
    problem.controls["conductivity"].x.array[:] = 1.0
    np.testing.assert_allclose(problem.solve().x.array, expected, rtol=1e-12)
    assert np.isfinite(problem.pull_back({"compliance": np.ones(1)})["conductivity"]).all()


@pytest.mark.parametrize("source", [0.0, 1.0])
def test_without_boundary_conditions(source):
    problem = diffusion(square(), [Source()])
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
        problem._form,
        problem.state,
        controls=problem.controls,
        bcs=problem._values.bcs,
        solver=SolverOptions(newton=Newton(iterations=1)),
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
    with pytest.raises(ValueError, match="observable 'flux': expected scalar forms, or one with a test function, got"):
        VariationalProblem(form, u, controls={"c": c}, observables={"flux": [u * ufl.dx, u * v * ufl.dx]})
    with pytest.raises(ValueError, match="observable 'flux': expected .* a UFL functional, .* got 3"):
        VariationalProblem(form, u, controls={"c": c}, observables={"flux": 3})
    with pytest.raises(ContractError, match=r"newton.loads: expected names among \['c'\], got \['pull'\]"):
        VariationalProblem(form, u, controls={"c": c}, solver=SolverOptions(newton=Newton(loads=("pull",))))
    with pytest.raises(ValueError, match="control 'other': expected it in the residual"):
        VariationalProblem(form, u, controls={"other": fem.Constant(domain, 1.0)})


def test_complex_numbers_are_refused(monkeypatch):
    from genmech_fem.problems import checks

    monkeypatch.setattr(checks, "default_scalar_type", np.complex128)
    with pytest.raises(TypeError, match="real numbers, got complex128"):
        diffusion(square())


def test_observables_of_every_kind(taylor_order, generator):
    """Functionals, several of them, a form with a test function, and cell means of an expression."""
    problem = nonlinear(3)
    u, field = problem.state, problem.controls["field"]
    space = u.function_space
    tests = ufl.TestFunction(fem.functionspace(space.mesh, ("Lagrange", 2)))
    flux = (1 + u**2) * field * ufl.grad(u)
    many = VariationalProblem(
        problem._form,
        u,
        controls=problem.controls,
        bcs=problem._values.bcs,
        observables={
            "means": [u * ufl.dx, u**2 * ufl.dx, field * u * ufl.ds],
            "loads": ufl.exp(u) * tests * ufl.dx,
            "flux": flux,
        },
    )
    many.solve()
    seen = many.observe()
    assert {name: array.shape for name, array in seen.items()} == {
        "state": (16,), "means": (3,), "loads": (49,), "flux": (36,)
    }  # fmt: skip
    means = [space.mesh.comm.allreduce(fem.assemble_scalar(fem.form(f))) for f in (u * ufl.dx, flux[1] * ufl.dx)]
    assert seen["means"][0] == pytest.approx(means[0])
    assert seen["flux"].reshape(18, 2)[:, 1].mean() == pytest.approx(means[1])  # 18 cells of the same size
    assert set(many.observe(["flux"])) == {"flux"}
    with pytest.raises(ContractError, match=r"observe: expected names among .* got \['stress'\]"):
        many.observe(["stress"])
    cotangents = {name: generator.standard_normal(array.shape) for name, array in seen.items()}
    assert taylor_order(many, cotangents, generator) == pytest.approx(2.0, abs=0.1)


def test_a_restored_state_has_the_gradients_of_its_solution(generator):
    problem, weight = nonlinear(), {"rate": np.ones(1)}
    fields = [generator.uniform(1, 3, problem.controls["field"].x.array.size) for _ in range(2)]
    states, expected = [], []
    for field in fields:
        problem.set_controls({"field": field})
        problem.solve()
        states.append(problem.observe(["state"])["state"])
        expected.append(problem.pull_back(weight)["field"])
    for field, state, gradient in zip(fields, states, expected, strict=True):
        problem.set_controls({"field": field})
        problem.restore(state)
        np.testing.assert_allclose(problem.pull_back(weight)["field"], gradient, rtol=1e-12)
    with pytest.raises(ContractError, match=r"state: expected the dofs, shape \(36,\), got \(3,\)"):
        problem.restore(np.ones(3))


def test_controls_are_set_after_all_were_checked():
    problem = nonlinear()
    problem.set_controls({"wind": [3, 4], "field": np.full(36, 2.5, dtype=np.float32)})
    assert problem.controls["wind"].value.tolist() == [3.0, 4.0]
    assert (problem.controls["field"].x.array == 2.5).all()
    for values, message in (
        ({"wind": [1.0, 2.0, 3.0]}, r"control 'wind': expected 2 values in a row, got shape \(3,\)"),
        ({"field": np.ones((6, 6))}, r"control 'field': expected 36 values in a row, got shape \(6, 6\)"),
        ({"wind": [0, 0], "field": np.ones(36, dtype=complex)}, "'field': expected real numbers, got complex128"),
        ({"field": ["a"] * 36}, "'field': expected real numbers, got <U1"),
        ({"sun": 1.0}, r"control 'sun': expected one of \['boundary', 'field', 'wind'\]"),
    ):
        with pytest.raises(ContractError, match=message):
            problem.set_controls(values)
    assert problem.controls["wind"].value.tolist() == [3.0, 4.0]


def folded(x):
    x[-1] = [0.1, 0.1, 0.0]


def flat(x):
    x[:, 1] = 0.0


@pytest.mark.parametrize("spoil", [folded, flat])
def test_folded_and_flat_cells_are_found(spoil):
    domain = mesh.create_unit_square(MPI.COMM_SELF, 1, 1, mesh.CellType.quadrilateral)
    spoil(domain.geometry.x)
    with pytest.raises(MeshingError, match="1 inverted or degenerate cells, the first is cell 0 at"):
        diffusion(domain)


def test_what_has_to_be_positive(generator):
    domain = square()
    space = fem.functionspace(domain, ("Lagrange", 1))
    u, v, load = fem.Function(space), ufl.TestFunction(space), fem.Constant(domain, 3.0)
    kappa = fem.Function(fem.functionspace(domain, ("DG", 0)))
    kappa.x.array[:] = 1.0
    form = ((1 + u**2) * kappa * ufl.inner(ufl.grad(u), ufl.grad(v)) - load * v) * ufl.dx
    problem = VariationalProblem(
        form,
        u,
        controls={"kappa": kappa, "load": load},
        bcs=[fem.dirichletbc(0.0, boundary_dofs(space), space)],
        positive={"kappa": kappa, "u + 0.1": u + 0.1},
    )
    expected = problem.solve().x.array.copy()
    kappa.x.array[5] = -2.0
    with pytest.raises(ValueError, match="expected kappa > 0, got -2 in cell 5"):
        problem.solve()
    kappa.x.array[5], load.value = 1.0, -8.0
    with pytest.raises(ConvergenceError, match=r"expected u \+ 0.1 > 0, got -.* in cell"):
        problem.solve()
    load.value = 3.0
    np.testing.assert_allclose(problem.solve().x.array, expected, rtol=1e-9)


def test_loads_are_raised_in_steps():
    """With two iterations Newton's method fails at the whole load; smaller steps reach the same solution."""

    def stretched(newton):
        domain = square()
        space = fem.functionspace(domain, ("Lagrange", 1, (2,)))
        u, v = fem.Function(space), ufl.TestFunction(space)
        F = ufl.Identity(2) + ufl.grad(u)
        energy = ((ufl.inner(F, F) - 2) / 2 - ufl.ln(ufl.det(F)) + (ufl.det(F) - 1) ** 2) * ufl.dx
        pull = fem.Constant(domain, 0.0)
        ends = [fem.locate_dofs_geometrical(space, lambda x, at=at: np.isclose(x[0], at)) for at in (0, 1)]
        right = fem.locate_dofs_geometrical((space.sub(0), space.sub(0).collapse()[0]), lambda x: np.isclose(x[0], 1))[
            0
        ]
        bcs = [fem.dirichletbc(np.zeros(2), ends[0], space), fem.dirichletbc(pull, right, space.sub(0))]
        return VariationalProblem(
            ufl.derivative(energy, u, v), u, controls={"pull": pull}, bcs=bcs, positive={"det F": ufl.det(F)},
            solver=SolverOptions(symmetric=True, newton=newton),
        )  # fmt: skip

    reference = stretched(Newton())
    reference.set_controls({"pull": 2.0})
    reference.solve()
    few = stretched(Newton(iterations=4))
    few.set_controls({"pull": 2.0})
    with pytest.raises(ConvergenceError, match="after 4 iterations"):
        few.solve()
    stepped = stretched(Newton(iterations=4, loads=("pull",)))
    for pull in (2.0, 0.5, 2.0):  # from zero, back from the last solution, and there again
        stepped.set_controls({"pull": pull})
        stepped.solve()
        assert stepped.controls["pull"].value == pull
    np.testing.assert_allclose(stepped.state.x.array, reference.state.x.array, atol=1e-9)
    stepped.set_controls({"pull": -1.2})
    with pytest.raises(
        ConvergenceError, match=r"% of the way to the load \['pull'\] were reached, .* det F > 0|%.*smaller"
    ):
        stepped.solve()
    assert stepped.controls["pull"].value == -1.2
    np.testing.assert_allclose(stepped.state.x.array, reference.state.x.array, atol=1e-9)


@pytest.mark.parametrize("symmetric", [True, False])
def test_parts_that_hang_on_one_node_are_found(symmetric):
    """The second square can turn about the node that it shares with the first."""
    n = 4
    corners = np.array([(i, j) for i in range(n + 1) for j in range(n + 1)], dtype=float)
    first = np.array([(i * (n + 1) + j, (i + 1) * (n + 1) + j) for i in range(n) for j in range(n)])
    cells = np.column_stack([first, first + 1])
    joint = len(corners) - 1
    domain = mesh.create_mesh(
        MPI.COMM_SELF,
        np.vstack([cells, cells + joint]).astype(np.int64),
        basix.ufl.element("Lagrange", "quadrilateral", 1, shape=(2,)),
        np.vstack([corners, corners[1:] + n]),
    )
    space = fem.functionspace(domain, ("Lagrange", 1, (2,)))
    u, v, E = fem.Function(space), ufl.TestFunction(space), fem.Constant(domain, 1e3)
    eps, clamped = ufl.sym(ufl.grad(u)), fem.locate_dofs_geometrical(space, lambda x: np.isclose(x[0], 0))
    problem = VariationalProblem(
        E * ufl.inner(eps + ufl.tr(eps) * ufl.Identity(2), ufl.sym(ufl.grad(v))) * ufl.dx - v[0] * ufl.dx,
        u,
        controls={"E": E},
        bcs=[fem.dirichletbc(np.zeros(2), clamped, space)],
        solver=SolverOptions(symmetric=symmetric),
    )
    with pytest.raises(ConvergenceError, match="hold every part of the mesh"):
        problem.solve()


@pytest.mark.parametrize("cells", [4, 64])
def test_a_body_that_can_slide_is_found(cells):
    """The rollers stop it along x only, and the load is along x."""
    left, right = (lambda x: np.isclose(x[0], 0)), (lambda x: np.isclose(x[0], 1))
    domain = square(cells, mesh.CellType.quadrilateral)
    problem = elasticity(domain, [Roller(left, axis=0), Traction(right, (1.0, 0.0))])
    with pytest.raises(ConvergenceError, match="the body moves without a force: check that the boundary conditions"):
        problem.solve()
