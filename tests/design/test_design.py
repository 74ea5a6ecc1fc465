"""Design through chains of models: latent variables, a held condition, ranked candidates."""

import numpy as np
import pytest

from genmech_fem.design import CMAES, LBFGS, Mean, TensorTarget, Weighted, inverse_design, minimize
from genmech_fem.errors import ContractError, ConvergenceError, GenmechError
from genmech_fem.fields import ScalarSpec
from genmech_fem.forward import FunctionModel, compose, hold
from genmech_fem.runtime import Verdict

X, STIFFNESS = ScalarSpec("x", 3), ScalarSpec("stiffness", 3)


class Linear:
    """stiffness = A x + 1: with the target of a known x, the objective is a convex quadratic."""

    inputs, outputs = (X,), (STIFFNESS,)
    A = np.array([[2.0, 0.3, 0.0], [0.1, 1.5, 0.2], [0.0, 0.4, 3.0]])

    def __call__(self, inputs):
        return {"stiffness": inputs["x"] @ self.A.T + 1.0}

    def vjp(self, inputs, cotangents):
        return {"x": cotangents["stiffness"] @ self.A}


class Decoder:
    """x from latent variables and a condition."""

    inputs, outputs = (ScalarSpec("z", 3), ScalarSpec("condition")), (X,)

    def __call__(self, inputs):
        return {"x": np.tanh(inputs["z"]) * inputs["condition"]}

    def vjp(self, inputs, cotangents):
        squashed = np.tanh(inputs["z"])
        return {
            "z": cotangents["x"] * inputs["condition"] * (1 - squashed**2),
            "condition": (cotangents["x"] * squashed).sum(axis=1, keepdims=True),
        }


OPTIMUM = np.array([[0.5, -0.2, 0.8]])
OBJECTIVE = TensorTarget(Linear()({"x": OPTIMUM})["stiffness"][0])


@pytest.mark.parametrize("optimizer", [LBFGS(), CMAES(sigma=0.5, seed=1)])
def test_a_latent_design_under_a_held_condition_reaches_its_known_optimum(optimizer):
    model = compose(hold(Decoder(), {"condition": np.array([[2.0]])}), Linear(), keep=True)
    objective = Weighted((1.0, OBJECTIVE), (0.0, Mean("x")))
    result = minimize(model, objective, {"z": np.zeros((1, 3))}, optimizer, iterations=300)
    np.testing.assert_allclose(result.design["z"], np.arctanh(OPTIMUM / 2), atol=1e-4)
    np.testing.assert_allclose(result.outputs["x"], OPTIMUM, atol=1e-4)
    assert set(result.design) == {"z"}


DECODER = FunctionModel(lambda a: {"x": a["z"] * 2 - 0.5}, (ScalarSpec("z", 3),), (X,))
BIASED = FunctionModel(lambda a: {"stiffness": 1.01 * Linear()(a)["stiffness"]}, (X,), (STIFFNESS,))
DRAWS = {"z": np.random.default_rng(1).uniform(0, 1, (200, 3))}


def test_inverse_design_verifies_what_the_surrogate_ranks_best():
    found = inverse_design(DECODER, BIASED, Linear(), OBJECTIVE, DRAWS, solves=5, batch=64)
    designs = DECODER(DRAWS)
    ranked = np.argsort(OBJECTIVE(BIASED(designs)))[:5]
    true = OBJECTIVE(Linear()(designs))[ranked]
    assert found.solves == 5
    np.testing.assert_allclose(found.values, np.sort(true))
    np.testing.assert_array_equal(found.designs["x"], designs["x"][ranked][np.argsort(true)])
    np.testing.assert_allclose(found.predicted["stiffness"], 1.01 * found.verified["stiffness"])
    assert np.isnan(found.certificates).all()


class Distance:
    """A guard whose measure is the first number of the design."""

    name = "distance"

    def judge(self, inputs, outputs):
        return Verdict(np.ones(len(inputs["x"]), dtype=bool), inputs["x"][:, 0])


def test_only_accepted_candidates_are_ranked_and_certificates_belong_to_them():
    def refuse(inputs):
        if inputs["x"][0, 1] < -0.2:
            raise ConvergenceError("too low")
        return Linear()(inputs)

    found = inverse_design(
        DECODER,
        BIASED,
        FunctionModel(refuse, (X,), (STIFFNESS,)),
        OBJECTIVE,
        DRAWS,
        solves=12,
        accept=lambda arrays: arrays["x"][:, 2] < 0.7,
        guard=Distance(),
        finer=Linear(),
    )
    designs = DECODER(DRAWS)["x"]
    designs = designs[designs[:, 2] < 0.7]
    best = designs[np.argsort(OBJECTIVE(BIASED({"x": designs})))[:12]]
    low = np.flatnonzero(best[:, 1] < -0.2)
    assert found.failures == dict.fromkeys(low, "too low")
    assert 0 < len(low) < 12
    assert found.solves == 12 + 12 - len(low)
    np.testing.assert_array_equal(found.certificates, found.designs["x"][:, 0])
    np.testing.assert_allclose(found.finer_values, found.values)
    assert found.designs["x"][:, 2].max() < 0.7


def test_candidates_of_which_none_remains_are_an_error():
    given = {"decoder": DECODER, "surrogate": BIASED, "verifier": Linear(), "objective": OBJECTIVE, "draws": DRAWS}
    with pytest.raises(ContractError, match="none of 200 candidates is accepted"):
        inverse_design(**given, solves=5, accept=lambda arrays: arrays["x"][:, 0] > 9)
    with pytest.raises(ValueError, match="solves: expected at least 1, got 0"):
        inverse_design(**given, solves=0)

    def fail(inputs):
        raise ConvergenceError("no solution")

    given["verifier"] = FunctionModel(fail, (X,), (STIFFNESS,))
    with pytest.raises(GenmechError, match="none of the 3 designs could be verified; the first: no solution"):
        inverse_design(**given, solves=3)
    given["verifier"] = FunctionModel(fail, (ScalarSpec("phase"),), (STIFFNESS,))
    with pytest.raises(ContractError, match=r"the verifier takes \['phase'\], the design loop has \['x'\]"):
        inverse_design(**given, solves=3)
