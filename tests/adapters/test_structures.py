"""Structures on the cells of their box: exact states of stress, load cases against single loads, certified states."""

import json
import pickle
from functools import partial

import numpy as np
import pytest

from genmech_fem.adapters import (
    Load,
    ResidualGuard,
    Side,
    Spring,
    Structure,
    Support,
    Torque,
    cantilever,
    mbb_structure,
)
from genmech_fem.adapters.pixel_structure import pixel_problem, pixel_structure
from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.forward import LazyModel, check_vjp, linearize
from genmech_fem.problems import Certificate, LinearSolver

ALL = ("compliance", "displacement", "von_mises")
LEFT = Support(Side("left"))


def pulled(shape, upper):
    """A bar that can contract, under a unit force along x."""
    rollers = tuple(Support(Side(name), (axis,)) for axis, name in enumerate(("left", "bottom", "front")[: len(shape)]))
    return Structure(shape, rollers, (Load(Side("right"), (1.0, 0.0, 0.0)[: len(shape)]),), upper)


def two_cases(shape=(8, 4)):
    """A downward force above and an outward one below the middle of the right side."""
    loads = Load(Side("right", 0.5, 1.0), (0.0, -1.0)), Load(Side("right", 0.0, 0.5), (2.0, 0.0))
    return Structure(shape, (LEFT,), loads, upper=(2.0, 1.0))


def moduli(shape, batch=1, seed=0):
    return {"youngs_modulus": np.random.default_rng(seed).uniform(0.2, 1.0, (batch, *shape))}


@pytest.mark.parametrize(("shape", "upper"), [((6, 4), (3.0, 0.5)), ((4, 2, 3), (3.0, 0.5, 2.0))])
def test_a_pulled_bar_has_the_stress_of_the_solid_and_contracts(shape, upper):
    length, area, E = upper[0], np.prod(upper[1:]), 4.0
    found = pixel_structure(pulled(shape, upper), ALL)({"youngs_modulus": np.full((1, *shape), E)})
    assert found["compliance"].item() == pytest.approx(length / (E * area), rel=1e-10)
    np.testing.assert_allclose(found["von_mises"], 1 / (E * area), rtol=1e-10)
    strain = np.array([1.0, -0.3, -0.3][: len(shape)]) / (E * area)
    nodes = np.stack(np.meshgrid(*[np.linspace(0, b, n + 1) for n, b in zip(shape, upper, strict=True)], indexing="ij"))
    np.testing.assert_allclose(found["displacement"][0], (nodes.T * strain).T, atol=1e-12)


def test_the_stress_is_that_of_the_strain_at_the_centres():
    shape, spacing = (8, 4), 0.25
    found = pixel_structure(two_cases(shape), ALL)(moduli(shape))
    u = found["displacement"][0]  # (cases, components, nodes)
    means = [(np.diff(u, axis=-2)[..., 1:] + np.diff(u, axis=-2)[..., :-1]) / (2 * spacing)]
    means += [(np.diff(u, axis=-1)[..., 1:, :] + np.diff(u, axis=-1)[..., :-1, :]) / (2 * spacing)]
    exx, eyy, exy = means[0][:, 0], means[1][:, 1], (means[1][:, 0] + means[0][:, 1]) / 2
    sxx, syy, sxy = (exx + 0.3 * eyy) / 0.91, (eyy + 0.3 * exx) / 0.91, exy / 1.3
    expected = np.sqrt(sxx**2 - sxx * syy + syy**2 + 3 * sxy**2)
    np.testing.assert_allclose(found["von_mises"][0], expected, rtol=1e-10)


