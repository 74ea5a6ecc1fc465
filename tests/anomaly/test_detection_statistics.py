"""Statistics of detection: two Gaussians in closed form, ties, and intervals that hold the truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from genmech_fem.metrics import aupr, auroc, bootstrap, detection_scores, false_alarm_rate, pixel_auroc


def two_gaussians(distance, count, seed=0):
    generator = np.random.default_rng(seed)
    return generator.standard_normal(count), distance + generator.standard_normal(count)


@pytest.mark.parametrize("distance", [0.0, 0.5, 2.0])
def test_two_gaussians(distance):
    normal, anomalous = two_gaussians(distance, 100_000)
    assert auroc(normal, anomalous) == pytest.approx(norm.cdf(distance / np.sqrt(2)), abs=4e-3)
    # 95 % of the anomalies lie above distance - 1.645
    assert false_alarm_rate(normal, anomalous) == pytest.approx(norm.sf(distance + norm.ppf(0.05)), abs=6e-3)


def test_known_orders():
    assert auroc([0, 1], [2, 3]) == aupr([0, 1], [2, 3]) == 1.0
    assert auroc([2, 3], [0, 1]) == 0.0
    assert auroc([1, 1], [1, 1]) == aupr([1, 1], [1, 1]) == 0.5
    assert false_alarm_rate([0, 1, 5], [4, 6]) == pytest.approx(1 / 3)
    # in descending order: anomaly (precision 1), normal, anomaly (precision 2 of 3)
    assert aupr([2.0], [3.0, 1.0]) == pytest.approx((1 + 2 / 3) / 2)
    # half of the anomalies may be missed
    assert false_alarm_rate([0, 5], [4, 6], detection=0.5) == 0.0


finite = st.lists(st.integers(-5, 5), min_size=1, max_size=12)


@given(finite, finite)
def test_the_area_counts_pairs_and_is_blind_to_monotonic_maps(normal, anomalous):
    normal, anomalous = np.array(normal, float), np.array(anomalous, float)
    pairs = (anomalous[:, None] > normal) + 0.5 * (anomalous[:, None] == normal)
    assert auroc(normal, anomalous) == pytest.approx(pairs.mean())
    assert auroc(anomalous, normal) == pytest.approx(1 - pairs.mean())
    assert auroc(np.exp(normal), np.exp(anomalous)) == pytest.approx(pairs.mean())
    assert aupr(np.exp(normal), np.exp(anomalous)) == pytest.approx(aupr(normal, anomalous))


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    truth = norm.cdf(1 / np.sqrt(2))
    held = 0
    for seed in range(60):
        found = bootstrap(auroc, *two_gaussians(1.0, 60, seed), generator=np.random.default_rng(seed), draws=200)
        assert found.low <= found.value <= found.high
        held += found.low <= truth <= found.high
    assert held >= 51  # 95 % of 60 is 57


def test_all_statistics_have_intervals():
    scores = detection_scores(*two_gaussians(3.0, 50), generator=np.random.default_rng(0), draws=100)
    assert list(scores) == ["AUROC", "AUPR", "false alarms at 95 % detection"]
    assert scores["AUROC"].low > 0.9


def test_maps_are_judged_point_by_point():
    maps, masks = np.zeros((2, 4, 4)), np.zeros((2, 4, 4), bool)
    masks[0, :2] = True
    maps[0, :2] = 1.0
    assert pixel_auroc(maps, masks) == 1.0
    assert pixel_auroc(-maps, masks) == 0.0
    with pytest.raises(ValueError, match=r"masks of the shape of the maps \(2, 4, 4\), got \(4, 4\)"):
        pixel_auroc(maps, masks[0])


@pytest.mark.parametrize(("normal", "anomalous"), [([], [1.0]), ([1.0], [np.nan])])
def test_sets_that_cannot_be_compared_are_refused(normal, anomalous):
    with pytest.raises(ValueError, match="expected finite scores of (normal samples|anomalies), got"):
        auroc(normal, anomalous)
