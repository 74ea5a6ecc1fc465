import numpy as np
import pytest
from random_fields import FAMILIES, own_fraction, random_field
from scipy.ndimage import map_coordinates

from genmech_fem.geometry.fractions import positive_share
from genmech_fem.geometry.splines_on_grids import on_lattice


@pytest.mark.parametrize("shape", [(5, 9), (16, 12), (4, 6, 7)])
@pytest.mark.parametrize(("periodic", "mode"), [(True, "grid-wrap"), (False, "nearest")])
def test_splines_on_a_lattice_are_those_of_scipy(shape, periodic, mode):
    field = np.random.default_rng(0).random(shape)
    positions = [np.linspace(-1, n + 1, 2 * n + 5) for n in shape]
    expected = map_coordinates(field, np.meshgrid(*[x - 0.5 for x in positions], indexing="ij"), order=3, mode=mode)
    np.testing.assert_allclose(on_lattice(field, positions, periodic=periodic), expected, atol=1e-12)


def test_the_spline_passes_through_the_pixels():
    field = np.random.default_rng(1).random((8, 6))
    centres = [np.arange(n) + 0.5 for n in field.shape]
    for periodic in (True, False):
        np.testing.assert_allclose(on_lattice(field, centres, periodic=periodic), field, atol=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_positive_share_agrees_with_finer_sampling(family):
    field, threshold = random_field(family, (48, 40), np.random.default_rng(2))
    assert positive_share(field - threshold, periodic=True) == pytest.approx(
        own_fraction(field, threshold, 8), abs=2e-3
    )


def test_the_positive_share_of_a_disc():
    x = (np.indices((64, 64)) + 0.5) / 64 - 0.5
    level = 0.3 - np.hypot(*x)
    for periodic in (True, False):
        assert positive_share(level, periodic=periodic) == pytest.approx(np.pi * 0.09, rel=2e-3)
