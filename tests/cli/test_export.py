"""The command export: surrogates with their passport, generators, and what it refuses."""

import json

import numpy as np
import pytest
import torch

from genmech_fem.cli import main
from genmech_fem.datasets import Store
from genmech_fem.forward import DifferentiableForwardModel
from genmech_fem.generative import Architecture, FlowMatching
from genmech_fem.runtime import OnnxModel
from genmech_fem.training import save_model


def run(capsys, *words, code=0):
    assert main([str(word) for word in words]) == code
    return capsys.readouterr()


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells")
    words = ["--problem", "pixel_stiffness", "--resolution", "8", "--size", "40", "--engine", "serial"]
    assert main(["generate", str(folder / "data"), *words]) == 0
    words = ["--input", "phase", "--output", "stiffness", "--periodic", "--seconds", "2", "--out", str(folder / "out")]
    assert main(["train", str(folder / "data"), *words]) == 0
    return folder


def test_training_writes_the_passport_into_its_file(cells):
    passport = OnnxModel(cells / "out" / "model.onnx").passport
    card = json.loads((cells / "out" / "card.json").read_text())
    assert passport.metrics == card["errors"]
    assert passport.data == card["notes"]["training"]["data"]
    assert passport.seeds == (0,)
    assert "torch" in passport.versions
    domain = passport.domain["phase"]
    assert 0 <= domain.low[0] < domain.high[0] <= 1
    assert len(domain.mean) == len(domain.std) == 1


@pytest.mark.parametrize("gradients", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_surrogate_becomes_a_file_for_any_grid_with_a_report(gradients, cells, tmp_path, capsys):
    file = tmp_path / "m.onnx"
    words = "export", cells / "out" / "model.safetensors", "--out", file, "--data", cells / "data"
    text = run(capsys, *words, "--sizes", "16x16", *(["--vjp"] if gradients else [])).out
    for name in ("m.onnx", "m.report.json", "m.report.html", *(["m.vjp.onnx"] if gradients else [])):
        assert str(tmp_path / name) in text
        assert (tmp_path / name).exists()
    assert "stiffness, batch 3, 16 x 16" in text
    assert "src=" not in (tmp_path / "m.report.html").read_text()
    assert "nearest neighbour" in text
    model = OnnxModel(file)
    assert isinstance(model, DifferentiableForwardModel) == gradients
    _, arrays = Store.open(cells / "data").read()
    inputs = {"phase": arrays["phase"]}
    old = OnnxModel(cells / "out" / "model.onnx")(inputs)["stiffness"]
    np.testing.assert_allclose(model(inputs)["stiffness"], old, rtol=1e-4, atol=1e-4 * np.abs(old).max())
    assert set(model.passport.metrics) == {"surrogate", "mean predictor", "nearest neighbour"}
    assert (model.passport.domain["phase"].outside(arrays["phase"], model.inputs[0]) < 0.5).all()
    assert OnnxModel(file, shape=(24, 24))({"phase": np.ones((1, 24, 24))})["stiffness"].shape == (1, 6)


def test_without_data_random_inputs_are_compared_and_weights_may_be_halved(cells, tmp_path, capsys):
    words = "export", cells / "out" / "model.safetensors", "--out", tmp_path / "h.onnx", "--half", "--json"
    assert json.loads(run(capsys, *words).out) == json.loads((tmp_path / "h.report.json").read_text())
    model = OnnxModel(tmp_path / "h.onnx")
    assert model.metadata["precision"] == "float16"
    assert (tmp_path / "h.onnx").stat().st_size < 0.75 * (cells / "out" / "model.onnx").stat().st_size
    assert model.passport.domain["phase"].mean == ()


def test_a_generator_is_exported_by_its_part(tmp_path, capsys):
    torch.manual_seed(0)
    model = FlowMatching((1, 8, 8), network=Architecture(widths=(8,)), sampler=("heun", 2), bounds=(0.0, 1.0))
    model.prepare({"x": torch.rand(8, 1, 8, 8)})
    save_model(model, tmp_path / "g.safetensors")
    text = run(capsys, "export", tmp_path / "g.safetensors", "--out", tmp_path / "g.onnx", "--part", "step").out
    assert "velocity, batch 3" in text
    assert OnnxModel(tmp_path / "g.onnx").metadata["generator"]["part"] == "step"
    words = "export", tmp_path / "g.safetensors", "--out", tmp_path / "x.onnx"
    assert "are for surrogates" in run(capsys, *words, "--vjp", code=2).err


def test_wrong_arguments_give_one_line(cells, tmp_path, capsys):
    model = cells / "out" / "model.safetensors"
    assert "expected a file .onnx" in run(capsys, "export", model, "--out", tmp_path / "x.txt", code=2).err
    assert "genmech:" in run(capsys, "export", tmp_path / "none.safetensors", "--out", tmp_path / "x.onnx", code=2).err
    with pytest.raises(SystemExit):
        main(["export", str(model), "--out", str(tmp_path / "x.onnx"), "--sizes", "axb"])
    assert "expected grids such as 64x64" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
