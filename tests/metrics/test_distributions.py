"""Distances of distributions: closed forms of Gaussians, brute force, and sets for which the score is known."""

from math import erf, exp, pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from genmech_fem.metrics import (
    class_recall,
    class_shares,
    energy_distance,
    gaussian_kernel,
    median_distance,
    mmd,
    precision_recall_density_coverage,
    standardize,
    vendi_score,
    wasserstein,
)

numbers = st.integers(1, 12).flatmap(lambda n: arrays(float, n, elements=st.floats(-100, 100)))


def gaussian(seed, n, d, shift=0.0):
    points = np.random.default_rng(seed).standard_normal((n, d))
    points[:, 0] += shift
    return points


@given(numbers, numbers)
def test_w1_and_the_energy_distance_of_numbers_are_those_of_scipy(x, y):
    assert wasserstein(x, y) == pytest.approx(stats.wasserstein_distance(x, y), abs=1e-9)
    assert energy_distance(x, y) == pytest.approx(stats.energy_distance(x, y) ** 2, abs=1e-6)


@given(numbers, st.floats(-50, 50))
def test_w1_of_a_shifted_set_is_the_shift(x, shift):
    assert wasserstein(x + shift, x) == pytest.approx(abs(shift), abs=1e-9)


def test_w1_of_two_gaussians_of_one_mean_is_that_of_their_deviations():
    x, y = gaussian(0, 40000, 1), 3 * gaussian(1, 40000, 1)
    assert wasserstein(x, y) == pytest.approx(2 * sqrt(2 / pi), rel=0.03)


def test_the_energy_distance_of_two_gaussians_is_the_closed_form():
    """|X - Y| is folded normal; the mean of |X - X'| is 2 / sqrt(pi)."""
    m = 1.3
    between = 2 / sqrt(pi) * exp(-(m**2) / 4) + m * erf(m / 2)
    found = energy_distance(gaussian(0, 4000, 1, m), gaussian(1, 4000, 1))
    assert found == pytest.approx(2 * between - 4 / sqrt(pi), rel=0.05)


def test_the_energy_distance_is_zero_for_a_permuted_set_and_for_no_other():
    x = gaussian(0, 1500, 3)
    assert energy_distance(x, x[np.random.default_rng(0).permutation(1500)]) == pytest.approx(0, abs=1e-12)
    other = x.copy()
    other[7, 1] += 0.5
    assert energy_distance(x, other) > 1e-8


def test_the_energy_distance_of_two_draws_from_one_law_is_its_known_floor():
    """Its mean is 2 E|X - X'| / n; in one dimension E|X - X'| = 2 / sqrt(pi)."""
    found = [energy_distance(gaussian(2 * i, 20, 1), gaussian(2 * i + 1, 20, 1)) for i in range(600)]
    assert np.mean(found) == pytest.approx(2 * (2 / sqrt(pi)) / 20, rel=0.08)


def test_mmd_of_two_gaussians_is_the_closed_form():
    d, h, m = 3, 1.7, 0.8
    scale = (h**2 / (h**2 + 2)) ** (d / 2)
    expected = 2 * scale * (1 - exp(-(m**2) / (2 * (h**2 + 2))))
    assert mmd(gaussian(0, 3000, d, m), gaussian(1, 3000, d), h) == pytest.approx(expected, rel=0.1)


def test_mmd_is_the_unbiased_estimator():
    x, y, h = gaussian(0, 4, 2), gaussian(1, 6, 2, 1.0), 0.9

    def k(a, b):
        return exp(-np.sum((a - b) ** 2) / (2 * h**2))

    xx = np.mean([k(x[i], x[j]) for i in range(4) for j in range(4) if i != j])
    yy = np.mean([k(y[i], y[j]) for i in range(6) for j in range(6) if i != j])
    xy = np.mean([k(a, b) for a in x for b in y])
    assert mmd(x, y, h) == pytest.approx(xx + yy - 2 * xy, abs=1e-14)
    draws = [mmd(gaussian(2 * i, 20, 2), gaussian(2 * i + 1, 20, 2), h) for i in range(400)]
    assert abs(np.mean(draws)) < 4 * np.std(draws) / sqrt(400)


def test_the_bandwidth_is_the_median_distance_of_the_reference():
    y = np.array([[0.0], [1.0], [3.0]])
    assert median_distance(y) == 2.0
    x = gaussian(0, 5, 1)
    assert mmd(x, y) == mmd(x, y, 2.0)
    with pytest.raises(ValueError, match="got equal ones only"):
        mmd(x, np.zeros((4, 1)))


