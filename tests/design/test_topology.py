"""Topology optimisation through DOLFINx against published compliances."""

import json

import numpy as np
import pytest

from genmech_fem.adapters import cantilever, mbb_beam
from genmech_fem.adapters.heat_sink import heat_sink
from genmech_fem.design import (
    CMAES,
    LBFGS,
    RAMP,
    SIMP,
    Constraint,
    Densities,
    DensityFilter,
    Mean,
    OptimalityCriteria,
    Projection,
    SensitivityFilter,
    TrustConstr,
    Value,
    Weighted,
    minimize,
    topology_optimization,
)
from genmech_fem.design.nlopt import MMA
from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.forward import FunctionModel, check_vjp, compose

COMPLIANCE = Value("compliance")


def grid(*shape):
    return Grid(shape, (0,) * len(shape), shape)


def filtered(*shape, radius=1.5, **parts):
    return Densities(DensityFilter(grid(*shape), radius), **parts)


@pytest.mark.parametrize(
    ("kind", "published", "within"), [(SensitivityFilter, 216.81, 0.05), (DensityFilter, 233.71, 0.01)]
)
def test_the_mbb_beam_has_the_published_compliance(kind, published, within):
    """60 x 20, volume 0.5, radius 2.4, penalty 3, stopped at a change of 0.01: Andreassen et al. (2011)."""
    found = topology_optimization(mbb_beam(60, 20), Densities(kind(grid(60, 20), 2.4)), 0.5, iterations=300)
    assert found.message == "no variable changed by more than 0.01"
    assert found.value == pytest.approx(published, abs=within)
    assert found.value <= found.history[-1] == pytest.approx(published, abs=within)
    assert found.outputs["density"].mean() == pytest.approx(0.5, abs=1e-9)
    assert len(found.history) == found.evaluations


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


def test_moduli_scale_the_compliance_and_the_model_describes_itself():
    small = mbb_beam(12, 4)
    moduli = {"youngs_modulus": np.stack([np.full((12, 4), 1.0), np.full((12, 4), 4.0)])}
    soft, stiff = small(moduli)["compliance"][:, 0]
    assert soft == pytest.approx(4 * stiff, rel=1e-10)
    slope = small.vjp(moduli, {"compliance": np.ones((2, 1))})["youngs_modulus"]
    assert -slope[0].sum() == pytest.approx(soft, rel=1e-10)  # Euler: homogeneous of degree -1
    assert json.dumps(small.description()) != json.dumps(mbb_beam(12, 4 + 1).description())


class Layers:
    """Moduli of layers along a beam."""

    inputs, outputs = (ScalarSpec("layers", 4),), (FieldSpec("youngs_modulus", grid(8, 4)),)

    def __call__(self, inputs):
        return {"youngs_modulus": np.repeat(inputs["layers"][:, None], 8, axis=1)}

    def vjp(self, inputs, cotangents):
        return {"layers": cotangents["youngs_modulus"].sum(axis=1)}


@pytest.fixture(scope="module")
def layered():
    """Solver of the layers, and a function that runs an optimiser at a mean modulus of 0.5."""
    model = compose(Layers(), cantilever((8, 4), 0.5))

    def run(optimizer, iterations, price=0.0):
        kept = [] if price else [Constraint(Mean("layers"), most=0.5)]
        objective = Weighted((1.0, COMPLIANCE), (price, Mean("layers")))
        start = {"layers": np.array([[0.4, 0.5, 0.6, 0.5]])}
        bounds = {"layers": (0.05, 2.0)}
        return minimize(model, objective, start, optimizer, constraints=kept, bounds=bounds, iterations=iterations)

    return run


