"""Filters, projection, interpolation and the update of densities."""

import numpy as np
import pytest

from genmech_fem.design import (
    RAMP,
    SIMP,
    Densities,
    DensityFilter,
    OptimalityCriteria,
    Projection,
    SensitivityFilter,
    hat_matrix,
)
from genmech_fem.errors import ContractError, NotFiniteError
from genmech_fem.fields import Grid

H = 1e-6


def grid(*shape):
    return Grid(shape, (0,) * len(shape), shape)


def draw(shape, seed=0):
    return np.random.default_rng(seed).uniform(0.1, 0.9, shape)


@pytest.mark.parametrize("shape", [(9, 7), (6, 5, 4)])
def test_the_hat_weighs_by_distance(shape):
    place, radius = grid(*shape), 2.4
    x = place.points()
    weights = np.maximum(0, radius - np.linalg.norm(x[:, None] - x[None], axis=-1))
    expected = weights / weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(hat_matrix(place, radius).toarray(), expected, atol=1e-14)


def test_the_hat_is_measured_in_lengths_not_cells():
    fine = Grid((8, 4), (0, 0), (4, 1))  # cells of 0.5 x 0.25
    np.testing.assert_array_equal(hat_matrix(fine, 0.2).toarray(), np.eye(32))
    row = hat_matrix(fine, 0.3).toarray()[0].reshape(8, 4)
    np.testing.assert_allclose(row[0, :2], [0.3 / 0.35, 0.05 / 0.35])
    assert np.count_nonzero(row) == 2


@pytest.mark.parametrize("shape", [(30, 20), (12, 11, 10)])
def test_the_density_filter_keeps_volume_and_has_an_exact_transpose(shape):
    smooth = DensityFilter(grid(*shape), 2.4)
    np.testing.assert_allclose(smooth(np.full(shape, 0.3)), 0.3, rtol=1e-14)
    inside = np.zeros(shape)
    inside[(slice(5, -5), *[slice(5, 6)] * (len(shape) - 1))] = 1.0
    assert smooth(inside).sum() == pytest.approx(inside.sum(), rel=1e-13)
    x, y = draw(shape), draw(shape, 1)
    assert np.vdot(smooth(x), y) == pytest.approx(np.vdot(x, smooth.pull_back(y)), rel=1e-13)
    np.testing.assert_array_equal(smooth.sensitivity(x, y), smooth.pull_back(y))


def test_the_sensitivity_filter_smooths_the_gradient_only():
    shape, x, slope = (6, 5), draw((6, 5)), draw((6, 5), 1)
    smooth = SensitivityFilter(grid(*shape), 1.5)
    assert smooth(x) is x
    assert smooth.pull_back(slope) is slope
    cell, total = np.array([2, 3]), 0.0
    for other in np.ndindex(shape):
        total += max(0.0, 1.5 - np.linalg.norm(cell - other)) * x[other] * slope[other]
    weight = 1.5 + 4 * 0.5 + 4 * (1.5 - 2**0.5)
    assert smooth.sensitivity(x, slope)[2, 3] == pytest.approx(total / weight / x[2, 3], rel=1e-13)


@pytest.mark.parametrize(
    "function", [Projection(4.0), Projection(16.0, 0.3), SIMP(3.0, 1e-3, 2.0), RAMP(8.0, 1e-3, 2.0), RAMP(0.0)]
)
def test_derivatives_by_finite_differences(function):
    x = np.linspace(0.05, 0.95, 19)
    slope = (function(x + H) - function(x - H)) / (2 * H)
    np.testing.assert_allclose(function.derivative(x), slope, rtol=1e-7, atol=1e-8)


def test_a_projection_keeps_the_ends_and_sharpens():
    np.testing.assert_allclose(Projection(8.0, 0.3)(np.array([0.0, 1.0])), [0, 1], atol=1e-15)
    x = np.linspace(0, 1, 11)
    np.testing.assert_allclose(Projection(1e-3)(x), x, atol=1e-6)
    np.testing.assert_allclose(Projection(1e3)(x[x != 0.5]), x[x != 0.5] > 0.5, atol=1e-12)


