"""The command as a user meets it: bad input, a full disk, Ctrl-C, and a whole quick run."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genmech_fem.cli import main
from genmech_fem.cli.demo import QUICK, Run, Settings
from genmech_fem.geometry import read

COMMAND = [sys.executable, "-m", "genmech_fem.cli"]


def complaint(capsys, *words):
    """The one line that bad input gives."""
    assert main([str(word) for word in words]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("genmech: ")
    return lines[0]


def test_unknown_names_list_what_exists(capsys, tmp_path):
    line = complaint(capsys, "demo", "--microstructure", "fibers", "--out", tmp_path)
    assert (
        "unknown name 'fibers' in microstructures: choose one of basic_shapes, darcy_permeability, ellipses, fibres"
        in line
    )
    assert list(tmp_path.iterdir()) == []


def test_a_sampler_of_voxels_is_refused(capsys, tmp_path):
    line = complaint(capsys, "demo", "--microstructure", "spinodoid", "--out", tmp_path)
    assert "expected a sampler of images, got 'spinodoid' in 3D" in line


def test_a_negative_seed_is_refused(capsys, tmp_path):
    assert "--seed: expected a number >= 0, got -1" in complaint(capsys, "demo", "--seed", "-1", "--out", tmp_path)


def test_an_output_that_is_a_file_is_refused(capsys, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    complaint(capsys, "demo", "--quick", "--out", file)
    complaint(capsys, "demo", "--quick", "--out", file / "below")
    assert file.read_text() == "mine"


def test_a_folder_with_other_things_is_refused_and_kept(capsys, tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    assert "holds files that are not of a run" in complaint(capsys, "demo", "--quick", "--out", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_run_of_other_settings_is_refused_and_kept(capsys, tmp_path):
    Run(tmp_path, Settings(seed=7))
    before = (tmp_path / "run.json").read_bytes()
    line = complaint(capsys, "demo", "--quick", "--seed", "7", "--out", tmp_path)
    assert f"samples was 640, now {QUICK.samples}" in line
    assert (tmp_path / "run.json").read_bytes() == before


def test_a_damaged_record_is_named(capsys, tmp_path):
    (tmp_path / "run.json").write_text("{")
    assert "run.json is damaged" in complaint(capsys, "demo", "--quick", "--out", tmp_path)


def test_a_finished_stage_is_not_computed_again_and_an_interrupted_one_is(tmp_path):
    calls = []

    def compute(run):
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return {"found": 3}

    with pytest.raises(KeyboardInterrupt):
        Run(tmp_path, QUICK).stage("data", compute)
    assert Run(tmp_path, QUICK).stage("data", compute) == {"found": 3}
    assert Run(tmp_path, QUICK).stage("data", compute) == {"found": 3}
    assert len(calls) == 2


def test_a_full_disk_is_found_out_before_the_work(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr("genmech_fem.cli.demo.FREE_BYTES", 10**18)
    assert "MB are free on this disk" in complaint(capsys, "demo", "--quick", "--out", tmp_path / "run")


@pytest.mark.parametrize("stiffness", [("nan", "0.3"), ("-3.5", "0.3"), ("0", "0.3"), ("70", "0.5"), ("inf", "0.2")])
def test_a_stiffness_that_is_none_is_refused(capsys, tmp_path, stiffness):
    line = complaint(capsys, "demo", "--quick", "--out", tmp_path / "run", "--inclusion", *stiffness)
    assert "Material: expected a positive Young's modulus [GPa] and a Poisson's ratio in (-1, 0.5)" in line
    assert not (tmp_path / "run").exists()


def fingerprints(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (folder / "data" / "shards").iterdir()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A quick run, interrupted once in its data and gone on with."""
    out = tmp_path_factory.mktemp("demo") / "run"
    command = [*COMMAND, "demo", "--quick", "--out", str(out)]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 240
    while len(list(out.glob("data/pending/*/*.safetensors"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(child.pid, signal.SIGINT)
    _, text = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "Traceback" not in text
    assert "the same command resumes" in text
    early = fingerprints(out)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert early.items() <= fingerprints(out).items()
    return out, done.stdout


def test_the_quick_run_prints_target_prediction_and_verified_value(finished):
    _, text = finished
    for method in ("generator + surrogate", "nearest in training set", "random search"):
        assert text.count(method) == 2
    assert "verified %" in text


def test_the_report_is_self_contained_and_all_artefacts_are_there(finished):
    out, _ = finished
    page = (out / "report.html").read_text()
    sources = re.findall(r'src="([^"]{0,30})', page)
    assert len(sources) >= 7
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert "http" not in page
    assert "Not verified" in page
    for name in ("weights/generator.safetensors", "weights/surrogate.safetensors", "onnx/generator.onnx",
                 "onnx/surrogate.onnx", "figures/parity.png", "designs/target_0.npz"):  # fmt: skip
        assert (out / name).stat().st_size > 1000
    meshes = [read(out / "designs" / f"target_0{suffix}") for suffix in (".msh", ".xdmf", ".vtu")]
    assert len({len(mesh.cells) for mesh in meshes}) == 1


def test_the_record_says_what_was_verified(finished):
    record = json.loads((finished[0] / "run.json").read_text())
    target = record["design"]["targets"][0]
    assert {found["solves"] for found in target["methods"].values()} == {QUICK.solves}
    own = target["methods"]["generator + surrogate"]
    assert own["error"] == min(own["all_errors"])
    assert own["predicted_error"] != own["error"]
    assert max(d for file in record["export"].values() for d in file["differences"].values()) < 1e-5
    assert record["evaluate"]["label_error"] < 5e-3


def test_a_finished_run_is_left_as_it_is(finished):
    out, _ = finished
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*") if p.is_file() and p.name != "run.json"}
    assert main(["demo", "--quick", "--out", str(out)]) == 0
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_a_truncated_shard_is_named(capsys, tmp_path, finished):
    from shutil import copytree

    out = copytree(finished[0], tmp_path / "copy")
    shard = sorted(Path(out, "data", "shards").glob("*.safetensors"))[0]
    shard.write_bytes(shard.read_bytes()[:-20])
    record = json.loads((out / "run.json").read_text())
    del record["learn"]
    (out / "run.json").write_text(json.dumps(record))
    assert f"{shard.name} is damaged" in complaint(capsys, "demo", "--quick", "--out", out)
