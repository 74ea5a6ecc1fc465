"""A whole quick run of the demo, interrupted once, and what it leaves behind."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genmech_fem.cli import main
from genmech_fem.cli.demo_settings import QUICK
from genmech_fem.geometry import read

COMMAND = [sys.executable, "-m", "genmech_fem.cli"]

pytestmark = pytest.mark.slow


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


def test_the_report_is_self_contained_and_all_artefacts_are_there(finished, pictures_of):
    out, _ = finished
    assert pictures_of(out / "report.html", "demo ") >= 7
    assert "Not verified" in (out / "report.html").read_text()
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
    assert main(["demo", "--quick", "--out", str(out)]) == 2
    assert f"{shard.name} is damaged" in capsys.readouterr().err
