"""Errors of predictions, and the predictions without training."""

import numpy as np
import pytest

from genmech_fem.metrics import nearest_neighbour, quantiles, relative_l2, untrained_predictions


def test_errors_are_relative_to_each_sample():
    y = np.random.default_rng(0).random((5, 2, 3))
    scale = np.array([1.0, 1.1, 0.5, 2.0, 1.0])
    np.testing.assert_allclose(relative_l2(scale[:, None, None] * y, y), abs(scale - 1), atol=1e-12)
    assert quantiles(np.arange(11.0)) == {"median": 5.0, "90 %": 9.0, "worst": 10.0}
    with pytest.raises(ValueError, match=r"one shape, got \(5, 2, 3\) and \(4, 2, 3\)"):
        relative_l2(y, y[:4])


def test_the_nearest_neighbour_is_that_of_all_distances():
    generator = np.random.default_rng(0)
    known, asked = generator.random((50, 4, 4)), generator.random((150, 4, 4))
    distances = np.linalg.norm(asked[:, None] - known, axis=(2, 3))
    np.testing.assert_array_equal(nearest_neighbour(known, asked), distances.argmin(1))


def test_predictions_without_training():
    x, y = np.array([[0.0], [1.0], [2.0]]), np.array([[0.0, 1.0], [2.0, 3.0], [7.0, 8.0]])
    found = untrained_predictions((x, y), np.array([[0.9], [5.0]]))
    np.testing.assert_array_equal(found["mean predictor"], [[3.0, 4.0], [3.0, 4.0]])
    np.testing.assert_array_equal(found["nearest neighbour"], y[[1, 2]])
