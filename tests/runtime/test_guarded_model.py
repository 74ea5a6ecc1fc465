"""A small heat problem as the solver; surrogates are the solver with a known error, and a trained network."""

import logging

import numpy as np
import pytest

from genmech_fem.adapters import ProblemModel, ResidualGuard, as_vector, cell_values, pixel_homogenization, sample_state
from genmech_fem.adapters.homogenization import pixel_mesh
from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.forward import DifferentiableForwardModel, ForwardModel, FunctionModel, check_vjp, compose
from genmech_fem.problems import (
    Certificate,
    Dirichlet,
    ResidualCheck,
    SolverOptions,
    Source,
    diffusion,
    uniaxial_extension,
)
from genmech_fem.runtime import ConformalGuard, DetectorGuard, GuardedModel, conformal_radius

N = 12
CELLS = Grid((N, N), (0, 0), (1, 1))
CONDUCTIVITY = FieldSpec("conductivity", CELLS, (), "W/(m K)")
TEMPERATURE = FieldSpec("temperature", Grid((N + 1, N + 1), (0, 0), (1, 1), "nodes"), (), "K")
HEAT = ScalarSpec("dissipation", 1, "W/m")


def heat():
    problem = diffusion(pixel_mesh(N), [Dirichlet(), Source()], solver=SolverOptions(symmetric=True))
    inputs = (cell_values(problem.controls["conductivity"], CONDUCTIVITY, "conductivity"),)
    return ProblemModel(problem, inputs, (sample_state(problem.state, TEMPERATURE), as_vector(HEAT, "dissipation")))


def fields(count, seed=0, contrast=10.0):
    phase = np.random.default_rng(seed).random((count, N, N)) > 0.5
    return {"conductivity": np.where(phase, contrast, 1.0)}


def wrong_by(solver, change, outputs=(TEMPERATURE,)):
    """The solver with another temperature, as a surrogate."""

    def answer(inputs):
        truth = solver(inputs)["temperature"]
        return {"temperature": change(truth)}

    return FunctionModel(answer, solver.inputs, outputs)


def energy_error(solver, inputs, found, truth):
    return ResidualGuard(solver, ResidualCheck(solver.problem), 1.0).error(inputs, found, truth)


@pytest.fixture
def solver():
    return heat()


def test_right_answers_are_accepted_and_completed(solver):
    guard = ResidualGuard.around(solver, fields(8), tolerance=0.02, steps=0)
    model = GuardedModel(wrong_by(solver, lambda u: 1.001 * u), solver, [guard])
    inputs = fields(5, seed=1)
    found, truth = model(inputs), solver(inputs)
    assert isinstance(model, ForwardModel)
    assert set(found) == {"temperature", "dissipation"}
    np.testing.assert_allclose(found["temperature"], 1.001 * truth["temperature"], rtol=1e-9)
    np.testing.assert_allclose(found["dissipation"], 1.001**2 * truth["dissipation"], rtol=1e-9)
    counts = model.counts
    assert (counts.accepted, counts.polished, counts.fallen_back, counts.samples) == (5, 0, {}, 5)
    assert counts.seconds["solver"] == 0.0 < counts.seconds["guards"]
    assert np.isnan(counts.saved_seconds)


def test_wrong_answers_are_polished_or_solved_and_recorded(solver):
    records = []
    guard = ResidualGuard.around(solver, fields(8), tolerance=0.02, steps=12)
    size = iter([0.1, 1e4])
    noise = np.random.default_rng(2)
    surrogate = wrong_by(solver, lambda u: u + next(size) * np.abs(u).max() * noise.standard_normal(u.shape))
    model = GuardedModel(surrogate, solver, [guard], record=lambda x, y: records.append((x, y)))
    first, second = fields(3, seed=3), fields(2, seed=4)
    found, truth = [model(x) for x in (first, second)], [solver(x) for x in (first, second)]
    counts = model.counts
    assert (counts.polished, counts.fallen_back) == (3, {"residual": 2})
    assert len(records) == 2
    np.testing.assert_array_equal(records[1][0]["conductivity"], second["conductivity"][1:])
    np.testing.assert_array_equal(found[1]["temperature"], truth[1]["temperature"])
    assert 0 < guard.error(first, found[0], truth[0]).max() <= 0.02
    assert counts.to_json()["samples"] == 5


