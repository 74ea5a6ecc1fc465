import numpy as np
import pytest

from genmech_fem.errors import ContractError
from genmech_fem.fields import ScalarSpec
from genmech_fem.forward import (
    DifferentiableForwardModel,
    ForwardModel,
    FunctionModel,
    check_vjp,
    compose,
    in_batches,
    linearize,
)


class Analytic:
    """Elementwise function with its derivative, scaled by `wrong` in the product."""

    def __init__(self, taken, made, function, derivative, wrong=1.0):
        self.inputs, self.outputs = (ScalarSpec(taken, 3),), (ScalarSpec(made, 3),)
        self.function, self.derivative, self.wrong = function, derivative, wrong

    def __call__(self, inputs):
        return {self.outputs[0].name: self.function(inputs[self.inputs[0].name])}

    def vjp(self, inputs, cotangents):
        x = inputs[self.inputs[0].name]
        return {self.inputs[0].name: self.wrong * self.derivative(x) * cotangents[self.outputs[0].name]}


SINE = Analytic("x", "y", np.sin, np.cos)
SQUARE = Analytic("y", "z", np.square, lambda y: 2 * y)
X = {"x": np.random.default_rng(0).random((4, 3)) + 0.5}


def test_taylor_test_tells_right_from_wrong():
    generator = np.random.default_rng(1)
    assert check_vjp(SINE, X, generator) == pytest.approx(2, abs=0.1)
    assert check_vjp(Analytic("x", "y", np.sin, np.cos, wrong=1.01), X, generator) < 1.2
    linear = Analytic("x", "y", lambda x: 3 * x, lambda x: 3 + 0 * x)
    assert check_vjp(linear, X, generator) == float("inf")


def test_a_chain_is_the_composed_function_and_has_the_chain_rule():
    chain = compose(SINE, SQUARE, Analytic("z", "w", np.exp, np.exp))
    assert isinstance(chain, DifferentiableForwardModel)
    np.testing.assert_allclose(chain(X)["w"], np.exp(np.sin(X["x"]) ** 2))
    assert check_vjp(chain, X, np.random.default_rng(2)) == pytest.approx(2, abs=0.1)


class Remembering(Analytic):
    """Counts its evaluations and keeps the derivative of the last one."""

    evaluations = 0

    def linearize(self, inputs):
        self.evaluations += 1
        return self(inputs), lambda cotangents: self.vjp(inputs, cotangents)


def test_value_and_gradient_come_from_one_linearisation_where_there_is_one():
    model, cotangents = Remembering("x", "y", np.sin, np.cos), {"y": np.ones((4, 3))}
    for some in (model, SINE):
        outputs, pull_back = linearize(some, X)
        np.testing.assert_array_equal(outputs["y"], np.sin(X["x"]))
        np.testing.assert_array_equal(pull_back(cotangents)["x"], np.cos(X["x"]))
    assert model.evaluations == 1


class Product:
    """z = x y with both as inputs."""

    inputs, outputs = (ScalarSpec("x", 3), ScalarSpec("y", 3)), (ScalarSpec("z", 3),)

    def __call__(self, inputs):
        return {"z": inputs["x"] * inputs["y"]}

    def vjp(self, inputs, cotangents):
        return {"x": inputs["y"] * cotangents["z"], "y": inputs["x"] * cotangents["z"]}


def test_an_input_that_two_links_share_gets_both_gradients():
    chain = compose(SINE, Product())
    assert [spec.name for spec in chain.inputs] == ["x"]
    np.testing.assert_allclose(chain(X)["z"], X["x"] * np.sin(X["x"]))
    assert check_vjp(chain, X, np.random.default_rng(3)) == pytest.approx(2, abs=0.1)


def test_a_chain_with_a_plain_link_has_no_vjp():
    plain = FunctionModel(lambda a: {"z": a["y"] + 1}, (ScalarSpec("y", 3),), (ScalarSpec("z", 3),))
    chain = compose(SINE, plain)
    assert isinstance(chain, ForwardModel)
    assert not isinstance(chain, DifferentiableForwardModel)


def test_links_that_do_not_fit_are_refused():
    with pytest.raises(ContractError, match=r"takes \['x'\], the first one makes \['y'\]"):
        compose(SINE, SINE)
    with pytest.raises(ContractError, match="'y' is"):
        compose(SINE, FunctionModel(lambda a: a, (ScalarSpec("y", 4),), (ScalarSpec("z", 4),)))


def test_a_function_model_checks_both_sides():
    model = FunctionModel(lambda a: {"z": a["y"][:, :1]}, (ScalarSpec("y", 3),), (ScalarSpec("z", 3),))
    with pytest.raises(ContractError, match="output 'z'"):
        model({"y": np.zeros((2, 3))})
    with pytest.raises(ContractError, match="input 'y'"):
        model({"y": np.zeros((2, 2))})


@pytest.mark.parametrize("size", [1, 3, 4, 9])
def test_batches_of_any_size_give_the_same(size):
    np.testing.assert_array_equal(in_batches(SINE, X, size)["y"], SINE(X)["y"])
