"""Ready-made solvers of images against laminates and homogeneous squares, whose answers are known."""

import numpy as np
import pytest

from genmech_fem import plugins
from genmech_fem.adapters import (
    EPOXY,
    GLASS,
    ConformingHomogenization,
    Material,
    conduction,
    darcy,
    pixel_stiffness,
    tension,
)
from genmech_fem.forward import ForwardModel
from genmech_fem.microstructure import DarcyPermeability, PeriodicFibres

N = 16


def layers(axis, share=0.5):
    """Phase 1 up to `share` of the side along `axis`, phase 0 beyond."""
    first = np.arange(N) < share * N
    return {"phase": np.broadcast_to(first[:, None] if axis == 0 else first[None, :], (1, N, N)).astype(float)}


def test_heat_passes_layers_in_series_and_in_parallel():
    model = conduction(N, matrix=1.0, inclusion=10.0)
    series, parallel = (model(layers(axis)) for axis in (0, 1))
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


@pytest.mark.parametrize(("axis", "modulus"), [(0, 1 / (0.75 / 2.0 + 0.25 / 30.0)), (1, 0.75 * 2.0 + 0.25 * 30.0)])
def test_layers_stretch_in_series_and_in_parallel(axis, modulus):
    """Without lateral contraction the bars of one dimension are exact."""
    model = tension(N, Material(2.0, 0.0), Material(30.0, 0.0), strain=0.1)
    found = model(layers(axis, 0.25))
    assert found["strain_energy"][0, 0] == pytest.approx(0.5 * modulus * 0.1**2, rel=1e-10)
    x = np.linspace(0, 1, N + 1)
    stretch = 0.1 * modulus * (np.minimum(x, 0.25) / 30 + np.maximum(x - 0.25, 0) / 2) if axis == 0 else 0.1 * x
    np.testing.assert_allclose(found["displacement"][0, 0], np.repeat(stretch[:, None], N + 1, 1), atol=1e-12)
    np.testing.assert_allclose(found["displacement"][0, 1], 0, atol=1e-12)


def test_the_stiffness_of_layers_is_exact():
    shares = np.array([0.75, 0.25])
    E, nu = np.array([[m.youngs_modulus, m.poisson_ratio] for m in (EPOXY, GLASS)]).T
    shear = E / (2 * (1 + nu))
    lmbda = 2 * shear * nu / (1 - 2 * nu)
    across = lmbda + 2 * shear  # C11 = C22 of each layer, C12 = lmbda
    c11, ratio = 1 / (shares @ (1 / across)), shares @ (lmbda / across)
    c22 = shares @ (across - lmbda**2 / across) + ratio**2 * c11
    exact = {(0, 0): c11, (0, 1): ratio * c11, (1, 1): c22, (2, 2): 2 / (shares @ (1 / shear))}
    for axis in (0, 1):
        found = np.zeros((3, 3))
        found[np.triu_indices(3)] = pixel_stiffness(N)(layers(axis, 0.25))["stiffness"][0]
        order = [0, 1, 2] if axis == 0 else [1, 0, 2]
        expected = np.zeros((3, 3))
        for place, value in exact.items():
            expected[place] = value
        expected = np.triu((expected + np.triu(expected, 1).T)[np.ix_(order, order)])
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_pixels_come_near_to_the_conforming_mesh():
    phase = PeriodicFibres(resolution=32)(np.random.default_rng(0))
    conforming = ConformingHomogenization(32)(phase)["stiffness"]
    np.testing.assert_allclose(pixel_stiffness(32)(phase)["stiffness"], conforming, rtol=0.12, atol=0.2)
    assert pixel_stiffness(6, dimension=3)({"phase": np.zeros((1, 6, 6, 6))})["stiffness"].shape == (1, 21)


@pytest.mark.parametrize("name", plugins.names("models"))
def test_every_model_by_name_takes_what_the_samplers_make(name):
    model = plugins.load("models", name)(resolution=N)
    assert isinstance(model, ForwardModel)
    sampler = (DarcyPermeability if name == "darcy" else PeriodicFibres)(resolution=N)
    sample = sampler(np.random.default_rng(1))
    assert {spec.name for spec in model.outputs} == set(model(sample))


def test_darcy_flow_through_one_material_is_that_of_the_series():
    model = darcy(40, every=5)
    assert model.outputs[0].shape == (9, 9)
    found = model({"permeability": np.array([3.0, 12.0])[:, None, None] * np.ones((2, 41, 41))})["pressure"]
    np.testing.assert_allclose(found[:, 4, 4], 0.0736713532 / np.array([3.0, 12.0]), rtol=1e-3)
    np.testing.assert_allclose(found[:, [0, -1]], 0, atol=1e-15)
    np.testing.assert_allclose(found[:, :, [0, -1]], 0, atol=1e-15)
    with pytest.raises(ValueError, match="a divisor of the 40 cells along a side as every, got 3"):
        darcy(40, every=3)


def test_darcy_flow_sees_the_mean_of_the_corners():
    sampler, model = DarcyPermeability(20), darcy(20, every=4)
    nodes = sampler(np.random.default_rng(0))["permeability"]
    cells = (nodes[:, 1:, 1:] + nodes[:, :-1, 1:] + nodes[:, 1:, :-1] + nodes[:, :-1, :-1]) / 4
    model({"permeability": nodes})
    used = model.problem.controls["conductivity"]
    points = used.function_space.tabulate_dof_coordinates()[:, :2]
    index = np.floor(points * 20).astype(int)
    np.testing.assert_allclose(used.x.array, cells[0][tuple(index.T)], atol=1e-9)