def test_load_cases_are_those_of_single_loads_by_one_factorisation_a_sample(monkeypatch):
    structure, given, factorised = two_cases(), moduli((8, 4), 3), []
    model, factorise = pixel_structure(structure, ALL), LinearSolver.factorise
    monkeypatch.setattr(LinearSolver, "factorise", lambda self: (factorised.append(1), factorise(self))[1])
    together, pull_back = linearize(model, given)
    pull_back({"compliance": np.ones((3, 2))})
    assert len(factorised) == 6  # the gradients come when all samples are solved
    one, alone = {"youngs_modulus": given["youngs_modulus"][:1]}, np.ones((1, 2))
    factorised.clear()
    linearize(model, one)[1]({"compliance": alone})
    assert len(factorised) == 1
    for k, load in enumerate(structure.loads):
        single = pixel_structure(Structure((8, 4), (LEFT,), (load,), upper=(2.0, 1.0)), ALL)(given)
        np.testing.assert_allclose(together["compliance"][:, k : k + 1], single["compliance"], rtol=1e-10)
        for name in ("displacement", "von_mises"):
            np.testing.assert_allclose(together[name][:, k], single[name], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("structure", [two_cases(), mbb_structure((6, 4)), pulled((3, 2, 2), None)])
def test_gradients_of_all_outputs_pass_the_taylor_test(structure):
    assert check_vjp(pixel_structure(structure, ALL), moduli(structure.shape, 2), np.random.default_rng(1)) > 1.9


def test_states_of_the_cantilever_are_certified():
    model = cantilever((12, 6), 0.4, outputs=("compliance", "displacement"))
    guard = ResidualGuard.around(model, moduli((12, 6), 4), 0.05, steps=0)
    given = moduli((12, 6), seed=5)
    exact = model(given)
    assert guard.judge(given, exact).accepted.all()
    wrong = exact | {"displacement": exact["displacement"] * (1 + 0.2 * np.linspace(0, 1, 13)[:, None])}
    assert not guard.judge(given, wrong).accepted.any()
    certified = Certificate(model.problem).certify(model.dofs(wrong)[0])
    error = model.problem.energy_norm(model.problem.admissible(model.dofs(wrong)[0]) - model.dofs(exact)[0])
    assert certified.bound == pytest.approx(error, rel=1e-6)  # the reference is the stiffness itself
    assert guard.error(given, wrong, exact) > 0.05


@pytest.mark.parametrize("on", ["facets", "cells", "vertices"])
def test_loads_have_the_whole_force_and_torques_the_whole_moment(on):
    whole = Side("right") if on == "facets" else lambda x: x[0] > 1.2
    centre = (0.5, 0.25)
    for load in (Load(whole, (3.0, -2.0), on=on), Torque(whole, 7.0, centre, on=on)):
        problem, _ = pixel_problem(Structure((8, 4), (LEFT,), (load,), upper=(2.0, 1.0)))
        x, y = problem.state.function_space.tabulate_dof_coordinates()[:, :2].T
        forces = problem.loads().reshape(-1, 2)
        if isinstance(load, Load):
            np.testing.assert_allclose(forces.sum(axis=0), load.force, rtol=1e-12)
        else:
            moment = (x - centre[0]) @ forces[:, 1] - (y - centre[1]) @ forces[:, 0]
            assert moment == pytest.approx(7.0, rel=1e-12)


def test_springs_hold_a_body_that_slides():
    """Rollers below and stiff cells: the force meets both springs at once."""
    loads = (Load(Side("left"), (5.0, 0.0)),)
    springs = Spring(Side("left"), (2.0, 0.0)), Spring(Side("right", 0.5, 0.5), (0.5, 0.0))
    port = Load(Side("right", 0.0, 0.0), (1.0, 0.0), on="vertices")
    structure = Structure((6, 4), (Support(Side("bottom"), (1,)),), loads, springs=springs, ports=(port,))
    problem, moduli_map = pixel_problem(structure)
    problem.set_controls({"youngs_modulus": moduli_map.matrix @ np.full(24, 1e4)})
    problem.solve()
    assert problem.observe(["ports"])["ports"].item() == pytest.approx(5 / 2.5, rel=1e-3)
    assert problem.law is None


def test_load_cases_know_their_solutions():
    problem, _ = pixel_problem(two_cases())
    cotangents = {"compliance": np.ones(2)}
    with pytest.raises(ConvergenceError, match="call solve"):
        problem.pull_back(cotangents)
    problem.solve()
    states = problem.observe(["state"])["state"]
    assert problem.residual_norm(states) < 1e-10
    assert problem.residual_norm(np.roll(states, states.size // 2)) > 0.1
    gradient = problem.pull_back(cotangents)["youngs_modulus"]
    problem.restore(states)
    np.testing.assert_array_equal(problem.pull_back(cotangents)["youngs_modulus"], gradient)
    problem.controls["youngs_modulus"].x.array[:] *= 2
    with pytest.raises(ConvergenceError, match="call solve"):
        problem.pull_back(cotangents)
    with pytest.raises(ContractError, match="dofs of 2 cases"):
        problem.restore(states[1:])


def test_models_describe_themselves_and_are_built_in_other_processes():
    model = pixel_structure(two_cases())
    before = json.dumps(model.description())
    model(moduli((8, 4)))
    assert json.dumps(model.description()) == before
    assert json.dumps(pixel_structure(two_cases((8, 6))).description()) != before
    lazy = pickle.loads(pickle.dumps(LazyModel(partial(pixel_structure, two_cases()))))  # noqa: S301
    np.testing.assert_array_equal(lazy(moduli((8, 4)))["compliance"], model(moduli((8, 4)))["compliance"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Side("up"), "one of .*'left'"),
        (lambda: Side("left", 0.6, 0.5), "start <= stop"),
        (lambda: Structure((4, 4), (Support(Side("front")),), (Load(Side("right"), (1, 0)),)), "box in 2D"),
        (lambda: Structure((4, 4), (), (Load(Side("right"), (1, 0)),)), "supports and loads, got 0 and 1"),
        (lambda: Structure((4, 4), (LEFT,), ()), "supports and loads, got 1 and 0"),
        (lambda: Structure((4, 4), (LEFT,), (Load(Side("right"), (1, 0, 0)),)), "components of 2 dimensions"),
        (lambda: Structure((4, 4), (LEFT,), (Load(Side("right"), (0, 0)),)), "components of 2 dimensions"),
        (lambda: Structure((4, 4), (Support(Side("left"), (2,)),), (Load(Side("right"), (1, 0)),)), "of 2 dimensions"),
        (lambda: Structure((2, 2, 2), (LEFT,), (Torque(Side("right"), 1.0, (0.0, 0.0)),)), "of 3 dimensions"),
        (lambda: Structure((4, 4), (Support(Side("left", 0.1, 0.2)),), (Load(Side("right"), (1, 0)),)), "nodes of the"),
        (lambda: pixel_structure(two_cases(), ("stress",)), "expected some of"),
        (lambda: pixel_structure(two_cases(), ()), "expected some of"),
        (lambda: cantilever((8, 4), 0.1), r"loads\[0\]: expected facets"),
    ],
)
def test_what_does_not_fit_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
