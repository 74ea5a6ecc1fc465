"""The permeability of the Darcy benchmark against its series of cosines."""

import numpy as np
import pytest

from genmech_fem.microstructure import DarcyPermeability


def test_the_field_is_its_series_of_cosines():
    n, draw = 9, DarcyPermeability(8)
    found = draw(np.random.default_rng(3))["permeability"][0]
    xi = np.random.default_rng(3).standard_normal((n, n))
    k = np.arange(n)
    scale = 3.0 / (np.pi**2 * (k[:, None] ** 2 + k**2) + 9.0) * n
    scale[0, 0] = 0
    waves = np.sqrt(np.where(k == 0, 1, 2) / n) * np.cos(np.pi * (np.arange(n)[:, None] + 0.5) * k / n)
    field = waves @ (scale * xi) @ waves.T
    np.testing.assert_array_equal(found, np.where(field < 0, 3.0, 12.0))


def test_both_values_are_as_likely_and_seeds_decide():
    draw = DarcyPermeability(32)
    fields = np.concatenate([draw(np.random.default_rng(i))["permeability"] for i in range(60)])
    assert abs((fields == 12).mean() - 0.5) < 0.05
    np.testing.assert_array_equal(draw(np.random.default_rng(5))["permeability"][0], fields[5])
    assert draw.outputs[0].shape == (33, 33)
    with pytest.raises(ValueError, match="a positive resolution, values, alpha and tau"):
        DarcyPermeability(0)
