"""The design loop: known optima, what is kept, what is counted, what is refused."""

import numpy as np
import pytest

from genmech_fem.adapters import mbb_beam
from genmech_fem.design import (
    CMAES,
    LBFGS,
    Adam,
    Constraint,
    Densities,
    DensityFilter,
    Mean,
    OptimalityCriteria,
    PNorm,
    Projection,
    TensorTarget,
    TrustConstr,
    Value,
    Weighted,
    minimize,
)
from genmech_fem.design.evaluator import Evaluator
from genmech_fem.design.vectors import Vectors
from genmech_fem.errors import ContractError, ConvergenceError, NotFiniteError
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.forward import FunctionModel, compose

A = np.array([1.0, 4.0, 9.0, 16.0])
BEST = 0.2 * np.sqrt(A)
START = {"x": np.full((1, 4), 0.4)}
COMPLIANCE, HALF = Value("compliance"), Constraint(Mean("x"), most=0.5)


class Bars:
    r"""Compliance of bars in a row, sum a/x; of the least one at a given mean the x are as the roots of a.

    It counts samples, and refuses what `refuse` tells.
    """

    inputs, outputs = (ScalarSpec("x", 4),), (ScalarSpec("compliance"),)

    def __init__(self, refuse=lambda x: False, failure="no solution"):
        self.samples, self.refuse, self.failure = 0, refuse, failure

    def __call__(self, inputs):
        self.samples += len(inputs["x"])
        if any(self.refuse(x) for x in inputs["x"]):
            if self.failure is None:
                return {"compliance": np.full((len(inputs["x"]), 1), np.nan)}
            raise ConvergenceError(self.failure)
        return {"compliance": (A / inputs["x"]).sum(axis=1, keepdims=True)}

    def vjp(self, inputs, cotangents):
        return {"x": -A / inputs["x"] ** 2 * cotangents["compliance"]}


class Sequence:
    """Asks for given designs, whatever they are worth."""

    def __init__(self, *designs, gradients=False):
        self.designs, self.gradients, self.space, self.told = designs, gradients, None, []

    def search(self, space):
        self.space = space
        for design in self.designs:
            self.told.append((yield design))
        return "no more designs"


def times(*factors):
    """Batches of the best design times factors."""
    return [np.outer(np.atleast_1d(factor), BEST) for factor in factors]


@pytest.mark.parametrize(
    ("optimizer", "iterations", "within"),
    [(OptimalityCriteria(tolerance=1e-9), 60, 1e-6), (TrustConstr(), 200, 1e-5), (CMAES(0.1), 400, 1e-2)],
)
def test_the_optimum_under_a_constraint_is_that_of_the_multiplier(optimizer, iterations, within):
    model = Bars()
    found = minimize(
        model, COMPLIANCE, START, optimizer, constraints=[HALF], bounds={"x": (0.01, 2.0)}, iterations=iterations
    )
    np.testing.assert_allclose(found.design["x"][0], BEST, rtol=within)
    assert found.value == pytest.approx(50, rel=2e-3)  # the tolerance of the constraint
    assert found.violation <= 1e-3
    assert found.evaluations == model.samples


def test_constraints_on_outputs_and_inputs_meet_where_both_hold():
    """Of the least mean of x at a compliance of 50, with one x held up: the others are as before at what is left."""
    constraints = [Constraint(COMPLIANCE, most=50.0), Constraint(Value("x", (1, 0, 0, 0)), least=0.5)]
    found = minimize(
        Bars(), Mean("x"), START, TrustConstr(), constraints=constraints, bounds={"x": (0.01, 2)}, iterations=300
    )
    rest = np.sqrt(A[1:]) * np.sqrt(A[1:]).sum() / (50 - 1 / 0.5)
    np.testing.assert_allclose(found.design["x"][0], [0.5, *rest], rtol=2e-3)
    assert found.outputs["compliance"] == pytest.approx(50, rel=2e-3)


@pytest.mark.parametrize("optimizer", [LBFGS(), Adam(0.05, steps=300), CMAES(sigma=0.2, seed=1)])
def test_a_convex_objective_reaches_its_known_optimum_and_every_sample_is_counted(optimizer):
    model = Bars()
    priced = Weighted((1.0, COMPLIANCE), (100.0, Mean("x")))
    found = minimize(model, priced, START, optimizer, bounds={"x": (0.01, 5.0)}, iterations=400)
    np.testing.assert_allclose(found.design["x"][0], np.sqrt(A / 25), rtol=1e-3)
    assert found.value == pytest.approx(priced({**found.design, **found.outputs}).item())
    assert found.value == min(found.history)
    assert found.evaluations == model.samples


@pytest.mark.parametrize("optimizer", [LBFGS(), Adam(0.1)])
def test_bounds_by_number_and_by_array_hold(optimizer):
    upper = np.array([0.8, 0.6, 2.0, 0.3])
    found = minimize(Bars(), COMPLIANCE, START, optimizer, bounds={"x": (0.1, upper)}, iterations=200)
    assert (found.design["x"] <= upper).all()
    assert found.value == pytest.approx((A / upper).sum(), rel=1e-2)


