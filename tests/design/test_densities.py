"""Filters, projection, interpolation and densities."""

import numpy as np
import pytest

from genmech_fem.design import (
    RAMP,
    SIMP,
    Densities,
    DensityFilter,
    Projection,
    SensitivityFilter,
    hat_matrix,
)
from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid
from genmech_fem.forward import check_vjp

H = 1e-6


def grid(*shape):
    return Grid(shape, (0,) * len(shape), shape)


def draw(shape, seed=0, batch=2):
    return np.random.default_rng(seed).uniform(0.1, 0.9, (batch, *shape))


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
    np.testing.assert_allclose(smooth(np.full((1, *shape), 0.3)), 0.3, rtol=1e-14)
    inside = np.zeros((1, *shape))
    inside[(0, slice(5, -5), *[slice(5, 6)] * (len(shape) - 1))] = 1.0
    assert smooth(inside).sum() == pytest.approx(inside.sum(), rel=1e-13)
    x, y = draw(shape), draw(shape, 1)
    assert np.vdot(smooth(x), y) == pytest.approx(np.vdot(x, smooth.pull_back(y)), rel=1e-13)
    np.testing.assert_array_equal(smooth.sensitivity(x, y), smooth.pull_back(y))
    np.testing.assert_array_equal(smooth(x)[1], smooth(x[1:])[0])


def test_the_sensitivity_filter_smooths_the_gradient_only():
    shape, x, slope = (6, 5), draw((6, 5)), draw((6, 5), 1)
    smooth = SensitivityFilter(grid(*shape), 1.5)
    assert smooth(x) is x
    assert smooth.pull_back(slope) is slope
    cell, total = np.array([2, 3]), 0.0
    for other in np.ndindex(shape):
        total += max(0.0, 1.5 - np.linalg.norm(cell - other)) * x[1][other] * slope[1][other]
    weight = 1.5 + 4 * 0.5 + 4 * (1.5 - 2**0.5)
    assert smooth.sensitivity(x, slope)[1, 2, 3] == pytest.approx(total / weight / x[1, 2, 3], rel=1e-13)


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


SOLID, VOID = np.zeros((8, 6), dtype=bool), np.zeros((8, 6), dtype=bool)
SOLID[2:4, :3], VOID[5:] = True, True
FILTER = DensityFilter(grid(8, 6), 2.0)


@pytest.mark.parametrize(
    "densities",
    [
        Densities(FILTER),
        Densities(FILTER, RAMP(), Projection(3.0)),
        Densities(FILTER, projection=Projection(6.0, 0.4), solid=SOLID, void=VOID),
    ],
)
def test_densities_pass_the_taylor_test(densities):
    x = {"variables": draw((8, 6))}
    assert check_vjp(densities, x, np.random.default_rng(0)) == pytest.approx(2, abs=0.1)
    made = densities(x)
    np.testing.assert_array_equal(made["youngs_modulus"], densities.interpolation(made["density"]))


def test_passive_cells_have_their_density_whatever_the_variables():
    densities = Densities(FILTER, solid=SOLID, void=VOID, modulus=FieldSpec("k", grid(8, 6), (), "W/m/K"))
    x, ones = {"variables": draw((8, 6))}, np.ones((2, 8, 6))
    made = densities(x)
    assert set(made) == {"density", "k"}
    np.testing.assert_array_equal(made["density"][:, SOLID], 1)
    np.testing.assert_array_equal(made["density"][:, VOID], 0)
    free = ~(SOLID | VOID)
    np.testing.assert_array_equal(made["density"][:, free], FILTER(x["variables"])[:, free])
    np.testing.assert_allclose(densities.vjp(x, {"density": ones})["variables"], FILTER.pull_back(free * ones))


def test_the_modulus_takes_the_heuristic_of_a_sensitivity_filter_and_the_volume_does_not():
    smooth = SensitivityFilter(grid(8, 6), 2.0)
    densities, x, ones = Densities(smooth), draw((8, 6)), np.ones((2, 8, 6))
    volume = densities.vjp({"variables": x}, {"density": ones})["variables"]
    np.testing.assert_array_equal(volume, ones)
    stiffness = densities.vjp({"variables": x}, {"youngs_modulus": ones})["variables"]
    np.testing.assert_allclose(stiffness, smooth.sensitivity(x, SIMP().derivative(x)))


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"solid": SOLID[:4]}, r"masks of bool and shape \(8, 6\)"),
        ({"void": SOLID.astype(int)}, "masks of bool"),
        ({"solid": SOLID, "void": SOLID | VOID}, "6 cells are both solid and void"),
    ],
)
def test_masks_that_do_not_fit_are_refused(masks, message):
    with pytest.raises(ContractError, match=message):
        Densities(FILTER, **masks)


@pytest.mark.parametrize(
    ("make", "message"),
    [
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
