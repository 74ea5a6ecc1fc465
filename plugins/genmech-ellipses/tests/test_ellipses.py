import numpy as np
from genmech_ellipses import PeriodicEllipses

from genmech_fem import plugins
from genmech_fem.fields import check
from genmech_fem.microstructure import volume_fraction


def test_is_found_by_its_entry_point():
    assert plugins.load("microstructures", "ellipses") is PeriodicEllipses


def test_area_of_the_ellipses_is_the_volume_fraction():
    sampler = PeriodicEllipses(resolution=128, count=(2, 2))
    arrays = check(sampler(np.random.default_rng(0)), sampler.outputs)
    assert abs(volume_fraction(arrays["phase"])[0] - 2 * sampler.area) < 0.003


def test_same_generator_same_cell():
    sampler = PeriodicEllipses()
    first, second = (sampler(np.random.default_rng(3))["phase"] for _ in range(2))
    np.testing.assert_array_equal(first, second)