def test_a_feasible_design_is_better_than_a_better_one_that_is_not():
    found = minimize(Bars(), COMPLIANCE, START, Sequence(*times(1.2, 0.8, [0.9, 1.1], 0.7)), constraints=[HALF])
    np.testing.assert_allclose(found.design["x"], times(0.9)[0])
    assert (found.violation, found.message) == (0.0, "no more designs")
    assert found.history == pytest.approx([50 / 1.2, 50 / 0.8, 50 / 0.9, 50 / 0.7])
    np.testing.assert_allclose(found.last["x"], times(0.7)[0])
    assert found.outputs["compliance"] == pytest.approx(50 / 0.9)
    near = minimize(Bars(), COMPLIANCE, START, Sequence(*times(1.0, 1.0009, 1.002)), constraints=[HALF])
    np.testing.assert_allclose(near.design["x"], times(1.0009)[0])
    assert near.violation == pytest.approx(9e-4)
    none = minimize(Bars(), COMPLIANCE, START, Sequence(*times(1.4, 1.2, 1.3)), constraints=[HALF])
    np.testing.assert_allclose(none.design["x"], times(1.2)[0])
    assert none.violation == pytest.approx(0.2)


def test_a_start_outside_is_moved_into_the_bounds():
    optimizer = Sequence(*times(1.0))
    minimize(Bars(), COMPLIANCE, START, optimizer, bounds={"x": (0.5, np.array([1.0, 2.0, 3.0, 4.0]))})
    np.testing.assert_array_equal(optimizer.space.start, [[0.5, 0.5, 0.5, 0.5]])
    np.testing.assert_array_equal(optimizer.space.upper, [1, 2, 3, 4])


class Both:
    """Sum of x times the compliance, and of the squares of x."""

    def __call__(self, arrays):
        return arrays["x"].sum(axis=1) * arrays["compliance"][:, 0] + (arrays["x"] ** 2).sum(axis=1)

    def gradient(self, arrays):
        return {
            "x": arrays["compliance"] + 2 * arrays["x"],
            "compliance": arrays["x"].sum(axis=1, keepdims=True),
        }


def stressed():
    grid = Grid((8, 4), (0, 0), (8, 4))
    densities = Densities(DensityFilter(grid, 1.5), projection=Projection(2.0))
    objective = Weighted((1.0, Value("compliance")), (-2.0, Mean()), (3.0, Mean("variables")), (0.1, PNorm()))
    model = compose(densities, mbb_beam(8, 4, outputs=("compliance", "von_mises")), keep=True)
    return model, objective, [Constraint(PNorm(p=6), most=2.0), Constraint(Mean(), least=0.4)]


@pytest.mark.parametrize("make", [lambda: (Bars(), Both(), [HALF, Constraint(Both(), least=3.0)]), stressed])
def test_gradients_of_terms_of_inputs_outputs_and_what_is_between(make):
    model, objective, constraints = make()
    evaluator = Evaluator(model, [objective], constraints, gradients=True)
    generator, h = np.random.default_rng(0), 1e-5
    x = Vectors(model.inputs).join({s.name: generator.uniform(0.4, 0.9, (2, *s.shape)) for s in model.inputs})
    d = generator.standard_normal(x.shape)
    at, up, down = (evaluator(x + step * d).evaluation for step in (0, h, -h))
    slope = (at.gradients * d).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(slope, (up.values - down.values) / (2 * h), rtol=1e-6)
    slopes = (at.jacobians * d[:, None]).sum(axis=2)
    np.testing.assert_allclose(slopes, (up.constraints - down.constraints) / (2 * h), rtol=1e-6)


def test_rows_and_arrays_are_the_same():
    vectors = Vectors((ScalarSpec("a", 2), FieldSpec("b", Grid((2, 3), (0, 0), (1, 1)))))
    x = np.arange(16.0).reshape(2, 8)
    arrays = vectors.split(x)
    np.testing.assert_array_equal(arrays["b"][1], [[10, 11, 12], [13, 14, 15]])
    np.testing.assert_array_equal(vectors.join(arrays), x)
    lower, upper = vectors.limits({"b": (np.array([0.0, 1.0, 2.0]), 5.0)})
    np.testing.assert_array_equal(lower, [-np.inf, -np.inf, 0, 1, 2, 0, 1, 2])
    np.testing.assert_array_equal(upper, [np.inf, np.inf, 5, 5, 5, 5, 5, 5])


def stop_at(iteration):
    def progress(step):
        if step.iteration == iteration:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("optimizer", [LBFGS(), CMAES(0.1), Adam(0.01), TrustConstr()])
def test_an_interruption_keeps_what_was_found(optimizer):
    whole = minimize(Bars(), COMPLIANCE, START, optimizer, bounds={"x": (0.1, 9)}, iterations=9)
    for k in (1, 3):
        found = minimize(Bars(), COMPLIANCE, START, optimizer, bounds={"x": (0.1, 9)}, progress=stop_at(k))
        assert found.message == f"ended after iteration {k}: interrupted"
        assert found.history == whole.history[:k]
        assert found.value == min(found.history)