def test_all_optimisers_find_the_same_layers_through_the_solver(layered):
    """The problem is convex; without a constraint the optimum is that of the price that is the multiplier."""
    found = layered(OptimalityCriteria(tolerance=1e-7), 100)
    wanted = found.design["layers"][0]
    np.testing.assert_allclose(wanted, wanted[::-1], rtol=1e-5)
    assert wanted.mean() == pytest.approx(0.5)
    assert wanted[0] > 2 * wanted[1]
    np.testing.assert_allclose(layered(TrustConstr(), 200).design["layers"][0], wanted, rtol=5e-3)
    np.testing.assert_allclose(layered(CMAES(0.1), 60).design["layers"][0], wanted, rtol=5e-2)
    h = 1e-4
    thicker, thinner = (cantilever((8, 4), 0.5)(Layers()({"layers": (wanted * f)[None]})) for f in (1 + h, 1 - h))
    price = (thinner["compliance"] - thicker["compliance"]).item() / (2 * h * wanted.mean())
    np.testing.assert_allclose(layered(LBFGS(), 100, price).design["layers"][0], wanted, rtol=5e-3)


def test_moving_asymptotes_find_them_too(layered):
    pytest.importorskip("nlopt")
    wanted = layered(OptimalityCriteria(tolerance=1e-7), 100).value
    assert layered(MMA(), 100).value == pytest.approx(wanted, rel=5e-3)


def test_moving_asymptotes_are_as_good_as_optimality_criteria():
    pytest.importorskip("nlopt")
    model, densities = mbb_beam(24, 8), filtered(24, 8)
    criteria, asymptotes = (
        topology_optimization(model, densities, 0.5, optimizer=optimizer, iterations=80) for optimizer in (None, MMA())
    )
    assert asymptotes.value == pytest.approx(criteria.value, rel=0.05)
    assert asymptotes.violation <= 1e-3


def test_both_interpolations_lead_to_solids_that_are_as_stiff():
    model, gentle = mbb_beam(30, 10), OptimalityCriteria(move=0.05)
    solids = []
    for law in (SIMP(), RAMP()):
        densities = filtered(30, 10, interpolation=law, projection=Projection(6.0))
        found = topology_optimization(model, densities, 0.5, optimizer=gentle, iterations=50)
        assert found.violation <= 1e-3
        np.testing.assert_array_equal(found.outputs["youngs_modulus"], law(found.outputs["density"]))
        solid = np.where(found.outputs["density"] > 0.5, 1.0, 1e-9)
        solids.append(model({"youngs_modulus": solid})["compliance"].item())
        assert solids[-1] == pytest.approx(found.value, rel=0.1)
    assert solids[0] == pytest.approx(solids[1], rel=0.05)


def test_continuation_of_the_projection_makes_a_design_black_and_white():
    model = mbb_beam(30, 10)
    grey = found = topology_optimization(model, filtered(30, 10, radius=2.0), 0.5, iterations=40)
    for beta in (2.0, 4.0, 8.0):
        sharp, start = filtered(30, 10, radius=2.0, projection=Projection(beta)), found.last["variables"][0]
        found = topology_optimization(model, sharp, 0.5, start=start, iterations=30)
    before, after = ((4 * d * (1 - d)).mean() for d in (grey.outputs["density"], found.outputs["density"]))
    assert after < 0.3 * before
    assert found.violation <= 1e-3
    assert found.value < 0.8 * grey.value


def test_the_last_design_is_where_another_loop_goes_on():
    model, densities = mbb_beam(12, 4), filtered(12, 4)
    whole = topology_optimization(model, densities, 0.5, iterations=6)
    first = topology_optimization(model, densities, 0.5, iterations=3)
    rest = topology_optimization(model, densities, 0.5, start=first.last["variables"][0], iterations=4)
    assert first.message == "3 iterations done"
    assert first.history[:-1] + rest.history == whole.history


