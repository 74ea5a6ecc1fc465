"""Problems in time: order of the theta scheme, the adjoint through all steps."""

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.problems import LinearSolver, SolverOptions, TransientProblem, VariationalProblem


def heat(n=6, steps=8, dt=0.01, theta=0.5, nonlinear=0.0):
    """c du/dt = div((1 + nonlinear u^2) kappa grad u) + q(t) on the unit square, 0 on its boundary."""
    domain = mesh.create_unit_square(MPI.COMM_SELF, n, n, mesh.CellType.quadrilateral)
    space = fem.functionspace(domain, ("Lagrange", 1))
    u, before, v = fem.Function(space), fem.Function(space), ufl.TestFunction(space)
    kappa = fem.Function(fem.functionspace(domain, ("DG", 0)))
    kappa.x.array[:] = 1.0
    source, time_step = fem.Constant(domain, 0.0), fem.Constant(domain, dt)
    middle = theta * u + (1 - theta) * before
    flux = (1 + nonlinear * middle**2) * kappa * ufl.grad(middle)
    form = ((u - before) / time_step * v + ufl.inner(flux, ufl.grad(v)) - source * v) * ufl.dx
    domain.topology.create_connectivity(1, 2)
    edge = fem.locate_dofs_topological(space, 1, mesh.exterior_facet_indices(domain.topology))
    step = VariationalProblem(
        form,
        u,
        controls={"previous": before, "kappa": kappa, "source": source, "time_step": time_step},
        bcs=[fem.dirichletbc(0.0, edge, space)],
        observables={"heat": u * ufl.dx, "flux": flux},
        solver=SolverOptions(symmetric=not nonlinear),
    )
    return TransientProblem(step, steps, series=["source"])


def eigenmode(problem):
    x, y = problem.initial.function_space.tabulate_dof_coordinates()[:, :2].T
    return np.sin(np.pi * x) * np.sin(np.pi * y)


@pytest.mark.parametrize(("theta", "order"), [(0.5, 2), (1.0, 1)])
def test_order_in_time(theta, order):
    errors = []
    for steps in (4, 8, 16):
        problem = heat(6, steps, 0.08 / steps, theta)
        mode = eigenmode(problem)
        problem.set_controls({"initial": mode})
        c = np.cos(np.pi / 6)
        exact = np.exp(-0.08 * 2 * 6 * 36 * (1 - c) / (2 + c))
        errors.append(abs(problem.solve().x.array.max() / mode.max() - exact))
    assert -np.polyfit(np.log([4, 8, 16]), np.log(errors), 1)[0] == pytest.approx(order, abs=0.1)


def test_a_source_of_every_step_and_the_observables():
    problem = heat(steps=3)
    sources = np.array([1.0, 0.0, -2.0])
    problem.set_controls({"source": sources, "kappa": np.full(36, 1e-12)})
    problem.solve()
    np.testing.assert_allclose(problem.state.x.array.max(), 0.01 * sources.sum() + 0.0, atol=2e-2)
    seen = problem.observe()
    assert {name: a.shape for name, a in seen.items()} == {"state": (4 * 49,), "heat": (3,), "flux": (3 * 72,)}
    assert seen["heat"][0] > 0
    assert seen["heat"][1] == pytest.approx(seen["heat"][0], rel=1e-6)


@pytest.mark.parametrize("nonlinear", [0.0, 2.0])
@pytest.mark.parametrize("observed", [("state",), ("heat", "flux"), ("state", "heat")])
def test_taylor(taylor_order, generator, nonlinear, observed):
    problem = heat(4, 5, 0.05, nonlinear=nonlinear)
    problem.set_controls({"initial": 2 * eigenmode(problem), "source": np.arange(5.0), "kappa": np.full(16, 2.0)})
    problem.solve()
    cotangents = {name: generator.standard_normal(problem.observe()[name].shape) for name in observed}
    for names in (["kappa", "time_step"], ["source", "initial", "kappa"], *([["initial"]] if nonlinear else [])):
        scale = 1e-3 if "time_step" in names else 1e-2
        order = taylor_order(problem, cotangents, generator, names, steps=(scale, scale / 2, scale / 4))
        assert order == pytest.approx(2.0, abs=0.15)


def test_linear_controls_have_exact_gradients(generator):
    problem = heat(4, 5)
    initial, weight = generator.standard_normal((2, 25))
    problem.solve()
    base = problem.state.x.array.copy()
    history = np.concatenate([np.zeros(5 * 25), weight])
    gradients = problem.pull_back({"state": history})
    problem.set_controls({"initial": initial, "source": generator.standard_normal(5)})
    change = weight @ (problem.solve().x.array - base)
    slope = gradients["initial"] @ initial + gradients["source"] @ problem.controls["source"].value
    assert change == pytest.approx(slope, rel=1e-10)


def test_one_factorisation_for_all_steps_there_and_back(monkeypatch):
    made, factorise = [], LinearSolver.factorise
    monkeypatch.setattr(LinearSolver, "factorise", lambda self: made.append(1) or factorise(self))
    problem = heat()
    problem.solve()
    problem.pull_back({"heat": np.ones(8)})
    assert len(made) == 1


def test_residual_restore_and_stale_controls(generator):
    problem = heat(4, 3)
    problem.set_controls({"initial": eigenmode(problem)})
    problem.solve()
    history = problem.observe()["state"]
    weight = {"heat": np.ones(3)}
    gradient = problem.pull_back(weight)["initial"]
    assert problem.residual_norm(history) < 1e-12
    assert problem.residual_norm(1.1 * history + 0.01) > 1e-3
    problem.set_controls({"initial": np.zeros(25)})
    with pytest.raises(ConvergenceError, match="call solve"):
        problem.pull_back(weight)
    problem.solve()
    problem.set_controls({"initial": eigenmode(problem)})
    problem.restore(history)
    np.testing.assert_allclose(problem.pull_back(weight)["initial"], gradient, rtol=1e-12)


def test_what_goes_wrong_is_said():
    problem = heat(4, 3)
    step = problem.step
    with pytest.raises(ContractError, match="previous: expected a control in the space of the state, got 'kappa'"):
        TransientProblem(step, 3, previous="kappa")
    with pytest.raises(ContractError, match="series: expected constants among .* got 'kappa'"):
        TransientProblem(step, 3, series=["kappa"])
    with pytest.raises(ValueError, match="steps: expected at least 1, got 0"):
        TransientProblem(step, 0)
    problem.solve()
    with pytest.raises(ContractError, match=r"state: expected a history, shape \(100,\), got \(25,\)"):
        problem.pull_back({"state": np.ones(25)})
    with pytest.raises(ContractError, match=r"cotangent 'heat': .* each of 3 steps in a row, got shape \(4,\)"):
        problem.pull_back({"heat": np.ones(4)})
    problem.set_controls({"kappa": np.full(16, 1e308)})
    with pytest.raises(ConvergenceError, match="time step 1 of 3: .*coefficients"):
        problem.solve()