POISONS = {
    "noise": lambda u: u + 0.3 * u.std() * np.random.default_rng(0).standard_normal(u.shape),
    "scaled output": lambda u: 1.1 * u,
    "wrong units": lambda u: 1e3 * u,
    "frozen output": lambda u: np.broadcast_to(u[:1] * 0 + 0.05, u.shape),
    "zero": lambda u: 0 * u,
    "of another sample": lambda u: np.roll(u, 1, axis=0),
    "mirrored": lambda u: u[:, ::-1],
    "huge": lambda u: u + 1e200,
}


@pytest.mark.parametrize("contrast", [10, 100])
@pytest.mark.parametrize("poison", POISONS)
def test_no_wrong_answer_passes(solver, poison, contrast):
    guard = ResidualGuard.around(solver, fields(8), tolerance=0.05, steps=2)
    model = GuardedModel(wrong_by(solver, POISONS[poison]), solver, [guard])
    inputs = fields(6, seed=5, contrast=contrast)
    with np.errstate(over="ignore", invalid="ignore"):
        found = model(inputs)
    assert guard.error(inputs, found, solver(inputs)).max() <= 0.05
    assert model.counts.accepted == 0
    assert model.counts.samples == 6


def test_a_surrogate_without_an_answer_is_stood_in_for(solver):
    def picky(inputs):
        if (inputs["conductivity"][:, 0, 0] > 5).any():
            raise ConvergenceError("NaN")
        return {"temperature": solver(inputs)["temperature"]}

    surrogate = FunctionModel(picky, solver.inputs, (TEMPERATURE,))
    model = GuardedModel(surrogate, solver, [ResidualGuard.around(solver, fields(4), tolerance=0.02)])
    inputs = fields(6, seed=6)
    refused = int((inputs["conductivity"][:, 0, 0] > 5).sum())
    assert 0 < refused < 6
    np.testing.assert_allclose(model(inputs)["temperature"], solver(inputs)["temperature"], rtol=1e-8)
    assert (model.counts.accepted, model.counts.fallen_back) == (6 - refused, {"surrogate": refused})


def test_audits_compare_bounds_with_true_errors(solver, caplog):
    guard = ResidualGuard.around(solver, fields(8), tolerance=0.2, steps=0)
    model = GuardedModel(wrong_by(solver, lambda u: 1.01 * u), solver, [guard], audit=1.0)
    model(fields(4, seed=7))
    bounds, errors = np.array(model.counts.audits).T
    np.testing.assert_allclose(errors, 0.01, rtol=1e-6)
    assert (errors <= bounds).all()
    assert (bounds < 0.03).all()
    assert model.counts.solves == 4
    assert model.counts.seconds["solver"] == 0.0
    assert np.isfinite(model.counts.saved_seconds)
    liar = ConformalGuard(radius=0.001, tolerance=0.2, output="temperature")
    with caplog.at_level(logging.WARNING):
        GuardedModel(model.surrogate, solver, [guard, liar], audit=1.0)(fields(1, seed=8))
    assert "exceeds its bound 0.001" in caplog.text


def test_gradients_are_those_of_the_solver_at_the_accepted_state(solver):
    guard = ResidualGuard.around(solver, fields(8), tolerance=1e-7, steps=60)
    model = GuardedModel(wrong_by(solver, lambda u: 1.05 * u), solver, [guard])
    assert isinstance(model, DifferentiableForwardModel)
    inputs, generator = fields(3, seed=9), np.random.default_rng(10)
    cotangents = {n: generator.standard_normal(y.shape) for n, y in solver(inputs).items()}
    exact, found = (m.vjp(inputs, cotangents)["conductivity"] for m in (solver, model))
    np.testing.assert_allclose(found, exact, atol=1e-5 * np.abs(exact).max())
    assert check_vjp(model, fields(1, seed=11), generator, steps=(4e-3, 2e-3, 1e-3)) > 1.9
    refusing = GuardedModel(
        wrong_by(solver, lambda u: 3 * u), solver, [ResidualGuard.around(solver, fields(2), 1e-3, steps=0)]
    )
    np.testing.assert_allclose(refusing.vjp(inputs, cotangents)["conductivity"], exact, rtol=1e-9)


