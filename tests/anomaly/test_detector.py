"""What all detectors share: normalised scores, conformal thresholds, and refusals."""

import pytest
import torch
from scipy.stats import binom

from genmech_fem.anomaly import DescriptorDistance, Detector, Reconstruction
from genmech_fem.generative import Architecture, Autoencoder

SHAPE = (1, 4, 4)


class First(Detector):
    """The value at one point."""

    def evaluate(self, x):
        return x[:, 0, 0, 0], None


def draw(n, seed):
    return torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(seed))


def known(count=99, seed=0):
    detector = First(SHAPE)
    detector.fit_normal(draw(5, 100), 3 + 2 * draw(count, seed))
    return detector


def test_scores_are_in_standard_deviations_of_normal_ones():
    detector = known(10_000)
    x = torch.full((1, *SHAPE), 7.0)
    assert detector.score(x).item() == pytest.approx((7 - 3) / 2, abs=0.05)
    assert detector.calibration.mean().item() == pytest.approx(0, abs=1e-5)
    assert detector.calibration.std().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(("count", "quantile"), [(99, 0.95), (40, 0.9), (19, 0.95)])
def test_the_share_of_false_alarms_is_what_was_asked_for(count, quantile):
    """In the mean over calibrations it is (count + 1 - rank) / (count + 1), exactly."""
    alarms = [known(count, seed).alarm(3 + 2 * draw(200, 10_000 + seed), quantile).sum().item() for seed in range(200)]
    rate = sum(alarms) / (200 * 200)
    assert rate == pytest.approx(1 - quantile, abs=0.012)


def test_p_values_are_uniform_for_normal_samples():
    found = torch.cat([known(49, seed).p_value(3 + 2 * draw(50, 20_000 + seed)) for seed in range(100)])
    for share in (0.1, 0.5, 0.9):
        assert (found <= share + 1e-6).float().mean().item() == pytest.approx(share, abs=0.02)
    assert found.min() == pytest.approx(1 / 50)


def test_the_alarms_of_one_calibration_vary_as_an_order_statistic():
    """The rate of one calibration is beta distributed: far from the mean it is rare, not impossible."""
    rates = torch.tensor(
        [known(99, seed).alarm(3 + 2 * draw(2000, 30_000 + seed)).float().mean() for seed in range(50)]
    )
    assert rates.std().item() == pytest.approx((0.05 * 0.95 / 101) ** 0.5, rel=0.4)
    assert binom.cdf(int((rates > 0.05).sum()), 50, 0.5) > 1e-3


def test_thresholds_that_calibration_does_not_support_are_refused():
    with pytest.raises(ValueError, match="at least 99 samples of calibration for the quantile 0.99, got 40"):
        known(40).threshold(0.99)
    with pytest.raises(ValueError, match=r"a quantile in \(0, 1\), got 1"):
        known(40).threshold(1)


def test_bad_samples_are_named():
    detector = known()
    bad = draw(4, 0)
    bad[2, 0, 1, 1] = torch.nan
    with pytest.raises(ValueError, match=r"First.score: expected finite samples, got NaN or infinity in \[2\]"):
        detector.score(bad)
    with pytest.raises(ValueError, match=r"First.score: expected samples of shape \(n, 1, 4, 4\), got \(2, 1, 8, 8\)"):
        detector.score(torch.zeros(2, 1, 8, 8))
    with pytest.raises(ValueError, match="score_map: this detector judges samples as a whole"):
        detector.score_map(draw(2, 0))
    with pytest.raises(ValueError, match="expected a detector that knows normal samples: fit_normal"):
        First(SHAPE).score(draw(2, 0))
    with pytest.raises(ValueError, match="expected a detector that knows normal samples: fit_normal"):
        First(SHAPE).threshold()


def test_sets_that_teach_nothing_are_refused():
    with pytest.raises(ValueError, match="expected at least 2 samples as x, got 1"):
        First(SHAPE).fit_normal(draw(1, 0), draw(9, 1))
    with pytest.raises(ValueError, match="expected at least 2 samples as calibration, got 1"):
        First(SHAPE).fit_normal(draw(9, 0), draw(1, 1))
    with pytest.raises(ValueError, match="scores vary, got 1 for all 5: are they all the same, or constant"):
        First(SHAPE).fit_normal(draw(9, 0), torch.ones(5, *SHAPE))
    with pytest.raises(ValueError, match="expected one of area, statistics, moments, S2, got 'colour'"):
        DescriptorDistance(SHAPE, "colour")


def test_scores_that_are_not_finite_are_refused():
    class Logarithm(First):
        def evaluate(self, x):
            return super().evaluate(x)[0].log(), None

    detector = Logarithm(SHAPE)
    detector.fit_normal(draw(2, 0), 1 + draw(20, 0).abs())
    x = torch.ones(3, *SHAPE)
    x[1] = -1
    with pytest.raises(ValueError, match=r"the scores of the samples \[1\] are not finite"):
        detector.score(x)


def test_a_constant_image_has_a_finite_score_over_its_perimeter():
    torch.manual_seed(0)
    model = Autoencoder(SHAPE, 2, network=Architecture((8,)))
    x = draw(20, 0)
    model.prepare({"x": x})
    detector = Reconstruction(model, "perimeter")
    detector.fit_normal(x, draw(20, 1))
    assert detector.score(torch.ones(2, *SHAPE)).isfinite().all()
    with pytest.raises(ValueError, match="summary='mean', 'perimeter' or a window of 1 to 4 points, got 'median'"):
        Reconstruction(model, "median")
