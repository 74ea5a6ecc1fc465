"""The commands train, finetune and evaluate of a surrogate, on solved cells and plates."""

import json
from shutil import copytree

import numpy as np
import pytest

from genmech_fem.cli import main
from genmech_fem.datasets import Store
from genmech_fem.runtime import OnnxModel


def run(capsys, *words, code=0):
    assert main([str(word) for word in words]) == code
    return capsys.readouterr()


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    for name, problem, extra in (
        ("cells", "pixel_stiffness", []),
        ("plates", "tension", []),
        ("other", "pixel_stiffness", ["--set", "matrix=(3.0,0.3)"]),
    ):
        words = ["--problem", problem, "--resolution", "8", "--size", "60", "--engine", "serial", *extra]
        assert main(["generate", str(folder / name), *words]) == 0
    return folder


@pytest.fixture(scope="module")
def trained(sets, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "cells"
    words = [
        "train",
        sets / "cells",
        "--input",
        "phase",
        "--output",
        "stiffness",
        "--periodic",
        "--seconds",
        4,
        "--out",
        out,
    ]
    assert main([str(word) for word in words]) == 0
    return out


def test_a_surrogate_of_numbers_beats_the_mean_and_is_a_file_that_is_called_like_the_solver(sets, trained, pictures_of):
    card = json.loads((trained / "card.json").read_text())
    errors = card["errors"]
    assert set(errors) == {"surrogate", "mean predictor", "nearest neighbour"}
    assert errors["surrogate"]["median"] < 0.5 * errors["mean predictor"]["median"]
    assert errors["surrogate"]["median"] <= errors["surrogate"]["90 %"] <= errors["surrogate"]["worst"]
    assert card["samples"] == 6
    text = (trained / "card.md").read_text()
    assert "learned from 54 samples" in text
    assert "| surrogate " in text
    assert (trained / "worst.png").read_bytes().startswith(b"\x89PNG")
    assert pictures_of(trained / "report.html", "train ") == 2
    assert "<td>mean predictor</td>" in (trained / "report.html").read_text()
    _, arrays = Store.open(sets / "cells").read()
    file = OnnxModel(trained / "model.onnx")
    assert file({"phase": arrays["phase"]})["stiffness"].shape == arrays["stiffness"].shape
    passport = file.passport
    assert (passport.mesh, len(passport.form), passport.seeds) == ("81 nodes, 64 cells", 64, (0,))
    assert passport.metrics == errors
    assert passport.domain["phase"].outside(arrays["phase"], file.inputs[0]).max() < 1.0


@pytest.mark.parametrize(
    "network", ["unet", "fourier", "vision_transformer", pytest.param("point_transformer", marks=pytest.mark.slow)]
)
def test_fields_on_other_points_than_the_input_are_learned(network, sets, tmp_path, capsys):
    if network == "vision_transformer":
        text = run(
            capsys, "train", sets / "plates", "--input", "phase", "--output", "displacement", "--network", network,
            "--seconds", 1, "--out", tmp_path, code=2,
        ).err  # fmt: skip
        assert "expected a grid that 4 divides" in text
        return
    words = "--input", "phase", "--output", "displacement", "--network", network, "--seconds", 2
    text = run(capsys, "train", sets / "plates", *words, "--out", tmp_path).out
    assert text.startswith(f"# {network}: phase to displacement")
    assert (tmp_path / "worst.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("how", ["full", "low_rank", "partial"])
def test_fine_tuning_adapts_to_another_matrix(how, sets, trained, tmp_path, capsys):
    before = run(capsys, "evaluate", trained / "model.safetensors", sets / "other").out
    words = "--how", how, "--seconds", 2, "--test", sets / "other", "--out", tmp_path
    text = run(capsys, "finetune", trained / "model.safetensors", sets / "other", *words).out
    assert f"begun with {trained / 'model.safetensors'}, {how.replace('_', '-')} updates" in text
    now = json.loads((tmp_path / "card.json").read_text())["errors"]["surrogate"]["median"]
    was = float(before.split("| surrogate ")[1].split("|")[1])
    assert now < was


def test_evaluation_on_the_training_set_needs_no_baseline(sets, trained, tmp_path, capsys, pictures_of):
    words = sets / "cells", "--training", sets / "other", "--count", 20, "--out", tmp_path
    text = run(capsys, "evaluate", trained / "model.safetensors", *words).out
    assert "judged on 20 samples" in text
    assert "| nearest neighbour " in text
    card = json.loads((tmp_path / "card.json").read_text())
    assert len(card["each"]) == 20
    assert pictures_of(tmp_path / "report.html", "evaluate ") == 1
    printed = json.loads(run(capsys, "evaluate", trained / "model.safetensors", *words[:-2], "--json").out)
    assert printed["errors"] == card["errors"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("train", "cells", "--input", "stiffness", "--output", "phase"),
            "--input stiffness: expected a field on a grid",
        ),
        (("train", "cells", "--input", "phase", "--output", "strain"), "expected names of arrays among"),
        (("train", "cells:train", "--input", "phase", "--output", "stiffness"), "split"),
        (("train", "absent", "--input", "phase", "--output", "stiffness"), "absent holds no data store"),
        (("train", "cells", "--input", "phase", "--output", "stiffness", "--count", "10"), "at least 30 samples"),
        (("finetune", "absent.safetensors", "cells"), "absent.safetensors"),
        (("finetune", "MODEL", "plates"), "expected names of arrays among"),
    ],
)
def test_bad_input_is_one_line(words, message, sets, trained, tmp_path, capsys):
    given = [sets / w if w.split(":")[0] in ("cells", "plates", "absent", "absent.safetensors") else w for w in words]
    given = [trained / "model.safetensors" if word == "MODEL" else word for word in given]
    error = run(capsys, *given, "--out", tmp_path, code=2).err
    assert message in error
    assert error.strip().count("\n") == 0


@pytest.mark.parametrize("command", ["finetune", "evaluate", "train"])
def test_another_unit_or_grid_is_one_line(command, sets, trained, tmp_path, capsys):
    copytree(sets / "cells", tmp_path / "MPa")
    manifest = tmp_path / "MPa" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"GPa"', '"MPa"'))
    words = ["generate", tmp_path / "fine", "--problem", "pixel_stiffness", "--resolution", "10", "--size", "4"]
    run(capsys, *words, "--engine", "serial")
    asked = "--input", "phase", "--output", "stiffness", "--seconds", 1
    for other, said in (("MPa", "MPa"), ("fine", "(10, 10)")):
        path = tmp_path / other
        words = {
            "finetune": (trained / "model.safetensors", path),
            "evaluate": (trained / "model.safetensors", path),
            "train": (sets / "cells", *asked, "--test", path),
        }[command]
        error = run(capsys, command, *words, "--out", tmp_path / "out", code=2).err
        assert f"{path}: expected " in error
        assert said in error
        assert error.strip().count("\n") == 0


def test_outside_the_training_range_is_counted(trained, sets, tmp_path, capsys):
    _, arrays = Store.open(sets / "cells").read(range(6))
    arrays["phase"] = 2.0 * arrays["phase"]
    copytree(sets / "cells", tmp_path / "far", ignore=lambda path, names: [n for n in names if n != "manifest.json"])
    (tmp_path / "far" / "shards").mkdir(exist_ok=True)
    Store.open(tmp_path / "far").write(np.arange(6), arrays)
    text = run(capsys, "evaluate", trained / "model.safetensors", tmp_path / "far").out
    assert "6 of them leave the range of the training inputs, by at most 1 of its width" in text
