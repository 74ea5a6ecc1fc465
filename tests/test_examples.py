"""Every example runs at its smallest size and gives the physics it promises."""

import importlib.util
from pathlib import Path

import numpy as np

EXAMPLES = Path(__file__).parents[1] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_all_examples_are_tested_here():
    text = Path(__file__).read_text()
    assert [path.stem for path in EXAMPLES.glob("*.py") if f'load("{path.stem}")' not in text] == []


def test_one_design_loop_with_solver_torch_and_onnx(tmp_path):
    errors = load("own_problem").main(tmp_path, samples=60, steps=500)
    assert errors["DOLFINx"] < 1e-4
    assert errors["torch"] < 0.05
    assert abs(errors["torch"] - errors["ONNX"]) < 1e-3


def test_inverse_homogenization_reaches_its_target():
    assert load("inverse_homogenization").main(resolution=8, iterations=60) < 1e-3


def test_the_stiffness_of_an_image_is_positive_and_below_the_voigt_bound(tmp_path):
    stiffness = load("homogenize_image").main(tmp_path, resolution=32)
    assert (tmp_path / "image.vtu").stat().st_size > 1000
    assert np.linalg.eigvalsh(stiffness).min() > 0.1
    E, nu = 18.0, 0.3
    assert stiffness[0, 0] < E * (1 - nu) / ((1 + nu) * (1 - 2 * nu))


def test_a_network_learns_stiffness_through_the_solver():
    errors = load("learn_through_solver").main(samples=128, steps=150)
    assert errors["network"] < 0.6 * errors["mean modulus"]


def test_a_design_is_meshed_solved_and_exported(tmp_path):
    found = load("design_to_mesh").main(tmp_path)
    assert found["extension"] == np.clip(found["extension"], 0.97 * found["theory"], 1.1 * found["theory"])
    assert found["volume"] == np.clip(found["volume"], 0.785, 0.795)
    assert 1.0 / 0.6 < found["largest stress"] < 6.0
    assert (tmp_path / "bar.stl").stat().st_size > 10_000
    assert (tmp_path / "displacement.vtu").stat().st_size > 10_000


def test_a_campaign_finds_the_growth_of_the_stiffness_with_the_fibres(tmp_path):
    slope = load("campaign").main(tmp_path, samples=16)
    assert 1.22 < slope < 3.32  # those of the bounds of Reuss and Voigt
    assert (tmp_path / "README.md").read_text().startswith("# Glass fibres in epoxy")