def test_a_cantilever_in_3d_is_symmetric_and_gains_on_the_homogeneous_one():
    model = cantilever((12, 6, 4), 0.4)
    found = topology_optimization(model, filtered(12, 6, 4), 0.3, iterations=15)
    density = found.outputs["density"][0]
    assert found.value < 0.4 * found.history[0]
    assert density.mean() == pytest.approx(0.3, rel=1e-3)
    np.testing.assert_allclose(density, density[:, ::-1], atol=1e-6)
    np.testing.assert_allclose(density, density[:, :, ::-1], atol=1e-6)


def test_a_heat_sink_carries_heat_to_its_outlet():
    """The same loop through another problem: heat from everywhere leaves by a part of one side."""
    model = heat_sink((20, 20))
    (conductivity,) = model.inputs
    densities = Densities(DensityFilter(conductivity.place, 0.08), SIMP(void=0.01), modulus=conductivity)
    found = topology_optimization(model, densities, 0.4, iterations=30)
    density = found.outputs["density"][0]
    assert found.value < 0.5 * found.history[0]
    assert density[0, 9:11].min() > 0.8
    np.testing.assert_allclose(density, density[:, ::-1], atol=1e-5)


def test_passive_cells_stay_and_the_volume_counts_them():
    model, solid, void = mbb_beam(24, 8), np.zeros((24, 8), dtype=bool), np.zeros((24, 8), dtype=bool)
    solid[:, -1], void[8:12, 2:5] = True, True
    found = topology_optimization(model, filtered(24, 8, solid=solid, void=void), 0.5, iterations=40)
    density = found.outputs["density"][0]
    np.testing.assert_array_equal(density[solid], 1)
    np.testing.assert_array_equal(density[void], 0)
    assert density.mean() == pytest.approx(0.5, rel=1e-3)
    assert topology_optimization(model, filtered(24, 8), 0.5, iterations=40).value < found.value < found.history[0]


@pytest.mark.parametrize(
    ("fraction", "masks", "message"),
    [
        (0.2, {"solid": 3}, "0.25 of the grid is always solid and 0 always void, a volume of 0.2 cannot be reached"),
        (0.8, {"void": 3}, "0 of the grid is always solid and 0.25 always void, a volume of 0.8 cannot"),
        (0.0, {}, "between 0 and 1, got 0.0"),
        (1.2, {}, "got 1.2"),
        (np.nan, {}, "got nan"),
    ],
)
def test_volumes_that_cannot_be_reached_are_refused(fraction, masks, message):
    masks = {name: np.arange(12)[:, None].repeat(4, 1) < rows for name, rows in masks.items()}
    with pytest.raises(ValueError, match=message):
        topology_optimization(mbb_beam(12, 4), filtered(12, 4, **masks), fraction)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (np.zeros((12, 4)), "not all 0"),
        (np.full((12, 4), 1.5), "from 0 to 1"),
        (np.full((12, 4), np.nan), "from 0 to 1"),
        (np.ones(3), r"of shape \(12, 4\), got \(3,\)"),
    ],
)
def test_starts_that_are_no_designs_are_refused(start, message):
    with pytest.raises(ContractError, match=message):
        topology_optimization(mbb_beam(12, 4), filtered(12, 4), 0.5, start=start)


def test_what_does_not_fit_is_named():
    small = mbb_beam(12, 4)
    with pytest.raises(ContractError, match="a model with vjp"):
        topology_optimization(FunctionModel(small, small.inputs, small.outputs), filtered(12, 4), 0.5)
    with pytest.raises(ContractError, match="'youngs_modulus' is"):
        topology_optimization(small, filtered(12, 5), 0.5)
    with pytest.raises(ContractError, match="Value needs 'energy', the design loop has"):
        topology_optimization(small, filtered(12, 4), 0.5, objective=Value("energy"))
    with pytest.raises(ContractError, match=r"takes \['conductivity'\], the first one makes \['density'"):
        topology_optimization(heat_sink((12, 10)), filtered(12, 4), 0.5)
    with pytest.raises(ValueError, match="iterations: expected at least 1"):
        topology_optimization(small, filtered(12, 4), 0.5, iterations=0)