def test_gradients_without_a_guard_that_knows_them_are_the_surrogates(solver):
    class Scaled:
        inputs, outputs = solver.inputs, solver.outputs

        def __call__(self, inputs):
            return {n: 2 * y for n, y in solver(inputs).items()}

        def vjp(self, inputs, cotangents):
            return {n: 2 * g for n, g in solver.vjp(inputs, cotangents).items()}

    inputs = fields(3, seed=12)
    cotangents = {"dissipation": np.ones((3, 1))}
    exact = solver.vjp(inputs, cotangents)["conductivity"]
    level = float(np.sort(inputs["conductivity"].mean(axis=(1, 2)))[1])
    judge = FunctionModel(
        lambda x: (
            {"score": x["conductivity"].mean(axis=(1, 2))[:, None]}
            | {"alarm": (x["conductivity"].mean(axis=(1, 2)) > level)[:, None].astype(float)}
        ),
        (CONDUCTIVITY,),
        (ScalarSpec("score"), ScalarSpec("alarm")),
    )
    model = GuardedModel(Scaled(), solver, [DetectorGuard(judge)])
    found = model.vjp(inputs, cotangents)["conductivity"]
    refused = inputs["conductivity"].mean(axis=(1, 2)) > level
    assert refused.sum() == 1
    np.testing.assert_allclose(found[refused], exact[refused], rtol=1e-9)
    np.testing.assert_allclose(found[~refused], 2 * exact[~refused], rtol=1e-9)
    model(inputs)
    assert model.counts.fallen_back == {"detector": 1}


def test_a_conformal_radius_covers_new_samples_as_often_as_it_says():
    generator = np.random.default_rng(13)
    shares = []
    for _ in range(200):
        truth = generator.standard_normal((60, 5))
        found = truth + 0.1 * generator.standard_normal((60, 5)) * generator.random((60, 1))
        radius = conformal_radius(found[:39], truth[:39], 0.9)
        guard = ConformalGuard(radius, 0.5, "y")
        shares.append((guard.error({}, {"y": found[39:]}, {"y": truth[39:]}) <= radius).mean())
    assert 0.89 < np.mean(shares) < 0.93


def test_the_radius_of_an_ensemble_follows_its_spread():
    generator = np.random.default_rng(14)
    size = np.repeat([0.01, 0.2], 50)[:, None]
    truth = generator.standard_normal((100, 40))
    found, spread = truth + size * generator.standard_normal((100, 40)), np.broadcast_to(size, (100, 40))
    radius = conformal_radius(found, truth, 0.9, spread)
    verdict = ConformalGuard(radius, 0.1, "y", "y_std").judge({}, {"y": found, "y_std": spread})
    np.testing.assert_array_equal(verdict.accepted, size[:, 0] < 0.1)
    with pytest.raises(ValueError, match="at least level / \\(1 - level\\) samples"):
        conformal_radius(found[:5], truth[:5], 0.99)


def test_a_nonlinear_solver_is_guarded_by_newtons_method():
    problem = uniaxial_extension((6, 6), refine=(1, 1), degree=1)
    problem.set_controls({"displacement": np.array(0.6)})
    modulus = FieldSpec("youngs_modulus", Grid((6, 6), (0, 0), (6, 6)))
    displacement = FieldSpec("displacement", Grid((7, 7), (0, 0), (6, 6), "nodes"), (2,))
    solver = ProblemModel(
        problem,
        (cell_values(problem.controls["youngs_modulus"], modulus, "youngs_modulus"),),
        (sample_state(problem.state, displacement), as_vector(ScalarSpec("strain_energy"), "strain_energy")),
    )
    noise = np.random.default_rng(15)
    surrogate = FunctionModel(
        lambda x: {"displacement": (u := solver(x)["displacement"]) + 0.01 * noise.standard_normal(u.shape)},
        solver.inputs,
        (displacement,),
    )
    model = GuardedModel(surrogate, solver, [ResidualGuard(solver, ResidualCheck(problem), 1e-8, steps=5)])
    inputs = {"youngs_modulus": 1 + noise.random((3, 6, 6))}
    truth = solver(inputs)
    found = model(inputs)
    assert model.counts.polished == 3
    np.testing.assert_allclose(found["strain_energy"], truth["strain_energy"], rtol=1e-8)
    cotangents = {"strain_energy": np.ones((3, 1))}
    np.testing.assert_allclose(
        model.vjp(inputs, cotangents)["youngs_modulus"], solver.vjp(inputs, cotangents)["youngs_modulus"], rtol=1e-5
    )


