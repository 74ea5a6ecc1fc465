import numpy as np
import pytest

from genmech_fem.design import CMAES, LBFGS, FieldTarget, TensorTarget, inverse_design, minimize, verify
from genmech_fem.errors import ContractError, ConvergenceError, GenmechError
from genmech_fem.fields import ScalarSpec
from genmech_fem.forward import FunctionModel
from genmech_fem.metrics import symmetric_matrix


class Linear:
    """stiffness = A x + b: with the target of a known x, the objective is a convex quadratic."""

    inputs, outputs = (ScalarSpec("x", 3),), (ScalarSpec("stiffness", 3),)
    A = np.array([[2.0, 0.3, 0.0], [0.1, 1.5, 0.2], [0.0, 0.4, 3.0]])

    def __call__(self, inputs):
        return {"stiffness": inputs["x"] @ self.A.T + 1.0}

    def vjp(self, inputs, cotangents):
        return {"x": cotangents["stiffness"] @ self.A}


OPTIMUM = np.array([[0.5, -0.2, 0.8]])
OBJECTIVE = TensorTarget(Linear()({"x": OPTIMUM})["stiffness"][0])
START = {"x": np.zeros((1, 3))}


@pytest.mark.parametrize("optimizer", [LBFGS(), CMAES(sigma=0.5, seed=1)])
def test_a_convex_quadratic_reaches_its_known_optimum(optimizer):
    result = minimize(Linear(), OBJECTIVE, START, optimizer, iterations=300)
    np.testing.assert_allclose(result.design["x"], OPTIMUM, atol=1e-4)
    assert result.value == pytest.approx(float(OBJECTIVE(result.outputs)[0]))
    assert all(b <= a for a, b in zip(result.history, result.history[1:], strict=False))


@pytest.mark.parametrize("optimizer", [LBFGS(), CMAES(sigma=0.2)])
def test_bounds_hold(optimizer):
    result = minimize(Linear(), OBJECTIVE, START, optimizer, bounds={"x": (-0.1, 0.4)}, iterations=100)
    assert result.design["x"].min() >= -0.1
    assert result.design["x"].max() <= 0.4
    assert result.design["x"][0, 2] == pytest.approx(0.4, abs=1e-3)


def test_a_gradient_method_needs_a_gradient_and_says_so():
    plain = FunctionModel(Linear(), Linear.inputs, Linear.outputs)
    with pytest.raises(ContractError, match="use CMAES"):
        minimize(plain, OBJECTIVE, START, LBFGS())


def test_the_objective_is_the_relative_tensor_distance_and_its_gradient_is_right():
    generator = np.random.default_rng(0)
    objective = TensorTarget(generator.random(6))
    C = generator.random((4, 6))
    target = symmetric_matrix(objective.target)
    expected = [np.linalg.norm(symmetric_matrix(c) - target) / np.linalg.norm(target) for c in C]
    np.testing.assert_allclose(objective.error({"stiffness": C}), expected)
    d, h = generator.standard_normal((4, 6)), 1e-6
    slope = (objective({"stiffness": C + h * d}) - objective({"stiffness": C - h * d})) / (2 * h)
    np.testing.assert_allclose(slope, (objective.gradient({"stiffness": C})["stiffness"] * d).sum(axis=1), rtol=1e-6)


def test_the_field_objective_has_the_right_value_and_gradient():
    generator = np.random.default_rng(1)
    objective = FieldTarget(generator.random((4, 5)), "u")
    u, d, h = generator.random((3, 4, 5)), generator.standard_normal((3, 4, 5)), 1e-6
    np.testing.assert_allclose(objective({"u": 3 * objective.target[None]}), 4.0)
    slope = (objective({"u": u + h * d}) - objective({"u": u - h * d})) / (2 * h)
    np.testing.assert_allclose(slope, (objective.gradient({"u": u})["u"] * d).sum(axis=(1, 2)), rtol=1e-6)
    with pytest.raises(ValueError, match="FieldTarget: expected a finite target"):
        FieldTarget(np.zeros(3), "u")


@pytest.mark.parametrize("target", [np.zeros(6), np.full(6, np.nan), np.ones(5)])
def test_a_bad_target_is_refused(target):
    with pytest.raises(ValueError, match=r"TensorTarget|upper triangle"):
        TensorTarget(target)


def refuse_negative(inputs):
    if inputs["x"][0, 0] < 0:
        raise ConvergenceError("negative")
    return Linear()(inputs)


SOLVER = FunctionModel(refuse_negative, Linear.inputs, Linear.outputs)


def test_verified_designs_come_best_first_and_failures_are_listed():
    x = np.array([[0.9, 0, 0], [-1.0, 0, 0], [0.5, -0.2, 0.8], [0.5, -0.2, 0.7]])
    found = verify(SOLVER, {"x": x}, OBJECTIVE)
    np.testing.assert_array_equal(found.designs["x"], x[[2, 3, 0]])
    assert (np.diff(found.values) > 0).all()
    assert found.failures == {1: "negative"}
    assert found.solves == 4
    with pytest.raises(GenmechError, match="none of the 1 designs"):
        verify(SOLVER, {"x": x[1:2]}, OBJECTIVE)


def test_inverse_design_verifies_what_the_surrogate_ranks_best():
    draws = {"z": np.random.default_rng(1).uniform(0, 1, (200, 3))}
    decoder = FunctionModel(lambda a: {"x": a["z"] * 2 - 0.5}, (ScalarSpec("z", 3),), Linear.inputs)
    biased = FunctionModel(lambda a: {"stiffness": 1.01 * Linear()(a)["stiffness"]}, Linear.inputs, Linear.outputs)
    found = inverse_design(decoder, biased, SOLVER, OBJECTIVE, draws, solves=5, batch=64)
    assert found.solves == 5
    np.testing.assert_allclose(found.predicted["stiffness"], 1.01 * found.verified["stiffness"])
    errors = OBJECTIVE(Linear()(decoder(draws)))
    assert found.values[0] <= np.sort(errors)[10]


def test_starts_and_bounds_are_checked():
    with pytest.raises(ContractError, match="one sample"):
        minimize(Linear(), OBJECTIVE, {"x": np.zeros((2, 3))}, LBFGS())
    with pytest.raises(ContractError, match="bounds name"):
        minimize(Linear(), OBJECTIVE, START, LBFGS(), bounds={"y": (0, 1)})
