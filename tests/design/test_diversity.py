"""Diversity of a batch."""

import numpy as np
import pytest
from test_manufacturability import FLAT, SPACE, descend, taylor_orders
from test_novelty import Encoder, Mean, known

from genmech_fem.design.diversity import Diversity
from genmech_fem.design.features import features_of
from genmech_fem.metrics import gaussian_kernel, median_distance, vendi_score


def levels(*means):
    return {"density": np.stack([np.full(FLAT, mean) for mean in means])}


@pytest.mark.parametrize("shape", [FLAT, SPACE])
@pytest.mark.parametrize("width", [None, 0.2])
def test_gradients_are_exact_and_see_the_median_move(shape, width):
    for features in (None, Encoder(shape)):
        term = Diversity(features=features, width=width)
        for batch in (3, 4):  # of 3 and of 6 pairs: the median is one of them, or between two
            assert taylor_orders(term, shape, batch) == pytest.approx([2, 2], abs=0.1)


def test_two_designs_in_closed_form():
    term = Diversity(features=Mean(), width=0.5, ridge=0.01)
    k = np.exp(-(0.3**2) / (2 * 0.5**2))
    value = -np.log(1.01**2 - k**2) / 2
    found = term(levels(0.2, 0.5))
    np.testing.assert_allclose(found, value / 2)  # half of the batch's value for each
    shares = np.array([1 + k, 1 - k]) / 2
    np.testing.assert_allclose(term.measure(levels(0.2, 0.5)), np.exp(-shares @ np.log(shares)))
    d = -2 * k * (-k * 0.3 / 0.5**2) / (1.01**2 - k**2) / 2  # minus the derivative by the second mean
    slope = term.gradient(levels(0.2, 0.5))["density"].sum(axis=(1, 2))
    np.testing.assert_allclose(slope, [d, -d])


@pytest.mark.parametrize("batch", [5, 6])
def test_the_kernel_is_that_of_the_metrics(batch):
    x, term = {"density": known(FLAT, batch)}, Diversity()
    rows, _ = features_of(None, x["density"], "density")
    kernel = gaussian_kernel(rows, rows, median_distance(rows))
    np.testing.assert_allclose(term.measure(x), vendi_score(kernel))
    np.testing.assert_allclose(term(x).sum(), -np.linalg.slogdet(kernel + 1e-3 * np.eye(batch))[1] / batch)


def test_the_extremes():
    far, same = Diversity(features=Mean(), width=1e-3), Diversity(features=Mean())
    np.testing.assert_allclose(far.measure(levels(0.1, 0.5, 0.9)), 3)
    np.testing.assert_allclose(far(levels(0.1, 0.5, 0.9)).sum(), -np.log(1.001))
    np.testing.assert_allclose(same.measure(levels(0.5, 0.5, 0.5)), 1)
    assert same(levels(0.5, 0.5, 0.5)).sum() == pytest.approx(-(np.log(3.001) + 2 * np.log(1e-3)) / 3)
    for term in (far, same):
        assert not term.gradient(levels(0.5, 0.5))["density"].any()
        assert not term.gradient(levels(0.5))["density"].any()


@pytest.mark.parametrize("width", [None, 0.5])
def test_descent_parts_designs_that_are_nearly_alike(width):
    generator = np.random.default_rng(0)
    images = np.clip(known(FLAT, 2)[[0, 0, 1, 1]], 0.2, 0.8) + generator.uniform(-0.05, 0.05, (4, *FLAT))
    term = Diversity(width=width)
    better = descend(term, images, 20)
    before, after = term.measure({"density": images})[0], term.measure({"density": better})[0]
    assert before < 2.1
    assert after > before + 0.3


def test_bad_numbers_are_refused():
    for wrong in ({"width": 0.0}, {"ridge": 0.0}):
        with pytest.raises(ValueError, match="expected width and ridge above 0"):
            Diversity(**wrong)