def test_a_chain_that_ends_in_the_solver_is_guarded_too():
    solver, phase = heat(), FieldSpec("phase", CELLS)

    class Moduli:
        inputs, outputs = (phase,), (CONDUCTIVITY,)

        def __call__(self, inputs):
            return {"conductivity": 1 + 9 * inputs["phase"]}

        def vjp(self, inputs, cotangents):
            return {"phase": 9 * cotangents["conductivity"]}

    chain = compose(Moduli(), solver)
    inputs = {"phase": np.random.default_rng(16).random((3, N, N))}
    guard = ResidualGuard.around(chain, inputs, tolerance=1e-7, steps=0)
    surrogate = FunctionModel(lambda x: {"temperature": chain(x)["temperature"]}, (phase,), (TEMPERATURE,))
    model = GuardedModel(surrogate, chain, [guard])
    np.testing.assert_allclose(model(inputs)["dissipation"], chain(inputs)["dissipation"], rtol=1e-8)
    cotangents = {"dissipation": np.ones((3, 1))}
    np.testing.assert_allclose(
        model.vjp(inputs, cotangents)["phase"], chain.vjp(inputs, cotangents)["phase"], rtol=1e-5, atol=1e-9
    )


def test_coefficients_without_a_solution_are_the_solvers_business(solver):
    guard = ResidualGuard.around(solver, fields(2), tolerance=0.02)
    surrogate = FunctionModel(
        lambda x: {"temperature": np.zeros((len(x["conductivity"]), N + 1, N + 1))}, solver.inputs, (TEMPERATURE,)
    )
    with pytest.raises(ValueError, match="sample 0: expected conductivity > 0"):
        GuardedModel(surrogate, solver, [guard])({"conductivity": -np.ones((1, N, N))})


def test_bad_input_says_what_was_expected(solver):
    surrogate = wrong_by(solver, lambda u: u)
    guard = ResidualGuard.around(solver, fields(2), tolerance=0.02)
    with pytest.raises(ContractError, match="at least one guard"):
        GuardedModel(surrogate, solver, [])
    other = FunctionModel(lambda x: x, (ScalarSpec("x"),), (TEMPERATURE,))
    with pytest.raises(ContractError, match="expected a surrogate that takes"):
        GuardedModel(other, solver, [guard])
    with pytest.raises(ValueError, match="expected tolerance > 0 and steps >= 0"):
        ResidualGuard(solver, Certificate(solver.problem), 0.0)
    with pytest.raises(ContractError, match="got that of another one"):
        ResidualGuard(solver, Certificate(heat().problem), 0.1)
    with pytest.raises(ContractError, match="a chain that ends in one, got FunctionModel"):
        ResidualGuard.around(surrogate, fields(2), 0.1)
    coarse = sample_state(solver.problem.state, FieldSpec("u", Grid((5, 5), (0, 0), (1, 1))))
    judge = Certificate(solver.problem)
    with pytest.raises(ContractError, match="expected an output with one value for each dof"):
        ResidualGuard(ProblemModel(solver.problem, (), (coarse,)), judge, 0.1)
    with pytest.raises(ContractError, match="expected a VariationalProblem, got PeriodicHomogenization"):
        ResidualGuard.around(pixel_homogenization(4), {"youngs_modulus": np.ones((1, 4, 4))}, 0.1)
    with pytest.raises(ContractError, match="outputs score and alarm"):
        DetectorGuard(surrogate)
    only = ConformalGuard(0.1, 0.2, "temperature")
    with pytest.raises(ContractError, match="expected the outputs"):
        GuardedModel(surrogate, solver, [only])(fields(1))
