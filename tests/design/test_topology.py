"""Topology optimisation through DOLFINx against published compliances."""

import json

import numpy as np
import pytest
from dolfinx import mesh
from mpi4py import MPI

from genmech_fem.adapters import ProblemModel, as_vector, cantilever, cell_values, mbb_beam
from genmech_fem.design import (
    RAMP,
    SIMP,
    Densities,
    DensityFilter,
    OptimalityCriteria,
    Projection,
    SensitivityFilter,
    topology_optimization,
    topology_steps,
)
from genmech_fem.errors import ContractError, ConvergenceError, NotFiniteError
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.forward import FunctionModel, check_vjp, linearize
from genmech_fem.problems import Dirichlet, Source, diffusion

HALF = OptimalityCriteria(0.5)


def grid(*shape):
    return Grid(shape, (0,) * len(shape), shape)


@pytest.fixture(scope="module")
def small():
    return mbb_beam(12, 4)


def filtered(*shape):
    return Densities(DensityFilter(grid(*shape), 1.5))


@pytest.mark.parametrize(
    ("kind", "published", "within"), [(SensitivityFilter, 216.81, 0.05), (DensityFilter, 233.71, 0.01)]
)
def test_the_mbb_beam_has_the_published_compliance(kind, published, within):
    """60 x 20, volume 0.5, radius 2.4, penalty 3, stopped at a change of 0.01: Andreassen et al. (2011)."""
    found = topology_optimization(mbb_beam(60, 20), Densities(kind(grid(60, 20), 2.4)), update=HALF)
    assert found.converged, found.message
    assert found.last.compliance == pytest.approx(published, abs=within)
    assert found.last.volume == pytest.approx(0.5, abs=1e-9)
    assert found.best.compliance <= found.last.compliance == found.history[-1]


@pytest.mark.parametrize(
    "densities", [Densities(DensityFilter(grid(12, 4), 1.5), RAMP(), Projection(4.0)), filtered(12, 4)]
)
def test_the_gradient_passes_the_taylor_test(densities, small):
    generator = np.random.default_rng(0)
    x, d = generator.uniform(0.3, 0.7, (12, 4)), generator.standard_normal((12, 4))

    def compliance(x):
        return small({"youngs_modulus": densities.interpolation(densities(x))[None]})["compliance"].item()

    _, pull_back = linearize(small, {"youngs_modulus": densities.interpolation(densities(x))[None]})
    slope = pull_back({"compliance": np.ones((1, 1))})["youngs_modulus"][0]
    gradient = densities.sensitivity(x, slope * densities.interpolation.derivative(densities(x)))
    steps = np.array([1e-3, 5e-4, 2.5e-4])
    remainders = [abs(compliance(x + h * d) - compliance(x) - h * np.vdot(gradient, d)) for h in steps]
    assert np.polyfit(np.log(steps), np.log(remainders), 1)[0] > 1.9


@pytest.mark.parametrize(("shape", "patch", "within"), [((60, 10), 0.2, 0.01), ((32, 8, 2), 0.25, 0.025)])
def test_a_full_cantilever_bends_as_a_timoshenko_beam(shape, patch, within):
    model = cantilever(shape, patch)
    length, height, width = (*shape, 1)[:3]
    theory = 4 * length**3 / (height**3 * width) + 1.2 * 2.6 * length / (height * width)
    full = {"youngs_modulus": np.ones((1, *shape))}
    assert model(full)["compliance"].item() == pytest.approx(theory, rel=within)
    assert check_vjp(model, full, np.random.default_rng(0)) > 1.9


