"""Densities of a wanted volume."""

import numpy as np
import pytest

from genmech_fem.design import Projection
from genmech_fem.design.at_volume import AtVolume
from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid, Points
from genmech_fem.forward import check_vjp, linearize

SPEC = FieldSpec("level", Grid((16, 9), (0, 0), (16, 9)))
SOLID, VOID = np.zeros((2, 16, 9), dtype=bool)
SOLID[:4, 2], VOID[8:, 5:] = True, True


def draw(batch=3, seed=0):
    return np.random.default_rng(seed).standard_normal((batch, 16, 9))


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e6])
@pytest.mark.parametrize("beta", [0.1, 8.0, 1e5])
@pytest.mark.parametrize("fraction", [0.01, 0.4, 0.999])
def test_the_mean_is_the_fraction(scale, beta, fraction):
    density = AtVolume(SPEC, fraction, beta=beta)({"level": scale * draw() - 3})["density"]
    np.testing.assert_allclose(density.mean(axis=(1, 2)), fraction, atol=1e-12 * max(1, beta * scale))
    assert density.min() >= 0
    assert density.max() <= 1


def test_the_densities_are_a_projection_with_the_ends_at_infinity():
    """A projection of an affine image of the field from -L to L tends to them, up to that image's sharpness."""
    x, eta, size = draw(1)[0], 0.3, 50.0
    projection = Projection(4 * 2 * size, (eta + size) / (2 * size))
    wanted = projection((x + size) / (2 * size))
    found = AtVolume(SPEC, float(wanted.mean()), beta=4)({"level": x[None]})["density"][0]
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_a_sharp_step_keeps_the_largest_values():
    x = draw(1)
    density = AtVolume(SPEC, 36 / 144, beta=1e7)({"level": x})["density"]
    np.testing.assert_allclose(np.sort(density.ravel()), np.arange(144) >= 108, atol=1e-6)
    assert x[density > 0.5].min() > x[density < 0.5].max()


def test_only_differences_of_the_field_count_and_a_constant_one_is_grey():
    model, x = AtVolume(SPEC, 0.3), draw()
    np.testing.assert_allclose(model({"level": x + 7})["density"], model({"level": x})["density"], atol=1e-12)
    for value in (0.0, -4.0, 1e9):
        np.testing.assert_allclose(model({"level": np.full((1, 16, 9), value)})["density"], 0.3, atol=1e-12)
    assert np.isfinite(model({"level": 1e30 * x})["density"]).all()


def test_masks_are_kept_and_count_in_the_volume():
    density = AtVolume(SPEC, 0.4, solid=SOLID, void=VOID)({"level": draw()})["density"]
    assert (density[:, SOLID] == 1).all()
    assert (density[:, VOID] == 0).all()
    np.testing.assert_allclose(density.mean(axis=(1, 2)), 0.4, atol=1e-13)


@pytest.mark.parametrize("masks", [{}, {"solid": SOLID, "void": VOID}])
@pytest.mark.parametrize("fraction", [0.35, None])
def test_gradients(fraction, masks):
    model = AtVolume(SPEC, fraction, beta=2.0, out="rho", **masks)
    inputs = {"level": draw()} | ({"volume": np.array([[0.3], [0.5], [0.6]])} if fraction is None else {})
    assert check_vjp(model, inputs, np.random.default_rng(1)) == pytest.approx(2, abs=0.05)
    gradients = model.vjp(inputs, {"rho": np.ones((3, 16, 9))})  # of the volume
    np.testing.assert_allclose(gradients["level"], 0, atol=1e-12)
    if fraction is None:
        np.testing.assert_allclose(gradients["volume"], 144)
    assert not model.vjp(inputs, {})["level"].any()


def test_gradients_of_saturated_and_constant_fields_are_finite():
    model = AtVolume(SPEC, 0.5, beta=1e4)
    half = np.where(np.arange(144).reshape(1, 16, 9) < 72, -1.0, 1.0)
    for x in (half, np.zeros((1, 16, 9))):
        outputs, pull_back = linearize(model, {"level": x})
        assert outputs["density"].mean() == pytest.approx(0.5)
        assert np.isfinite(pull_back({"density": draw(1)})["level"]).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AtVolume(SPEC, 0.5, beta=0), "beta: expected a finite positive"),
        (lambda: AtVolume(SPEC, 0.0), "above the share 0 of solid points and below the 1 that .* got 0"),
        (lambda: AtVolume(SPEC, 0.02, solid=SOLID), "share 0.02778 of solid points"),
        (lambda: AtVolume(SPEC, 0.9, void=VOID), "below the 0.7778 that void points leave, got 0.9: change"),
        (lambda: AtVolume(SPEC, 0.5, solid=VOID, void=VOID), "do not overlap"),
        (lambda: AtVolume(SPEC, 0.5, solid=SOLID[:3]), r"solid: expected a mask of shape \(16, 9\), got \(3, 9\)"),
        (lambda: AtVolume(FieldSpec("level", Points(2)), 0.5), "fixed number of points"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_volume_that_the_masks_forbid_is_refused():
    with pytest.raises(ContractError, match="share 0.02778 of solid points .* got 0.01: change"):
        AtVolume(SPEC, solid=SOLID)({"level": draw(2), "volume": np.array([[0.5], [0.01]])})