def test_an_interruption_of_a_solve_keeps_what_was_found_before():
    def interrupt(x):
        if x[0] > 0.25:
            raise KeyboardInterrupt
        return False

    found = minimize(Bars(interrupt), COMPLIANCE, START, Sequence(*times(1, 1.2, 2)))
    assert found.message == "ended after iteration 2: interrupted"
    np.testing.assert_allclose(found.design["x"], times(1.2)[0])
    with pytest.raises(KeyboardInterrupt):
        minimize(Bars(interrupt), COMPLIANCE, START, Sequence(*times(2)))


@pytest.mark.parametrize(
    ("failure", "kind", "text"),
    [("no solution", ConvergenceError, "no solution"), (None, NotFiniteError, "the value of Value is not finite")],
)
@pytest.mark.parametrize("gradients", [True, False])
def test_a_failure_keeps_the_best_and_raises_at_the_start(failure, kind, text, gradients):
    model = Bars(lambda x: x[0] > 0.25, failure)
    found = minimize(model, COMPLIANCE, START, Sequence(*times(1, 1.2, 1.1, 2), gradients=gradients))
    np.testing.assert_allclose(found.design["x"], times(1.2)[0])
    assert found.message.startswith("ended after iteration 3: ")
    assert text in found.message
    assert len(found.history) == 3
    with pytest.raises(kind, match=text):
        minimize(model, COMPLIANCE, START, Sequence(*times(2, 1), gradients=gradients))


def test_an_optimiser_that_refuses_the_first_answer_raises():
    with pytest.raises(ContractError, match="is there a load"):
        minimize(Bars(), Mean("x"), START, OptimalityCriteria(), constraints=[HALF], bounds={"x": (0, 1)})


def test_samples_that_fail_are_counted_and_the_others_go_on():
    model = Bars(lambda x: x[0] < 0.4)
    found = minimize(model, COMPLIANCE, START, CMAES(0.05), bounds={"x": (0.01, 1)}, iterations=60)
    assert found.message == "60 iterations done"
    assert found.evaluations == model.samples
    assert set(found.failures) == {"no solution"}
    assert found.value == pytest.approx(30, rel=0.02)


def test_a_failed_design_is_never_the_best_one():
    """It counts as the worst of its batch, and so as the only other one."""
    model = Bars(lambda x: x[0] > 0.25)
    optimizer = Sequence(*times([2, 1], [3, 4, 0.5]))
    found = minimize(model, COMPLIANCE, START, optimizer)
    np.testing.assert_allclose(optimizer.told[1].values, 100)
    np.testing.assert_allclose(found.design["x"], times(1)[0])
    assert found.failures == ("no solution",) * 3
    assert found.history == pytest.approx([50, 100])
    with pytest.raises(ConvergenceError, match="no solution"):
        minimize(model, COMPLIANCE, START, Sequence(*times([2, 3])))


def test_progress_tells_of_the_best_of_each_answer():
    steps = []
    minimize(Bars(), COMPLIANCE, START, Sequence(*times([0.8, 1.1], 0.9)), constraints=[HALF], progress=steps.append)
    assert [step.iteration for step in steps] == [1, 2]
    assert [step.evaluations for step in steps] == [2, 3]
    assert [step.value for step in steps] == pytest.approx([50 / 0.8, 50 / 0.9])
    assert steps[0].violation == 0
    assert steps[0].seconds_left > 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": {"x": np.zeros((2, 4))}}, "one start"),
        ({"start": {"x": np.zeros((1, 3))}}, r"start 'x': expected shape \(batch, 4\), got \(1, 3\)"),
        ({"start": {"x": np.full((1, 4), np.nan)}}, "start 'x': expected finite numbers"),
        ({"bounds": {"y": (0, 1)}}, r"bounds name \['y'\], the inputs are \['x'\]"),
        ({"bounds": {"x": (1, 0)}}, r"bounds of 'x': expected a lower one below an upper one, got \(1, 0\)"),
        ({"bounds": {"x": (np.nan, 0)}}, "a lower one below an upper one"),
        ({"bounds": {"x": (np.zeros(3), 1)}}, r"bounds of 'x': expected numbers or arrays of shape \(4,\)"),
        ({"constraints": [HALF, Constraint(Mean("x"), least=0.6)]}, "contradicting constraints"),
        ({"constraints": [HALF]}, "LBFGS knows no constraints"),
        ({"objective": TensorTarget(np.ones(6))}, "TensorTarget needs 'stiffness', the design loop has"),
        ({"model": FunctionModel(Bars(), Bars.inputs, Bars.outputs)}, "use CMAES"),
        ({"iterations": 0}, "iterations: expected at least 1, got 0"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    given = {"model": Bars(), "objective": COMPLIANCE, "start": START, "optimizer": LBFGS(), **change}
    with pytest.raises(ValueError, match=message):
        minimize(**given)