@pytest.mark.parametrize("law", [SIMP(3.0, 1e-3, 2.0), RAMP(8.0, 1e-3, 2.0)])
def test_moduli_run_from_void_to_solid_below_the_mean(law):
    np.testing.assert_allclose(law(np.array([0.0, 1.0])), [1e-3, 2.0])
    assert law(np.array([0.5]))[0] < 0.5


@pytest.mark.parametrize("projection", [None, Projection(3.0)])
def test_the_volume_and_its_gradient_belong_together(projection):
    densities = Densities(DensityFilter(grid(8, 6), 2.0), projection=projection)
    x, d = draw((8, 6)), draw((8, 6), 1)
    assert densities.volume(x) == pytest.approx(densities(x).mean(), rel=1e-13)
    slope = (densities.volume(x + H * d) - densities.volume(x - H * d)) / (2 * H)
    assert np.vdot(densities.volume_gradient(x), d) == pytest.approx(slope, rel=1e-7)


def test_the_update_finds_the_optimum_of_bars_in_a_row():
    r"""Of the least :math:`\sum a_i / x_i` at a given mean of x the x_i are as the roots of the a_i."""
    a = np.array([1.0, 4.0, 9.0, 16.0])
    x, weights = np.full(4, 0.5), np.full(4, 0.25)
    for _ in range(5):
        x = OptimalityCriteria(0.5)(x, -a / x**2, volume=np.mean, volume_gradient=weights)
    np.testing.assert_allclose(x, 0.2 * np.sqrt(a), rtol=1e-8)


@pytest.mark.parametrize("projection", [None, Projection(8.0)])
def test_the_update_meets_the_volume_within_the_move_limits(projection):
    densities = Densities(DensityFilter(grid(20, 10), 2.4), projection=projection)
    x = draw((20, 10))
    given = {"volume": densities.volume, "volume_gradient": densities.volume_gradient(x)}
    for fraction in (0.45, 0.5):
        new = OptimalityCriteria(fraction, move=0.15)(x, -draw((20, 10), 1), **given)
        assert densities(new).mean() == pytest.approx(fraction, abs=1e-9)
        assert np.abs(new - x).max() <= 0.15 + 1e-15
        assert 0 <= new.min() <= new.max() <= 1
    for fraction, step in ((0.01, -0.05), (0.99, 0.05)):
        new = OptimalityCriteria(fraction, move=0.05)(x, -draw((20, 10), 1), **given)
        np.testing.assert_allclose(new, np.clip(x + step, 0, 1))


def test_bad_gradients_are_named():
    x, given = np.full(4, 0.5), {"volume": np.mean, "volume_gradient": np.full(4, 0.25)}
    with pytest.raises(NotFiniteError, match="finite gradients"):
        OptimalityCriteria(0.5)(x, np.array([-1, np.nan, -1, -1]), **given)
    with pytest.raises(ContractError, match="is there a load"):
        OptimalityCriteria(0.5)(x, np.zeros(4), **given)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OptimalityCriteria(0.0), "fraction: expected a volume fraction between 0 and 1, got 0.0"),
        (lambda: OptimalityCriteria(1.2), "got 1.2"),
        (lambda: OptimalityCriteria(np.nan), "got nan"),
        (lambda: OptimalityCriteria(0.5, move=0.0), "move and damping"),
        (lambda: DensityFilter(grid(4, 4), 0.0), "radius: expected a finite positive length, got 0.0"),
        (lambda: SensitivityFilter(grid(4, 4), np.nan), "got nan"),
        (lambda: Projection(-1.0), "beta > 0"),
        (lambda: Projection(1.0, 1.0), "0 < eta < 1"),
        (lambda: SIMP(0.5), "penalty >= 1"),
        (lambda: SIMP(void=0.0), "0 < void < solid"),
        (lambda: RAMP(-1.0), "q >= 0"),
        (lambda: RAMP(void=2.0), "0 < void < solid"),
    ],
)
def test_settings_out_of_range_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
