"""The circle of a guarded surrogate: solves that it fell back to are recorded, it learns from them, and errs less."""

import json

import numpy as np
import pytest

from genmech_fem.adapters import pixel_stiffness
from genmech_fem.cli import main
from genmech_fem.datasets import Campaign, Recorder, generate
from genmech_fem.metrics import relative_l2
from genmech_fem.microstructure import GaussianRandomField, PeriodicFibres
from genmech_fem.runtime import GuardedModel, OnnxModel
from genmech_fem.runtime.guards import Verdict

SIZE = 8
GIVEN = ("--input", "phase", "--output", "stiffness", "--periodic")


class Refuse:
    """A guard that trusts nothing."""

    name = "refuse"

    def judge(self, inputs, outputs):
        count = len(inputs["phase"])
        return Verdict(np.zeros(count, bool), np.ones(count), {name: array[:0] for name, array in outputs.items()})


def run(capsys, *words, code=0):
    assert main([str(word) for word in words]) == code
    return capsys.readouterr()


def fields(numbers):
    draw = GaussianRandomField(SIZE)
    return np.concatenate([draw(np.random.default_rng([1, i]))["phase"] for i in numbers])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A surrogate trained on fibres, and its fallbacks on random fields."""
    path, solver = tmp_path_factory.mktemp("circle"), pixel_stiffness(SIZE)
    generate(Campaign(solver, PeriodicFibres(SIZE), 80), path / "fibres")
    words = ["train", path / "fibres", *GIVEN, "--seconds", 4, "--seed", 5, "--out", path / "old"]
    assert main([str(word) for word in words]) == 0
    with Recorder(path / "fallbacks", solver.inputs, solver.outputs) as recorder:
        guarded = GuardedModel(OnnxModel(path / "old" / "model.onnx"), solver, [Refuse()], record=recorder.record)
        guarded({"phase": fields(range(200))})
        assert len(recorder) == 200
    return path


def test_the_error_on_the_new_family_falls_by_half_and_the_old_one_is_judged(folder, tmp_path, capsys):
    words = folder / "old" / "model.safetensors", folder / "fallbacks", folder / "fibres"
    text = run(capsys, "retrain", *words, "--seconds", 5, "--out", tmp_path).out
    card = json.loads((tmp_path / "card.json").read_text())
    errors = card["errors"]
    assert errors["surrogate"]["median"] < 0.5 * errors["surrogate, before"]["median"]
    assert card["notes"]["training"]["recipe"]["seed"] == 5
    assert card["samples"] == 20
    assert card["notes"]["samples"] == 72 + 180
    assert "| surrogate on the original data, before " in (tmp_path / "card.md").read_text()
    for name in ("surrogate", "surrogate on the original data"):
        before, after = (errors[name + when]["median"] for when in (", before", ""))
        assert f"{name}: {'better' if after < before else 'WORSE'}, median error {after:.4g}" in text
    phase = fields(range(300, 320))
    truth = pixel_stiffness(SIZE)({"phase": phase})["stiffness"]
    old, new = (
        np.median(relative_l2(OnnxModel(path / "model.onnx")({"phase": phase})["stiffness"], truth))
        for path in (folder / "old", tmp_path)
    )
    assert new < 0.5 * old


def test_a_surrogate_that_forgets_is_said(folder, tmp_path, capsys):
    """A long training at a wild rate on little else than the new family."""
    words = folder / "old" / "model.safetensors", folder / "fallbacks", folder / "fibres"
    text = run(capsys, "retrain", *words, "--seconds", 0.5, "--learning-rate", 0.5, "--out", tmp_path).out
    assert "surrogate on the original data: WORSE, median error" in text


def test_bad_input_is_one_line(folder, tmp_path, capsys):
    model = folder / "old" / "model.safetensors"
    solver = pixel_stiffness(SIZE)
    with Recorder(tmp_path / "few", solver.inputs, solver.outputs) as recorder:
        recorder.record({"phase": fields(range(5))}, solver({"phase": fields(range(5))}))
    generate(Campaign(pixel_stiffness(10), PeriodicFibres(10), 2), tmp_path / "fine")
    for words, message in (
        ((model, tmp_path / "few", folder / "fibres"), "few: expected at least 30 samples, got 5"),
        ((model, folder / "fallbacks", tmp_path / "fine"), "fine: expected FieldSpec"),
        ((model, folder / "fallbacks", tmp_path / "absent"), "absent holds no data store"),
        ((folder / "old" / "model.onnx", folder / "fallbacks", folder / "fibres"), "model.onnx"),
    ):
        error = run(capsys, "retrain", *words, "--out", tmp_path / "out", code=2).err
        assert message in error
        assert error.strip().count("\n") == 0