def test_the_mbb_beam_is_that_of_the_88_lines():
    """The element matrix and the numbering of Andreassen et al. (2011), with a dense solve."""
    nx, ny, nu = 7, 5, 0.3
    a = np.array([[12, 3, -6, -3], [3, 12, 3, 0], [-6, 3, 12, -3], [-3, 0, -3, 12]])
    b = np.array([[-6, -3, 0, 3], [-3, -6, -3, -6], [0, -3, -6, 3], [3, -6, 3, -6]])
    c = np.array([[-4, 3, -2, 9], [3, -4, -9, 4], [-2, -9, -4, -3], [9, 4, -3, -4]])
    d = np.array([[2, -3, 4, -9], [-3, 2, 9, -2], [4, 9, 2, 3], [-9, -2, 3, 2]])
    element = (np.block([[a, b], [b.T, a]]) + nu * np.block([[c, d], [d.T, c]])) / (1 - nu**2) / 24
    E = np.random.default_rng(0).uniform(0.01, 1, (nx, ny))
    K = np.zeros((2 * (nx + 1) * (ny + 1),) * 2)
    for i, j in np.ndindex(nx, ny):  # j counts from the top
        first = 2 * ((ny + 1) * i + j)
        dofs = first + np.array([2, 3, 2 * ny + 4, 2 * ny + 5, 2 * ny + 2, 2 * ny + 3, 0, 1])
        K[np.ix_(dofs, dofs)] += E[i, ny - 1 - j] * element
    free = np.setdiff1d(np.arange(len(K)), [*range(0, 2 * (ny + 1), 2), len(K) - 1])
    load = -np.eye(len(K))[1][free]
    expected = load @ np.linalg.solve(K[np.ix_(free, free)], load)
    assert mbb_beam(nx, ny)({"youngs_modulus": E[None]})["compliance"].item() == pytest.approx(expected, rel=1e-10)


def test_moduli_scale_the_compliance_and_the_model_describes_itself(small):
    moduli = {"youngs_modulus": np.stack([np.full((12, 4), 1.0), np.full((12, 4), 4.0)])}
    soft, stiff = small(moduli)["compliance"][:, 0]
    assert soft == pytest.approx(4 * stiff, rel=1e-10)
    slope = small.vjp(moduli, {"compliance": np.ones((2, 1))})["youngs_modulus"]
    assert -slope[0].sum() == pytest.approx(soft, rel=1e-10)  # Euler: homogeneous of degree -1
    assert json.dumps(small.description()) != json.dumps(mbb_beam(12, 4 + 1).description())


@pytest.mark.parametrize("shape", [(0, 4), (6,), (6, 4, 0)])
def test_beams_without_cells_are_refused(shape):
    with pytest.raises(ValueError, match="numbers of cells along 2 or 3 axes"):
        cantilever(shape)
    with pytest.raises(ValueError, match="make the patch larger"):
        cantilever((8, 4), patch=0.1)


def test_a_cantilever_in_3d_gains_on_the_homogeneous_one():
    update = OptimalityCriteria(0.3)
    densities = Densities(DensityFilter(grid(12, 6, 4), 1.5))
    found = topology_optimization(cantilever((12, 6, 4), 0.4), densities, update=update, iterations=15)
    assert found.best.compliance < 0.4 * found.history[0]
    assert found.best.volume == pytest.approx(0.3, abs=1e-9)
    np.testing.assert_allclose(found.best.density, found.best.density[:, ::-1], atol=1e-6)
    np.testing.assert_allclose(found.best.density, found.best.density[:, :, ::-1], atol=1e-6)


def test_a_heat_sink_carries_heat_to_its_outlet():
    """The same loop through another problem: heat from everywhere leaves by the middle of one side."""
    domain = mesh.create_unit_square(MPI.COMM_SELF, 20, 20, mesh.CellType.quadrilateral)
    outlet = Dirichlet(lambda x: np.isclose(x[0], 0) & (abs(x[1] - 0.5) < 0.11), 0.0)
    problem = diffusion(domain, [outlet, Source(1.0)])
    place = Grid((20, 20), (0, 0), (1, 1))
    conductivity = cell_values(problem.controls["conductivity"], FieldSpec("k", place), "conductivity")
    model = ProblemModel(problem, (conductivity,), (as_vector(ScalarSpec("compliance"), "compliance"),))
    densities = Densities(DensityFilter(place, 0.08), SIMP(void=0.01))
    found = topology_optimization(model, densities, update=OptimalityCriteria(0.4), iterations=30)
    assert found.best.compliance < 0.5 * found.history[0]
    assert found.best.density[0, 9:11].min() > 0.8
    np.testing.assert_allclose(found.best.density, found.best.density[:, ::-1], atol=1e-5)


def test_projection_makes_a_design_black_and_white():
    model, smooth = mbb_beam(30, 10), DensityFilter(grid(30, 10), 2.0)
    grey = topology_optimization(model, Densities(smooth), update=HALF, iterations=40)
    found = grey
    for beta in (2.0, 4.0, 8.0):
        sharp, start = Densities(smooth, projection=Projection(beta)), found.last.variables
        found = topology_optimization(model, sharp, update=HALF, start=start, iterations=30)
    before, after = ((4 * run.last.density * (1 - run.last.density)).mean() for run in (grey, found))
    assert after < 0.3 * before
    assert found.last.volume == pytest.approx(0.5, abs=1e-8)
    assert found.last.compliance < 0.8 * grey.last.compliance


