import numpy as np
import pytest

from genmech_fem.fields import check
from genmech_fem.microstructure import (
    PeriodicFibres,
    circular_share,
    torus_offsets,
    two_point_correlation,
    volume_fraction,
)


def test_fibres_do_not_touch_and_have_the_stated_area():
    sampler = PeriodicFibres(resolution=96)
    for i in range(20):
        centres, radius = sampler.discs(np.random.default_rng(i))
        for k, centre in enumerate(centres):
            others = np.delete(centres, k, axis=0)
            if len(others):
                assert np.linalg.norm(torus_offsets(others, centre, 1.0), axis=1).min() >= 2 * radius + sampler.gap
        phase = check(sampler(np.random.default_rng(i)), sampler.outputs)["phase"]
        assert volume_fraction(phase)[0] == pytest.approx(len(centres) * np.pi * radius**2, abs=2e-3)


def test_discs_are_circular_and_squares_are_not():
    sampler = PeriodicFibres()
    discs = np.concatenate([sampler(np.random.default_rng(i))["phase"] for i in range(20)])
    assert circular_share(discs).min() == 1.0
    shifted = np.roll(discs, (13, 7), axis=(1, 2))
    np.testing.assert_array_equal(circular_share(shifted), circular_share(discs))
    bars = np.zeros((2, 32, 32))
    bars[0, 4:24, 4:8] = 1
    bars[1, :, 10:20] = 1
    np.testing.assert_array_equal(circular_share(bars), 0.0)


def test_two_point_correlation_of_known_images():
    phase = (np.random.default_rng(0).random((3, 64, 64)) < 0.3).astype(float)
    s2 = two_point_correlation(phase)
    np.testing.assert_allclose(s2[:, 0, 0], volume_fraction(phase), atol=1e-12)
    assert s2[:, 5:20, 5:20].mean() == pytest.approx(0.09, abs=0.01)
    np.testing.assert_allclose(two_point_correlation(np.roll(phase, 5, axis=1)), s2, atol=1e-12)
    stripes = np.zeros((1, 8, 8))
    stripes[:, ::2] = 1
    np.testing.assert_allclose(two_point_correlation(stripes)[0, :2, 0], [0.5, 0.0], atol=1e-12)


@pytest.mark.parametrize(
    "arguments", [{"resolution": 4}, {"radius": (0.2, 0.1)}, {"radius": (0.1, 0.6)}, {"volume_fraction": (0.1, 0.7)}]
)
def test_impossible_samplers_are_refused(arguments):
    with pytest.raises(ValueError, match="PeriodicFibres.*expected"):
        PeriodicFibres(**arguments)
