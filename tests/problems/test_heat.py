"""Transient heat by conditions as data: eigenmode, conservation, steady limit, gradients, history on a grid."""

import numpy as np
import pytest
from dolfinx import mesh
from mpi4py import MPI

from genmech_fem.adapters import ProblemModel, as_vector, sample_history
from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.forward import check_vjp
from genmech_fem.problems.conditions import Dirichlet, Flux, Source
from genmech_fem.problems.diffusion import diffusion
from genmech_fem.problems.heat import TimeSteps, transient_heat


def square(n=6, cell=mesh.CellType.quadrilateral):
    return mesh.create_unit_square(MPI.COMM_SELF, n, n, cell)


@pytest.mark.parametrize("theta", [0.5, 1.0])
def test_decay_of_an_eigenmode(theta):
    """On Q1 elements the nodal values of sin(pi x) sin(pi y) decay by one factor a step."""
    n, dt, steps = 8, 0.02, 10
    problem = transient_heat(square(n), TimeSteps(dt, steps, theta))
    x, y = problem.initial.function_space.tabulate_dof_coordinates()[:, :2].T
    mode = np.sin(np.pi * x) * np.sin(np.pi * y)
    problem.set_controls({"initial": mode, "conductivity": np.full(n * n, 3.0), "capacity": np.full(n * n, 2.0)})
    problem.solve()
    c = np.cos(np.pi / n)
    rate = 1.5 * 2 * 6 * n**2 * (1 - c) / (2 + c)
    factor = (1 - (1 - theta) * rate * dt) / (1 + theta * rate * dt)
    history = problem.observe(["state"])["state"].reshape(steps + 1, -1)
    np.testing.assert_allclose(history, factor ** np.arange(steps + 1)[:, None] * mode, atol=1e-13)


def test_heat_is_conserved():
    """What flows in through one side, at a rate of its own in every step, stays in the insulated body."""
    left = Flux(lambda x: np.isclose(x[0], 0), 0.0)
    problem = transient_heat(square(cell=mesh.CellType.triangle), TimeSteps(0.5, 4), [left], series=["inflow"])
    inflow = np.array([1.0, 3.0, 0.0, -2.0])
    problem.set_controls({"inflow": inflow, "capacity": np.random.default_rng(0).uniform(1, 5, 72)})
    problem.solve()
    np.testing.assert_allclose(problem.observe(["heat"])["heat"], 0.5 * np.cumsum(inflow), atol=1e-12)


def test_large_steps_reach_the_steady_state(generator):
    conditions = [Dirichlet(lambda x: np.isclose(x[1], 0), 2.0), Source(5.0)]
    steady, transient = diffusion(square(), conditions), transient_heat(square(), TimeSteps(1e6, 3, 1.0), conditions)
    kappa = generator.uniform(1, 4, 36)
    for problem in (steady, transient):
        problem.set_controls({"conductivity": kappa})
        problem.solve()
    np.testing.assert_allclose(transient.state.x.array, steady.state.x.array, rtol=1e-5)


def test_taylor(taylor_order, generator):
    problem = transient_heat(
        square(3),
        TimeSteps(0.05, 4),
        [Dirichlet(lambda x: np.isclose(x[1], 0), 2.0), Source(5.0)],
        series=["source", "boundary_value"],
    )
    problem.set_controls({"conductivity": np.full(9, 2.0)})
    problem.solve()
    cotangents = {name: generator.standard_normal(array.shape) for name, array in problem.observe().items()}
    assert taylor_order(problem, cotangents, generator) == pytest.approx(2.0, abs=0.1)


def test_histories_on_a_grid():
    """A model from the sources of all steps to a sequence of fields (batch, steps + 1, nx, ny)."""
    problem = transient_heat(square(), TimeSteps(0.1, 3), series=["source"])
    history = FieldSpec("temperature", Grid((5, 4), (0, 0), (1, 1)), (4,), "K")
    model = ProblemModel(
        problem, (as_vector(ScalarSpec("source", 3, "W/m^3"), "source"),), (sample_history(problem, history),)
    )
    inputs = {"source": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]])}
    fields = model(inputs)["temperature"]
    assert fields.shape == (2, 4, 5, 4)
    assert not fields[:, 0].any()
    assert not fields[1, :3].any()
    np.testing.assert_allclose(fields[1, 3], 2 * fields[0, 1], rtol=1e-12)
    assert check_vjp(model, inputs, np.random.default_rng(0)) == float("inf")
    with pytest.raises(ContractError, match=r"expected value shape \(4, ...\)"):
        sample_history(problem, FieldSpec("temperature", history.place, (), "K"))


def test_bad_input():
    for arguments in ((0.0, 3), (0.1, 0), (0.1, 3, 0.2)):
        with pytest.raises(ValueError, match="expected size > 0, count >= 1 and theta in"):
            TimeSteps(*arguments)
    with pytest.raises(ContractError, match="series: expected constants among .* got 'conductivity'"):
        transient_heat(square(), TimeSteps(0.1, 3), series=["conductivity"])
    problem = transient_heat(square(), TimeSteps(0.1, 3))
    problem.controls["capacity"].x.array[3] = 0.0
    with pytest.raises(ValueError, match="expected capacity > 0, got 0 in cell 3"):
        problem.solve()
