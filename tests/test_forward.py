import numpy as np
import pytest

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.fields import ScalarSpec
from genmech_fem.forward import (
    DifferentiableForwardModel,
    ForwardModel,
    FunctionModel,
    check_vjp,
    compose,
    hold,
    in_batches,
    linearize,
    one_by_one,
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


def links():
    functions = ("x", "y", np.sin, np.cos), ("y", "z", np.square, lambda y: 2 * y), ("z", "w", np.exp, np.exp)
    return [Remembering(*function) for function in functions]


def test_a_chain_that_keeps_everything_has_the_gradients_of_everything():
    chain = compose(*links(), keep=True)
    assert [spec.name for spec in chain.outputs] == ["w", "z", "y"]
    made = chain(X)
    np.testing.assert_array_equal(made["y"], np.sin(X["x"]))
    np.testing.assert_array_equal(made["w"], np.exp(made["z"]))
    assert check_vjp(chain, X, np.random.default_rng(4)) == pytest.approx(2, abs=0.1)
    ones = np.ones((4, 3))
    np.testing.assert_allclose(chain.vjp(X, {"y": ones})["x"], np.cos(X["x"]), rtol=1e-14)
    np.testing.assert_allclose(chain.vjp(X, {"y": ones, "z": ones})["x"], (1 + 2 * made["y"]) * np.cos(X["x"]))


def test_a_later_link_takes_what_an_early_one_made_only_where_it_is_kept():
    early = FunctionModel(
        lambda a: {"v": a["z"] + a["y"]}, (ScalarSpec("z", 3), ScalarSpec("y", 3)), (ScalarSpec("v", 3),)
    )
    kept, other = compose(SINE, SQUARE, early, keep=True), compose(SINE, SQUARE, early)
    np.testing.assert_allclose(kept(X)["v"], np.sin(X["x"]) ** 2 + np.sin(X["x"]))
    assert [spec.name for spec in other.inputs] == ["x", "y"]


def test_a_chain_evaluates_each_link_once_for_value_and_all_gradients():
    chain = links()
    outputs, pull_back = linearize(compose(*chain, keep=True), X)
    for name in outputs:
        pull_back({name: outputs[name]})
    assert [link.evaluations for link in chain] == [1, 1, 1]


def test_held_inputs_are_fixed_for_all_samples():
    held = hold(Product(), {"y": np.array([[1.0, 2.0, 3.0]])})
    assert [spec.name for spec in held.inputs] == ["x"]
    np.testing.assert_array_equal(held(X)["z"], X["x"] * [1, 2, 3])
    np.testing.assert_array_equal(held.vjp(X, {"z": np.ones((4, 3))})["x"], np.tile([1.0, 2.0, 3.0], (4, 1)))
    outputs, pull_back = linearize(held, X)
    assert set(outputs) == {"z"}
    assert set(pull_back({"z": np.ones((4, 3))})) == {"x"}
    plain = hold(FunctionModel(Product(), Product.inputs, Product.outputs), {"x": X["x"][:1]})
    assert not isinstance(plain, DifferentiableForwardModel)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"u": np.ones((1, 3))}, r"some, not all, of the inputs \['x', 'y'\], got \['u'\]"),
        ({"y": np.ones((1, 2))}, "held input 'y': expected shape"),
        ({"y": np.ones((2, 3))}, "batches of one"),
        ({"x": np.ones((1, 3)), "y": np.ones((1, 3))}, "some, not all"),
    ],
)
def test_what_cannot_be_held_is_refused(held, message):
    with pytest.raises(ContractError, match=message):
        hold(Product(), held)


def test_samples_alone_are_not_lost_by_others_that_fail():
    def root(inputs):
        if inputs["x"].min() < 0:
            raise ConvergenceError("negative")
        return {"y": np.sqrt(inputs["x"])}

    answers, failures = one_by_one(FunctionModel(root, SINE.inputs, SINE.outputs), {"x": np.diag([4.0, -1.0, 9.0])})
    assert [answer["y"].max() for answer in answers] == [2, 3]
    assert failures == {1: "negative"}