@pytest.mark.parametrize(("n", "m", "k"), [(30, 40, 1), (25, 25, 5)])
def test_precision_recall_density_and_coverage_are_those_of_their_definition(n, m, k):
    samples, reference = gaussian(0, n, 3, 0.7), gaussian(1, m, 3)

    def balls(points):
        return [sorted(np.linalg.norm(points - p, axis=1))[k] for p in points]

    def inside(point, points, radii):
        return [np.linalg.norm(point - p) <= r for p, r in zip(points, radii, strict=True)]

    of_reference, of_samples = balls(reference), balls(samples)
    hits = np.array([inside(s, reference, of_reference) for s in samples])
    back = np.array([inside(r, samples, of_samples) for r in reference])
    found = precision_recall_density_coverage(samples, reference, k)
    expected = hits.any(1).mean(), back.any(1).mean(), hits.sum() / (k * n), hits.any(0).mean()
    np.testing.assert_allclose(found, expected)


def test_density_and_coverage_of_one_law_have_the_expectations_of_the_paper():
    """Naeem et al. (2020): density 1, coverage 1 - (N - 1) ... (N - k) / ((M + N - 1) ... (M + N - k))."""
    n, k = 40, 3
    found = np.mean(
        [precision_recall_density_coverage(gaussian(2 * i, n, 4), gaussian(2 * i + 1, n, 4), k) for i in range(200)],
        axis=0,
    )
    steps = np.arange(1, k + 1)
    assert found[2] == pytest.approx(1.0, abs=0.04)
    assert found[3] == pytest.approx(1 - np.prod((n - steps) / (2 * n - steps)), abs=0.02)


def test_equal_sets_cover_each_other_and_far_ones_do_not():
    x = gaussian(0, 50, 2)
    assert precision_recall_density_coverage(x, x)[:2] == (1.0, 1.0)
    assert precision_recall_density_coverage(x, x).coverage == 1.0
    assert precision_recall_density_coverage(x + 100, x) == (0.0, 0.0, 0.0, 0.0)
    collapsed = precision_recall_density_coverage(np.repeat(x[:1], 50, axis=0), x)
    assert collapsed.precision == 1.0
    assert collapsed.recall < 0.05
    with pytest.raises(ValueError, match="at least 6 points"):
        precision_recall_density_coverage(x[:5], x)


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (np.eye(7), 7.0),
        (np.ones((7, 7)), 1.0),
        (np.kron(np.eye(3), np.ones((4, 4))), 3.0),
        (np.array([[1, 0.6], [0.6, 1]]), exp(-0.8 * np.log(0.8) - 0.2 * np.log(0.2))),
    ],
)
def test_the_vendi_score_counts_different_samples(kernel, expected):
    assert vendi_score(kernel) == pytest.approx(expected)


def test_the_vendi_score_of_a_gaussian_kernel_goes_from_one_to_the_number_of_points():
    x = gaussian(0, 20, 3)
    assert vendi_score(gaussian_kernel(x, x, 1e-3)) == pytest.approx(20)
    assert vendi_score(gaussian_kernel(x, x, 1e4)) == pytest.approx(1, abs=1e-3)
    twice = np.repeat(x, 2, axis=0)
    assert vendi_score(gaussian_kernel(twice, twice, 1.0)) == pytest.approx(vendi_score(gaussian_kernel(x, x, 1.0)))


def test_a_lost_class_costs_its_part_of_the_recall_however_rare_it_was():
    real = np.array(["circle"] * 90 + ["cross"] * 10)
    assert class_shares(real, ["cross", "circle", "star"]).tolist() == [0.1, 0.9, 0.0]
    assert class_recall(real, real) == 1.0
    assert class_recall(np.array(["circle"] * 50), real) == 0.5
    assert class_recall(np.array(["circle"] * 19 + ["cross"]), real) == pytest.approx(0.75)


def test_features_are_measured_in_deviations_of_the_reference():
    reference = np.column_stack([3 + 2 * gaussian(0, 100, 1), np.full(100, 7.0)])
    found = standardize(reference, reference)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(found.std(axis=0), [1, 0], atol=1e-12)
    np.testing.assert_allclose(standardize(reference + np.array([0, 1]), reference)[:, 1], 1)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: energy_distance(np.zeros((3, 2)), np.zeros((3, 4))), "got 2 and 4 features"),
        (lambda: energy_distance(np.zeros((0, 2)), np.zeros((3, 2))), "at least 1 points"),
        (lambda: wasserstein(np.array([1.0, np.nan]), np.ones(2)), "NaN or infinity"),
        (lambda: mmd(np.zeros((1, 2)), np.zeros((3, 2))), "at least 2 points"),
        (lambda: gaussian_kernel(np.zeros((2, 2)), np.zeros((2, 2)), 0.0), "bandwidth: expected a number above 0"),
        (lambda: precision_recall_density_coverage(np.zeros((9, 2)), np.zeros((9, 2)), 0), "k: expected at least 1"),
        (lambda: vendi_score(np.zeros((3, 3))), "1 on the diagonal"),
        (lambda: vendi_score(np.ones((3, 2))), "symmetric matrix"),
        (lambda: vendi_score(np.array([[1.0, 2.0], [2.0, 1.0]])), "a positive kernel, got the eigenvalue -1"),
        (lambda: class_shares(np.zeros((3, 2)), [0]), "one for each sample"),
    ],
)
def test_errors_name_what_is_expected(call, text):
    with pytest.raises(ValueError, match=text):
        call()