def test_a_resumed_run_goes_the_same_way(small):
    whole = topology_optimization(small, filtered(12, 4), update=HALF, iterations=6)
    first = topology_optimization(small, filtered(12, 4), update=HALF, iterations=3)
    rest = topology_optimization(small, filtered(12, 4), update=HALF, start=first.last.variables, iterations=4)
    assert first.message == "3 iterations done"
    assert first.history[:-1] + rest.history == whole.history


def test_an_interruption_keeps_what_was_found(small):
    def stop(step):
        if step.iteration == 3:
            raise KeyboardInterrupt

    found = topology_optimization(small, filtered(12, 4), update=HALF, progress=stop)
    assert (found.converged, found.message) == (False, "ended after iteration 3: interrupted")
    steps = topology_steps(small, filtered(12, 4), update=HALF)
    assert found.history == tuple(next(steps).compliance for _ in range(3))
    assert found.best.compliance == min(found.history)


def test_the_best_design_keeps_the_volume(small):
    found = topology_optimization(small, filtered(12, 4), update=HALF, start=np.ones((12, 4)), iterations=8)
    assert found.history[0] == min(found.history)
    assert found.best.iteration > 1
    assert found.best.volume == pytest.approx(0.5, abs=1e-6)
    alone = topology_optimization(small, filtered(12, 4), update=HALF, start=np.ones((12, 4)), iterations=1)
    assert alone.best.volume == pytest.approx(1.0)


class Failing:
    """Compliance of springs side by side, until it fails."""

    inputs, outputs = (FieldSpec("E", grid(3, 2)),), (ScalarSpec("compliance"),)

    def __init__(self, good, failure):
        self.left, self.failure = good, failure

    def __call__(self, inputs):
        self.left -= 1
        if self.left < 0 and isinstance(self.failure, Exception):
            raise self.failure
        return {"compliance": np.array([[(1 / inputs["E"]).sum() if self.left >= 0 else self.failure]])}

    def vjp(self, inputs, cotangents):
        return {"E": -1 / inputs["E"] ** 2}


@pytest.mark.parametrize(
    ("failure", "kind", "message"),
    [(ConvergenceError("no solution"), ConvergenceError, "no solution"), (np.nan, NotFiniteError, "compliance nan")],
)
def test_a_failure_keeps_what_was_found_and_raises_at_the_start(failure, kind, message):
    start = np.linspace(0.2, 0.8, 6).reshape(3, 2)
    found = topology_optimization(Failing(2, failure), filtered(3, 2), update=HALF, start=start)
    assert len(found.history) == 2
    assert message in found.message
    assert not found.converged
    with pytest.raises(kind, match=message):
        topology_optimization(Failing(0, failure), filtered(3, 2), update=HALF)


def test_what_does_not_fit_is_named(small):
    plain = FunctionModel(small, small.inputs, small.outputs)
    with pytest.raises(ContractError, match="a model with vjp"):
        topology_optimization(plain, filtered(12, 4), update=HALF)
    with pytest.raises(ContractError, match="one input, a scalar on"):
        topology_optimization(small, filtered(12, 5), update=HALF)
    finer = Densities(DensityFilter(Grid((12, 4), (0, 0), (1, 1)), 0.1))
    with pytest.raises(ContractError, match="one input, a scalar on"):
        topology_optimization(small, finer, update=HALF)
    other = Failing(1, None)
    other.outputs = (ScalarSpec("energy"),)
    with pytest.raises(ContractError, match="the output 'compliance'"):
        topology_optimization(other, filtered(3, 2), update=HALF)
    for start, message in (
        (np.zeros((12, 4)), "zero volume"),
        (np.full((12, 4), 1.5), "from 0 to 1"),
        (np.ones(3), "shape"),
    ):
        with pytest.raises(ContractError, match=message):
            topology_optimization(small, filtered(12, 4), update=HALF, start=start)
    with pytest.raises(ValueError, match="iterations: expected at least 1"):
        topology_optimization(small, filtered(12, 4), update=HALF, iterations=0)
