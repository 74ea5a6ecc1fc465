"""Descriptors of densities, and the distance to all that is known."""

import numpy as np
import pytest
from test_manufacturability import FLAT, SPACE, descend, taylor_orders

from genmech_fem.design.density_field import density_spec
from genmech_fem.design.features import Descriptors, features_of
from genmech_fem.design.novelty import Novelty
from genmech_fem.errors import ContractError
from genmech_fem.fields import ScalarSpec
from genmech_fem.forward import FunctionModel, check_vjp
from genmech_fem.microstructure import two_point_correlation


class Encoder:
    """A small encoder with a derivative: tanh of projections of the density."""

    def __init__(self, shape, size=3, name="density"):
        self.inputs, self.outputs = (density_spec(name, shape),), (ScalarSpec("code", size),)
        self.weights = np.random.default_rng(7).standard_normal((int(np.prod(shape)), size)) / 8

    def __call__(self, inputs):
        x = inputs["density"]
        return {"code": np.tanh(x.reshape(len(x), -1) @ self.weights)}

    def vjp(self, inputs, cotangents):
        slope = (1 - self(inputs)["code"] ** 2) * cotangents["code"]
        return {"density": (slope @ self.weights.T).reshape(inputs["density"].shape)}


class Mean:
    """One feature: the mean density."""

    inputs, outputs = (density_spec("density", FLAT),), (ScalarSpec("mean"),)

    def __call__(self, inputs):
        return {"mean": inputs["density"].mean(axis=(1, 2))[:, None]}

    def vjp(self, inputs, cotangents):
        return {"density": np.ones(inputs["density"].shape) * cotangents["mean"][..., None] / np.prod(FLAT)}


def known(shape, count=12, seed=5):
    return (np.random.default_rng(seed).random((count, *shape)) < 0.5).astype(float)


@pytest.mark.parametrize("shape", [FLAT, SPACE])
def test_descriptors_are_means_of_blocks_and_the_correlation(shape):
    field = density_spec("density", shape)
    x = known(shape)
    model = Descriptors(field, blocks=3, lags=2)
    rows = model({"density": x})["descriptors"]
    blocks = 3 ** len(shape)
    for k, size in enumerate(shape):  # blocks that cut cells: on a grid three times as fine they do not
        x = np.repeat(x, 3, axis=k + 1)
        x = x.reshape(*x.shape[: k + 1], 3, size, *x.shape[k + 2 :]).mean(axis=k + 2)
    np.testing.assert_allclose(rows[:, :blocks] * blocks**0.5, x.reshape(len(x), -1))
    correlation = np.take(two_point_correlation(known(shape)), [0, 1, 2, -2, -1], axis=1)
    for axis in range(2, len(shape) + 1):
        correlation = np.take(correlation, [0, 1, 2, -2, -1], axis=axis)
    lags = 5 ** len(shape)
    np.testing.assert_allclose(rows[:, blocks:] * lags**0.5, correlation.reshape(len(x), -1), atol=1e-14)
    assert model.outputs[0].size == rows.shape[1] == blocks + lags


@pytest.mark.parametrize("shape", [FLAT, SPACE])
def test_gradients_are_exact(shape):
    generator = np.random.default_rng(0)
    model = Descriptors(density_spec("density", shape), blocks=4, lags=3)
    assert check_vjp(model, {"density": generator.random((3, *shape))}, generator) == pytest.approx(2, abs=0.1)
    for features in (None, Encoder(shape)):
        assert taylor_orders(Novelty(known(shape), features), shape) == pytest.approx([2, 2], abs=0.1)


def test_distances_are_counted_in_the_spacing_of_the_references():
    """References of mean 0.1, 0.2, 0.3 and 0.6: three of the four have a neighbour at 0.1."""
    levels = [0.1, 0.2, 0.3, 0.6]
    term = Novelty(np.stack([np.full(FLAT, level) for level in levels]), Mean(), neighbours=2, smoothing=0.2)
    asked = {"density": np.stack([np.full(FLAT, level) for level in (0.9, 0.2, 0.32)])}
    assert term.scale == pytest.approx(0.1)
    np.testing.assert_allclose(term.measure(asked), [3, 0, 0.2], atol=1e-12)
    two = np.array([[3, 6], [0, 1], [0.2, 1.2]])
    expected = 0.2 * np.log(np.exp(-two / 0.2).mean(axis=1))
    np.testing.assert_allclose(term(asked), expected, atol=1e-3)


def test_the_value_is_the_measure_within_its_smoothing():
    term = Novelty(known(FLAT, 40), neighbours=5, smoothing=0.1)
    asked = {"density": np.random.default_rng(2).random((20, *FLAT))}
    excess = -term(asked) - term.measure(asked)
    assert (excess > 0).all()
    assert (excess < 0.1 * np.log(5) + 1e-3).all()


def test_descent_leaves_the_known():
    term = Novelty(known(FLAT))
    start = np.clip(known(FLAT)[:2], 0.1, 0.9)
    better = descend(term, start, 30)
    assert (term.measure({"density": better}) > 1).all()
    assert (term.measure({"density": better}) > 2 * term.measure({"density": start})).all()


def test_a_known_design_has_no_distance_and_a_finite_gradient():
    term = Novelty(known(FLAT))
    x = {"density": known(FLAT)[:3]}
    np.testing.assert_allclose(term.measure(x), 0, atol=1e-12)
    assert np.isfinite(term.gradient(x)["density"]).all()


def test_what_does_not_fit_is_refused():
    reference = known(FLAT)
    with pytest.raises(ValueError, match="median distance between neighbours of 12 is 0.0: drop copies"):
        Novelty(np.ones((12, *FLAT)))
    with pytest.raises(ValueError, match="expected different references"):
        Novelty(reference[:1])
    for wrong in ({"neighbours": 0}, {"smoothing": 0.0}):
        with pytest.raises(ValueError, match="neighbours >= 1 and smoothing > 0"):
            Novelty(reference, **wrong)
    with pytest.raises(ValueError, match="blocks >= 1 and lags >= 0"):
        Descriptors(density_spec("density", FLAT), blocks=0)
    with pytest.raises(ContractError, match="expected a model from 'density' to one array, got one from \\['phase'\\]"):
        Novelty(reference, Encoder(FLAT, name="phase"))
    plain = FunctionModel(lambda a: a, Mean.inputs, Mean.inputs)
    with pytest.raises(ContractError, match="expected a model with vjp, got FunctionModel"):
        features_of(plain, reference, "density")
    with pytest.raises(ContractError, match="expected shape"):
        Novelty(reference)({"density": known((5, 5))})


def test_an_empty_batch_has_no_descriptors():
    model = Descriptors(density_spec("density", FLAT))
    assert model({"density": np.zeros((0, *FLAT))})["descriptors"].shape == (0, model.outputs[0].size)
