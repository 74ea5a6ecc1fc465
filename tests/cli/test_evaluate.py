import json

import numpy as np
import pytest
import torch

from genmech_fem.cli import main
from genmech_fem.datasets import Store, split_by_hash, write_splits
from genmech_fem.generative import Architecture, FlowMatching
from genmech_fem.microstructure import PeriodicFibres, phase_spec
from genmech_fem.training import save_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files and a split data set of fibre cells."""
    path = tmp_path_factory.mktemp("images")
    sampler = PeriodicFibres(16, (0.15, 0.2))
    phase = np.concatenate([sampler(np.random.default_rng(i))["phase"] for i in range(80)])
    np.save(path / "samples.npy", phase[:12])
    np.savez(path / "real.npz", phase=phase[12:40], other=phase[:2])
    np.savez(path / "two.npz", a=phase, b=phase)
    np.save(path / "wide.npy", np.zeros((20, 8, 16)))
    np.save(path / "loud.npy", 255 * phase[:20])
    np.save(path / "none.npy", phase[:0])
    (path / "broken.npz").write_bytes(b"PK\x03\x04 not a zip file")
    (path / "broken.npy").write_bytes(b"")
    store = Store.create(path / "set", (phase_spec(16),), {})
    store.write(range(40), {"phase": phase[40:]})
    write_splits(store, split_by_hash(store, {"train": 0.5, "test": 0.5}, by="phase"), {})
    return path


def run(capsys, *words, code=0):
    assert main(["evaluate", *map(str, words)]) == code
    return capsys.readouterr()


def test_the_table_is_printed_and_the_files_are_written(folder, tmp_path, capsys, pictures_of):
    out = tmp_path / "a" / "card"
    words = folder / "samples.npy", folder / "real.npz", "--training", folder / "set", "--out", out
    text = run(capsys, *words).out
    assert "| S2 error" in text
    assert "| distance to training, median" in text
    assert "12 samples beside 12 real images" in text
    assert text.strip() in (out / "report_card.md").read_text()
    assert (out / "report_card.png").read_bytes().startswith(b"\x89PNG")
    stored = json.loads((out / "report_card.json").read_text())
    assert stored["size"] == 12
    (share,) = [row for row in stored["rows"] if row["name"] == "share of discs"]
    assert share["value"] == share["real_real"] == 1.0
    assert share["worse"] is False
    assert pictures_of(out / "report.html", "evaluate ") == 1
    assert ">S2 error</td>" in (out / "report.html").read_text()
    assert json.loads(run(capsys, *words, "--json").out) == stored


def test_parts_of_a_split_are_read(folder, capsys):
    text = run(capsys, f"{folder / 'set'}:test", f"{folder / 'set'}:train", "--count", "6", "--seed", "3").out
    assert "6 samples beside 6 real images" in text
    assert "expected a part of its split, one of ['test', 'train'], got 'valid'" in (
        run(capsys, f"{folder / 'set'}:valid", folder / "set", code=2).err
    )


def test_samples_are_meshed_and_solved_with_progress(folder, capsys):
    said = run(capsys, folder / "samples.npy", folder / "real.npz", "--count", "6", "--solve")
    assert "| C11, W1 [GPa]" in said.out
    assert "| not solved, share" in said.out
    assert "mesh and solve" in said.err
    assert "18/18" in said.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["nowhere", "real.npz"], "expected the folder of a data set or a file .npy, .npz"),
        (["missing.npy", "real.npz"], "No such file"),
        ([".", "real.npz"], "manifest.json"),
        (["broken.npz", "real.npz"], "broken.npz: expected an array of images"),
        (["broken.npy", "real.npz"], "broken.npy: expected an array of images"),
        (["two.npz", "real.npz"], "no array 'phase' among ['a', 'b']"),
        (["samples.npy", "wide.npy"], "expected images of the shape (16, 16) of the samples, got (8, 16)"),
        (["loud.npy", "real.npz"], "expected phase images in [0, 1], got 0 to 255"),
        (["none.npy", "real.npz"], "got shape (0, 16, 16)"),
        (["samples.npy", "real.npz", "--count", "0"], "--count: expected at least 1, got 0"),
        (["samples.npy", "real.npz", "--count", "5"], "at least 6 samples"),
        (["wide.npy", "wide.npy", "--solve"], "--solve: expected images of a square or a cube, got 8 x 16 pixels"),
    ],
)
def test_bad_input_is_one_line_and_code_2(folder, monkeypatch, capsys, words, text):
    monkeypatch.chdir(folder)
    said = run(capsys, *words, code=2).err
    assert text in said
    assert said.count("\n") == 1


def test_a_generator_is_sampled(folder, tmp_path, capsys):
    images = torch.tensor(np.load(folder / "real.npz")["phase"], dtype=torch.float32)[:, None]
    torch.manual_seed(0)
    for name, condition in (("free", None), ("asked", ("scalars", 1))):
        network = Architecture(widths=(8,))
        model = FlowMatching(images.shape[1:], condition, network=network, bounds=(0, 1), sampler=("heun", 2))
        model.prepare({"x": images, "condition": images.mean((2, 3))})
        save_model(model, tmp_path / f"{name}.safetensors")
    assert "share of discs" in run(capsys, tmp_path / "free.safetensors", folder / "real.npz", "--count", 12).out
    said = run(capsys, tmp_path / "asked.safetensors", folder / "real.npz", code=2).err
    assert "expected a condition of shape (50, 1), got None: draw samples in Python" in said
