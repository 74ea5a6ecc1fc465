import csv
from dataclasses import replace

import numpy as np
import pytest
from campaigns import X, fingerprint, model
from scipy.stats import qmc

from genmech_fem.datasets import Campaign, LatinHypercube, Range, Sobol, Store, generate
from genmech_fem.errors import DatasetError
from genmech_fem.microstructure import PeriodicFibres

E, NU = Range("modulus", 1.0, 1000.0, unit="GPa", scale="log"), Range("ratio", 0.1, 0.4, size=2)


def points(design, seed, size):
    return np.array([design.point(seed, i) for i in range(size)])


def test_a_latin_hypercube_has_one_point_in_every_slice():
    found = points(LatinHypercube((E, NU), points=40), 3, 40)
    assert found.shape == (40, 3)
    np.testing.assert_array_equal(np.sort(np.floor(40 * found), axis=0), np.arange(40)[:, None] * [1, 1, 1])
    assert not np.array_equal(found, points(LatinHypercube((E, NU), points=40), 4, 40))


def test_sobol_points_are_those_of_the_sequence_and_even():
    found = points(Sobol((E, NU)), 3, 2048)
    np.testing.assert_array_equal(found, qmc.Sobol(3, rng=np.random.default_rng([3])).random(2048))
    random = np.random.default_rng(0).random((2048, 3))
    assert qmc.discrepancy(found) < 0.05 * qmc.discrepancy(random)


def test_points_do_not_depend_on_their_order():
    for design in (Sobol((E,)), LatinHypercube((E,), points=2000)):
        there = points(design, 1, 1500)
        np.testing.assert_array_equal(there[::-1], [design.point(1, i) for i in reversed(range(1500))])


def test_ranges_are_met_on_both_scales():
    values = [Sobol((E, NU)).parameters(0, i) for i in range(512)]
    modulus = np.array([v["modulus"][0, 0] for v in values])
    assert 1 <= modulus.min() < 1.05
    assert 950 < modulus.max() <= 1000
    assert np.median(modulus) == pytest.approx(10**1.5, rel=0.05)
    ratio = np.array([v["ratio"][0] for v in values])
    assert ratio.shape == (512, 2)
    np.testing.assert_allclose(ratio.mean(axis=0), 0.25, atol=1e-3)


def test_the_design_is_stored_with_the_data(tmp_path):
    design = LatinHypercube((Range("x", 0, 2, size=2, unit="mm"),), points=10)
    campaign = Campaign(model(lambda inputs: {"y": inputs["x"]}), design, 10, seed=2)
    generate(campaign, tmp_path)
    header, *rows = csv.reader((tmp_path / "design.csv").read_text().splitlines())
    assert header == ["sample", "x[0] (mm)", "x[1] (mm)"]
    _, arrays = Store.open(tmp_path).read()
    np.testing.assert_array_equal(np.array(rows, dtype=float)[:, 1:], arrays["x"])
    assert Store.open(tmp_path).description["sampler"]["ranges"][0]["upper"] == 2
    with pytest.raises(DatasetError, match=r"sampler.ranges\[0\].upper was 2, now 3"):
        generate(replace(campaign, sampler=replace(design, ranges=(replace(design.ranges[0], upper=3),))), tmp_path)


def fibres(parameters, generator):
    fraction = float(parameters["fraction"][0, 0])
    return PeriodicFibres(resolution=16, volume_fraction=(fraction, fraction))(generator)


def test_parameters_of_a_design_may_build_the_inputs(tmp_path):
    ours = PeriodicFibres(resolution=16)
    mean = model(lambda inputs: {"y": np.repeat(inputs["phase"].mean(axis=(1, 2))[:, None], 2, 1)})
    share = replace(mean, inputs=ours.outputs)
    design = Sobol((Range("fraction", 0.2, 0.4),), build=fibres)
    generate(Campaign(share, design, 16), tmp_path / "a")
    generate(Campaign(share, design, 16), tmp_path / "b", part=(1, 2))
    generate(Campaign(share, design, 16), tmp_path / "b", part=(0, 2))
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    _, arrays = Store.open(tmp_path / "a").read()
    np.testing.assert_allclose(arrays["y"][:, 0], arrays["fraction"][:, 0], atol=0.08)


def test_a_latin_hypercube_cannot_grow(tmp_path):
    campaign = Campaign(
        model(lambda inputs: {"y": inputs["x"]}), LatinHypercube((Range("x", 0, 1, 2, "mm"),), points=4), 6
    )
    with pytest.raises(ValueError, match="expected sample numbers below points=4, got 4: .* or use Sobol"):
        generate(campaign, tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [(1, 1), (2, 1), (0, np.inf), (np.nan, 1), (0, 1, 0), (0, 1, 1, "1", "log"), (1, 2, 1, "1", "cubic")],
)
def test_bad_ranges_are_refused(arguments):
    with pytest.raises(ValueError, match="Range 'x': expected"):
        Range("x", *arguments)
    assert X.name == "x"
