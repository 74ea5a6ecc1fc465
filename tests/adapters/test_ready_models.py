"""Ready-made solvers of images against laminates and homogeneous squares, whose answers are known."""

import numpy as np
import pytest

from genmech_fem import plugins
from genmech_fem.adapters import EPOXY, GLASS, ConformingHomogenization, conduction, pixel_stiffness, tension
from genmech_fem.forward import ForwardModel
from genmech_fem.microstructure import PeriodicFibres

N = 16


def halves(axis):
    phase = np.zeros((1, N, N))
    phase[(slice(None), *[slice(N // 2) if a == axis else slice(None) for a in range(2)])] = 1.0
    return {"phase": phase}


def test_heat_passes_layers_in_series_and_in_parallel():
    model = conduction(N, matrix=1.0, inclusion=10.0)
    series, parallel = (model(halves(axis)) for axis in (0, 1))
    assert series["effective_conductivity"][0, 0] == pytest.approx(2 / (1 + 0.1), rel=1e-10)
    assert parallel["effective_conductivity"][0, 0] == pytest.approx(5.5, rel=1e-10)
    x = np.linspace(0, 1, N + 1)
    np.testing.assert_allclose(parallel["temperature"][0], np.repeat(1 - x[:, None], N + 1, 1), atol=1e-12)
    drop = np.where(x < 0.5, 1 - x * 2 / 11, 1 - 1 / 11 - (x - 0.5) * 20 / 11)
    np.testing.assert_allclose(series["temperature"][0], np.repeat(drop[:, None], N + 1, 1), atol=1e-12)


def test_a_homogeneous_square_stretches_uniformly():
    found = tension(N, EPOXY, EPOXY, strain=0.02)({"phase": np.zeros((2, N, N))})
    x = np.linspace(0, 1, N + 1)
    e, nu = EPOXY.youngs_modulus, EPOXY.poisson_ratio
    np.testing.assert_allclose(found["displacement"][1, 0], np.repeat(0.02 * x[:, None], N + 1, 1), atol=1e-12)
    lateral = np.repeat(-0.02 * nu / (1 - nu) * x[None], N + 1, 0)
    np.testing.assert_allclose(found["displacement"][1, 1], lateral, atol=1e-12)
    assert found["strain_energy"][0, 0] == pytest.approx(0.5 * e / (1 - nu**2) * 0.02**2, rel=1e-10)


def test_the_stiffness_of_layers_is_exact():
    found = pixel_stiffness(N)(halves(0))["stiffness"][0]
    p_wave = [
        m.youngs_modulus * (1 - m.poisson_ratio) / (1 + m.poisson_ratio) / (1 - 2 * m.poisson_ratio)
        for m in (EPOXY, GLASS)
    ]
    shear = [m.youngs_modulus / (2 * (1 + m.poisson_ratio)) for m in (EPOXY, GLASS)]
    assert found[0] == pytest.approx(2 / sum(1 / m for m in p_wave), rel=1e-9)
    assert found[5] == pytest.approx(2 * 2 / sum(1 / g for g in shear), rel=1e-9)


def test_pixels_come_near_to_the_conforming_mesh():
    phase = PeriodicFibres(resolution=32)(np.random.default_rng(0))
    conforming = ConformingHomogenization(32)(phase)["stiffness"]
    np.testing.assert_allclose(pixel_stiffness(32)(phase)["stiffness"], conforming, rtol=0.12, atol=0.2)
    assert pixel_stiffness(6, dimension=3)({"phase": np.zeros((1, 6, 6, 6))})["stiffness"].shape == (1, 21)


@pytest.mark.parametrize("name", plugins.names("models"))
def test_every_model_by_name_takes_what_the_samplers_make(name):
    model = plugins.load("models", name)(resolution=N)
    assert isinstance(model, ForwardModel)
    sample = PeriodicFibres(resolution=N)(np.random.default_rng(1))
    assert {spec.name for spec in model.outputs} == set(model(sample))
