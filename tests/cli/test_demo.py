"""The command as a user meets it: bad input, a full disk and Ctrl-C."""

import sys

import pytest

from genmech_fem.cli import main
from genmech_fem.cli.demo_settings import QUICK, Settings
from genmech_fem.cli.run_folder import Run

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
    monkeypatch.setattr("genmech_fem.cli.run_folder.FREE_BYTES", 10**18)
    assert "MB are free on this disk" in complaint(capsys, "demo", "--quick", "--out", tmp_path / "run")


@pytest.mark.parametrize("stiffness", [("nan", "0.3"), ("-3.5", "0.3"), ("0", "0.3"), ("70", "0.5"), ("inf", "0.2")])
def test_a_stiffness_that_is_none_is_refused(capsys, tmp_path, stiffness):
    line = complaint(capsys, "demo", "--quick", "--out", tmp_path / "run", "--inclusion", *stiffness)
    assert "Material: expected a positive Young's modulus [GPa] and a Poisson's ratio in (-1, 0.5)" in line
    assert not (tmp_path / "run").exists()
