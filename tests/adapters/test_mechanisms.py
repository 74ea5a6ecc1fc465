"""A force inverter that an optimisation by its gradients turns round, and heat sinks with known temperatures."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from genmech_fem.adapters import Side, inverter, inverter_structure
from genmech_fem.adapters.conforming_structure import ConformingStructure
from genmech_fem.adapters.heat_sink import heat_sink
from genmech_fem.forward import check_vjp, linearize

ALL = ("compliance", "temperature", "heat_flux")
SHAPE, VOLUME = (20, 10), 0.3


def at_volume(x):
    """The nearest densities of the wanted volume."""
    low, high = -1.0, 1.0
    for _ in range(40):
        shift = (low + high) / 2
        low, high = (shift, high) if np.clip(x + shift, 0, 1).mean() < VOLUME else (low, shift)
    return np.clip(x + low, 0, 1)


@pytest.fixture(scope="module")
def optimised():
    """Displacements and densities of a projected gradient method; SIMP of power 3, densities smoothed by a Gaussian."""
    model, x, found = inverter(*SHAPE), np.full(SHAPE, VOLUME), []
    for _ in range(40):
        density = gaussian_filter(x, 0.7)
        outputs, pull_back = linearize(model, {"youngs_modulus": (1e-3 + density**3)[None]})
        found.append((outputs["displacement"].item(), density))
        slope = pull_back({"displacement": np.ones((1, 1))})["youngs_modulus"][0] * 3 * density**2
        step = gaussian_filter(slope, 0.7)  # the filter is symmetric
        x = at_volume(x - 0.2 * step / np.abs(step).max())
    return found


def test_the_optimised_inverter_moves_against_the_force(optimised):
    first, last = optimised[0][0], optimised[-1][0]
    assert first > 0.1
    assert last < -0.4


def test_the_solid_of_the_optimum_inverts_the_force_too(optimised):
    solid = ConformingStructure(inverter_structure(SHAPE), refine=2, smooth=0.5)
    found = solid({"density": optimised[-1][1][None]})
    assert found["displacement"].item() < -0.4
    assert found["volume"].item() == pytest.approx(optimised[-1][1].mean(), rel=0.01)


def test_gradients_of_the_inverter_pass_the_taylor_test():
    generator = np.random.default_rng(0)
    given = {"youngs_modulus": generator.uniform(0.1, 1.0, (2, 8, 4))}
    assert check_vjp(inverter(8, 4), given, generator) > 1.9


def test_a_stiff_workpiece_hardly_moves():
    """Betti: the output port sees a spring in parallel with the mechanism, u = u_free / (1 + k / stiffness)."""
    given = {"youngs_modulus": np.random.default_rng(0).uniform(0.1, 1.0, (1, 8, 4))}
    at = {k: inverter(8, 4, 0.1, k)(given)["displacement"].item() for k in (0.0, 1.0, 3.0)}
    stiffness = 1 / (at[0.0] / at[1.0] - 1)
    assert at[3.0] == pytest.approx(at[0.0] / (1 + 3 / stiffness), rel=1e-8)


def test_heat_leaves_a_slab_by_its_side():
    """T = x (2 L - x) / 2 k for the outlet x = 0; quadratic, so that the nodes of Q1 elements are exact."""
    length, height, k = 2.0, 0.5, 3.0
    model = heat_sink((16, 4), Side("left"), upper=(length, height), outputs=ALL)
    found = model({"conductivity": np.full((1, 16, 4), k)})
    x = np.linspace(0, length, 17)
    np.testing.assert_allclose(
        found["temperature"][0], np.repeat((x * (2 * length - x) / 2 / k)[:, None], 5, 1), atol=1e-12
    )
    centres = (x[1:] + x[:-1]) / 2
    np.testing.assert_allclose(found["heat_flux"][0, 0], np.repeat(centres[:, None] - length, 4, 1), atol=1e-12)
    np.testing.assert_allclose(found["heat_flux"][0, 1], 0, atol=1e-12)
    assert found["compliance"].item() == pytest.approx(height * length**3 / 3 / k, rel=2e-3)


def test_the_compliance_of_a_heat_sink_is_the_integral_of_its_temperature():
    generator = np.random.default_rng(0)
    model = heat_sink((12, 10), outputs=ALL)
    given = {"conductivity": generator.uniform(0.1, 1.0, (2, 12, 10))}
    assert check_vjp(model, given, generator) > 1.9
    compliance, temperature = (model(given)[name] for name in ALL[:2])
    means = sum(temperature[:, i : i + 12, j : j + 10] for i in (0, 1) for j in (0, 1)) / 4
    np.testing.assert_allclose(means.sum(axis=(1, 2)) / 144, compliance[:, 0], rtol=1e-10)
    np.testing.assert_allclose(temperature[:, 0, 4:7], 0, atol=1e-12)


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="springs of a stiffness of at least 0"):
        inverter(8, 4, spring_in=-1.0)
    with pytest.raises(ValueError, match="expected some of"):
        heat_sink((8, 8), outputs=("flux",))
    with pytest.raises(ValueError, match="at least one of the mesh's facets"):
        heat_sink((8, 8), Side("left", 0.1, 0.2))
