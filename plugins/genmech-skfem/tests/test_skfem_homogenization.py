"""Periodic cells solved by scikit-fem against DOLFINx and exact laminates; the same campaigns and design loops."""

import numpy as np
import pytest
from genmech_skfem import pixel_conductivity, pixel_homogenization, pixel_stiffness

from genmech_fem import adapters
from genmech_fem.adapters import as_vector, cell_values
from genmech_fem.adapters.homogenization import pixel_mesh
from genmech_fem.datasets import Campaign, Store, generate
from genmech_fem.design import Densities, DensityFilter, TensorTarget, minimize
from genmech_fem.design.optimizers import LBFGS
from genmech_fem.errors import DatasetError
from genmech_fem.fields import FieldSpec, ScalarSpec
from genmech_fem.forward import compose
from genmech_fem.microstructure import PeriodicFibres, phase_grid
from genmech_fem.problems import periodic_conduction

N = 16


@pytest.fixture(scope="module")
def cells():
    """Two cells of fibres."""
    draw = PeriodicFibres(N)
    return {"phase": np.concatenate([draw(np.random.default_rng(i))["phase"] for i in range(2)])}


def assert_close(found, wanted, tolerance=1e-11):
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance * np.abs(wanted).max())


def test_stiffness_is_that_of_dolfinx(cells):
    for materials in ((), ((2.0, 0.3), (1e-3, -0.2)), ((1.0, 0.45), (1.0, 0.0))):
        own = pixel_stiffness(N, *materials)
        other = adapters.pixel_stiffness(N, *(adapters.Material(*material) for material in materials))
        assert (own.inputs, own.outputs) == (other.inputs, other.outputs)
        assert_close(own(cells)["stiffness"], other(cells)["stiffness"])


def test_gradients_of_the_stiffness_are_those_of_dolfinx():
    own, other, generator = (
        pixel_homogenization(8, 0.2),
        adapters.pixel_homogenization(8, 0.2),
        np.random.default_rng(0),
    )
    moduli = {"youngs_modulus": generator.uniform(0.1, 2, (2, 8, 8))}
    weights = {"stiffness": generator.standard_normal((2, 6))}
    assert (own.inputs, own.outputs) == (other.inputs, other.outputs)
    assert_close(own(moduli)["stiffness"], other(moduli)["stiffness"])
    assert_close(own.vjp(moduli, weights)["youngs_modulus"], other.vjp(moduli, weights)["youngs_modulus"])


def test_conductivity_is_that_of_dolfinx(cells):
    problem = periodic_conduction(pixel_mesh(N))
    spec = FieldSpec("conductivity", phase_grid(N), (), "W/(m K)")
    other = adapters.ProblemModel(
        problem,
        (cell_values(problem.controls["conductivity"], spec, "conductivity"),),
        (as_vector(ScalarSpec("conductivity", 3, "W/(m K)"), "conductivity"),),
    )
    wanted = other({"conductivity": np.where(cells["phase"] > 0.5, 30.0, 2.0)})["conductivity"]
    assert_close(pixel_conductivity(N, 2.0, 30.0)(cells)["conductivity"], wanted)


def test_layers_conduct_in_series_and_in_parallel():
    layers = np.tile(np.arange(8)[:, None] < 2, (1, 8)).astype(float)
    found = pixel_conductivity(8, 1.0, 10.0)({"phase": np.stack([layers, layers.T])})["conductivity"]
    series, parallel = 1 / (0.25 / 10 + 0.75), 0.25 * 10 + 0.75
    np.testing.assert_allclose(found, [[series, 0, parallel], [parallel, 0, series]], rtol=1e-12, atol=1e-12)


def test_the_same_campaign_with_both_back_ends_makes_the_same_data(tmp_path):
    models = {"skfem": pixel_stiffness(N), "dolfinx": adapters.pixel_stiffness(N)}
    for name, model in models.items():
        generate(Campaign(model, PeriodicFibres(N), 6, seed=3), tmp_path / name)
    own, other = (Store.open(tmp_path / name) for name in models)
    assert own.specs == other.specs
    np.testing.assert_array_equal(own.read()[1]["phase"], other.read()[1]["phase"])
    assert_close(own.read()[1]["stiffness"], other.read()[1]["stiffness"], 1e-10)
    with pytest.raises(DatasetError, match="holds data of another campaign"):
        generate(Campaign(models["dolfinx"], PeriodicFibres(N), 6, seed=3), tmp_path / "skfem")


def test_an_interrupted_campaign_resumes_bit_for_bit(tmp_path):
    def campaign():
        return Campaign(pixel_conductivity(8), PeriodicFibres(8), 9)

    def stop(progress):
        if progress.finished == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(campaign(), tmp_path / "parts", progress=stop)
    assert generate(campaign(), tmp_path / "parts").computed == 5
    generate(campaign(), tmp_path / "whole")
    parts, whole = (Store.open(tmp_path / name).read()[1]["conductivity"] for name in ("parts", "whole"))
    np.testing.assert_array_equal(parts, whole)
    with pytest.raises(DatasetError, match=r"holds data of another campaign \(.*values.conductivity"):
        generate(Campaign(pixel_conductivity(8, 2.0), PeriodicFibres(8), 9), tmp_path / "parts")


def test_inverse_design_takes_the_same_path_with_both_back_ends():
    found, drawn = [], np.random.default_rng(2).uniform(0.3, 0.9, (2, 8, 8))
    for build in (pixel_homogenization, adapters.pixel_homogenization):
        model = build(8)
        densities = Densities(DensityFilter(model.inputs[0].place, 0.2), modulus=model.inputs[0])
        chain = compose(densities, model, keep=True)
        goal, start = TensorTarget(chain({"variables": drawn[:1]})["stiffness"][0]), {"variables": drawn[1:]}
        found.append(minimize(chain, goal, start, LBFGS(), bounds={"variables": (0.0, 1.0)}, iterations=30))
    own, other = found
    np.testing.assert_allclose(own.history[:10], other.history[:10], rtol=1e-6)
    assert max(own.value, other.value) < 1e-6  # a relative distance of 0.1 %


def test_settings_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"poisson_ratio: expected a number in \(-1, 0.5\), got 0.5"):
        pixel_homogenization(8, 0.5)
    with pytest.raises(ValueError, match="expected a positive modulus"):
        pixel_stiffness(8, (-1.0, 0.3))
    with pytest.raises(ValueError, match=r"expected positive, finite conductivities, got 1\.0 and inf"):
        pixel_conductivity(8, inclusion=np.inf)
    with pytest.raises(ValueError, match="at least 2 pixels along each side, got 1"):
        pixel_stiffness(1)
