"""The design commands: what they write against their own solvers, Ctrl-C, and bad input."""

import json
import os
import signal
import threading
import time
from dataclasses import asdict
from importlib.util import find_spec
from shutil import copy

import meshio
import numpy as np
import pytest

from genmech_fem.adapters import ConformingHomogenization, cantilever, cantilever_structure
from genmech_fem.adapters.conforming_structure import ConformingStructure
from genmech_fem.cli import main
from genmech_fem.cli.demo_settings import Settings
from genmech_fem.datasets import Campaign, Store, generate
from genmech_fem.geometry import read
from genmech_fem.metrics import relative_frobenius
from genmech_fem.microstructure import PeriodicFibres
from genmech_fem.runtime import OnnxModel

SIZE = 16
BEAM = ("design", "structure", "--shape", "20x10", "--iterations", "10", "--radius", "1.5", "--sharpness", "4")
CELL = ("--draws", "8", "--solves", "4")

ctrl_c = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
"""Ctrl-C may come between the opening of a file and the beginning of its ``with`` block."""


def run(*words, code=0):
    assert main([str(word) for word in words]) == code


def complaint(capsys, *words):
    """The one line that bad input gives."""
    run(*words, code=2)
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("genmech: ")
    return said


def interrupted(folder, pattern, count, *words):
    """Run a command and press Ctrl-C as soon as so many files are there."""

    def press():
        deadline = time.monotonic() + 60
        while len(list(folder.glob(pattern))) < count and time.monotonic() < deadline:
            time.sleep(0.001)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    run(*words, code=130)


def told(folder):
    """What a run says of its design."""
    return json.loads((folder / "design.json").read_text())


@pytest.fixture(scope="module")
def beam(tmp_path_factory):
    folder = tmp_path_factory.mktemp("beam") / "run"
    run(*BEAM, "--out", folder)
    return folder


def test_predicted_verified_and_finer_are_those_of_the_solvers(beam):
    found, density = told(beam), np.load(beam / "density.npy")[None]
    structure = cantilever_structure((20, 10), 0.2)
    moduli = {"youngs_modulus": 1e-9 + (1 - 1e-9) * density**3}
    assert found["predicted"] == pytest.approx(cantilever((20, 10), 0.2)(moduli)["compliance"].item(), rel=1e-9)
    for name, refine in (("verified", 1), ("finer", 2)):
        again = ConformingStructure(structure, 0.5, refine)({"density": density})["compliance"].item()
        assert found[name] == pytest.approx(again, rel=1e-9)
    assert found["predicted"] == pytest.approx(min(found["histories"][1][1:]), rel=0.02)
    assert density.mean() == pytest.approx(found["volume"]) == pytest.approx(0.5, abs=0.02)
    assert found["evaluations"] == sum(map(len, found["histories"])) == 20


def test_meshes_hold_the_verified_solid(beam):
    found, mesh = told(beam), read(beam / "mesh.msh")
    assert mesh.measures().sum() == pytest.approx(200 * found["verified_volume"], rel=1e-9)
    surface = meshio.read(beam / "mesh.stl")
    corners = surface.points[surface.cells_dict["triangle"]].astype(float)
    volume = np.einsum("ti,ti->t", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert volume == pytest.approx(mesh.measures().sum(), rel=1e-4)
    solution = meshio.read(beam / "mesh.vtu")
    tip = np.abs(solution.points[:, 0] - 20) < 1e-9
    assert solution.point_data["displacement 0"][tip, 1].min() < -0.5 * found["verified"]


def test_figures_of_the_solid_are_those_of_counting(beam):
    figures, solid = told(beam)["figures"], np.load(beam / "density.npy") > 0.5
    assert set(figures) == {"min_feature", "disconnected", "enclosed_voids", "overhang_x", "overhang_y"}
    assert figures["disconnected"] == 0
    held = solid.copy()
    for k in range(1, 20):
        below = np.pad(held[k - 1], 1)
        held[k] &= below[:-2] | below[1:-1] | below[2:]
    assert figures["overhang_x"] == pytest.approx((solid & ~held).sum() / solid.sum())


def test_the_page_is_self_contained_and_says_what_is_verified(beam, pictures_of):
    page = (beam / "report.html").read_text()
    assert pictures_of(beam / "report.html", "design structure ") == 3
    for text in ("verified on a mesh of the solid", "Not verified", "Settings and versions", "enclosed"):
        assert text in page


def test_a_finished_run_is_left_as_it_is(beam, capsys):
    before = {p: p.stat().st_mtime_ns for p in beam.rglob("*") if p.is_file() and p.name != "run.json"}
    run(*BEAM, "--out", beam)
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert "compliance verified on a mesh of the solid" in capsys.readouterr().out
    run(*BEAM, "--out", beam, "--json")
    printed = json.loads(capsys.readouterr().out)
    assert printed == {name: value for name, value in told(beam).items() if name in printed}
    assert "verified" in printed


def test_a_run_of_other_settings_is_refused_and_kept(beam, capsys):
    before = (beam / "design.json").read_bytes()
    said = complaint(capsys, *BEAM, "--volume", "0.4", "--out", beam)
    assert "holds a run of other settings (volume was 0.5, now 0.4)" in said
    assert (beam / "design.json").read_bytes() == before


@ctrl_c
def test_an_interrupted_loop_keeps_its_best_design_and_goes_on(beam, tmp_path):
    out = tmp_path / "run"
    words = *BEAM, "--out", out
    interrupted(out, "journal/1/*.safetensors", 2, *words)
    kept, page = told(out), (out / "report.html").read_text()
    assert "verified" not in kept
    assert "Not verified: interrupted" in page
    assert np.load(out / "density.npy").mean() == pytest.approx(kept["volume"])
    assert kept["histories"][0] == told(beam)["histories"][0]
    run(*words)
    assert told(out) == told(beam)
    assert (out / "density.npy").read_bytes() == (beam / "density.npy").read_bytes()


def test_a_design_that_cannot_be_meshed_is_kept_and_the_reason_told(tmp_path, capsys):
    words = "--shape", "8x4", "--iterations", "1", "--sharpness", "--out", tmp_path / "run"
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".run.json.1.part").touch()  # of a run that was killed as it began
    run("design", "structure", *words, code=2)  # a uniform density has no surface
    assert "density" in capsys.readouterr().err
    assert "Not verified: " in (tmp_path / "run" / "report.html").read_text()
    np.testing.assert_allclose(np.load(tmp_path / "run" / "density.npy"), 0.5)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--volume", "0"), "--volume: expected a share of the box between 0 and 1, got 0"),
        (("--volume", "1"), "--volume: expected a share"),
        (("--radius", "0"), "radius: expected a finite positive length, got 0"),
        (("--shape", "2x1"), "of at least 4 cells along each axis, got 2x1"),
        (("--shape", "60"), "--shape: expected NXxNY"),
        (("--shape", "60xtwenty"), "--shape: expected cells such as 60x20"),
        (("--shape", "8x8x8", "--load", "mbb"), "got 8x8x8 for mbb"),
        (("--shape", "40x20", "--load", "wheel"), "expected NxN for the wheel"),
        (("--shape", "40x40", "--load", "wheel", "--volume", "0.1"), "that of rim and hub"),
        (("--penalty", "0.5"), "expected penalty >= 1"),
        (("--sharpness", "-1"), "expected beta > 0"),
        (("--iterations", "0"), "expected --iterations and --refine >= 1"),
        (("--min-feature", "0.5"), "spacing <= radius"),
        (("--thickness", "0"), "--thickness: expected a positive length"),
    ],
)
def test_bad_settings_are_one_line_and_leave_no_folder(tmp_path, capsys, words, text):
    assert text in complaint(capsys, "design", "structure", *words, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(find_spec("nlopt") is not None, reason="nlopt is installed")
def test_a_missing_optimiser_says_how_to_get_it(tmp_path, capsys):
    said = complaint(capsys, "design", "structure", "--optimizer", "mma", "--out", tmp_path / "run")
    assert "pip install 'genmech_fem[nlopt]'" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("load", ["mbb", "wheel", "cantilever"])
def test_every_structure_is_designed_and_verified(load, tmp_path):
    shape = {"mbb": "24x12", "wheel": "40x40", "cantilever": "16x8x4"}[load]
    run("design", "structure", "--load", load, "--shape", shape, "--iterations", "20", "--out", tmp_path / "run")
    found = told(tmp_path / "run")
    assert found["verified"] == pytest.approx(found["predicted"], rel=0.15)


@pytest.fixture(scope="module")
def trained(flow_file, onnx_file, tmp_path_factory):
    """The folder of a run of the demo, whose networks have learned nothing."""
    folder = tmp_path_factory.mktemp("demo") / "run"
    (folder / "onnx").mkdir(parents=True)
    copy(flow_file, folder / "onnx" / "generator.onnx")
    copy(onnx_file, folder / "onnx" / "surrogate.onnx")
    settings = Settings(resolution=SIZE, samples=12, held_out=0.25)
    (folder / "run.json").write_text(json.dumps({"settings": asdict(settings)}))
    solver = ConformingHomogenization(SIZE, refine=1)
    generate(Campaign(solver, PeriodicFibres(resolution=SIZE), 12, 0), folder / "data")
    return folder


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    """A cell, and the words that ask for its stiffness."""
    file = tmp_path_factory.mktemp("wanted") / "cell.npy"
    np.save(file, PeriodicFibres(resolution=SIZE)(np.random.default_rng(99))["phase"][0])
    return "--target-of", file


@pytest.fixture(scope="module")
def designed(trained, wanted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cells") / "run"
    run("design", "cell", trained, *wanted, *CELL, "--out", folder)
    return folder


def test_cells_are_those_of_the_solvers_the_best_first(designed, trained, wanted):
    found, phases = told(designed), {"phase": np.load(designed / "cells.npz")["phase"]}
    target = ConformingHomogenization(SIZE, refine=4)({"phase": np.load(wanted[1])[None]})["stiffness"][0]
    np.testing.assert_allclose(found["settings"]["target"], target, rtol=1e-9)
    verified = ConformingHomogenization(SIZE, refine=2)(phases)["stiffness"]
    predicted = OnnxModel(trained / "onnx" / "surrogate.onnx")(phases)["stiffness"]
    for name, tensors in (("stiffness", verified), ("predicted_stiffness", predicted)):
        np.testing.assert_allclose([cell[name] for cell in found["cells"]], tensors, rtol=1e-5, atol=1e-6)
    errors = [cell["error"] for cell in found["cells"]]
    np.testing.assert_allclose(errors, relative_frobenius(verified, target), rtol=1e-6)
    assert errors == sorted(errors)
    finer = ConformingHomogenization(SIZE, refine=4)({"phase": phases["phase"][:1]})["stiffness"][0]
    np.testing.assert_allclose(found["finer"], finer, rtol=1e-9)
    assert found["cells"][0]["finer_error"] == pytest.approx(relative_frobenius(finer, target), rel=1e-6)


def test_novelty_and_diversity_are_told(designed, trained):
    found = told(designed)
    assert all(cell["novelty"] > 0 for cell in found["cells"])
    assert 1 <= found["diversity"] <= 4
    low, high = found["volume_fractions"]
    assert 0 <= low < high <= 1


def test_the_best_cell_is_meshed_and_the_page_is_self_contained(designed, pictures_of):
    mesh = read(designed / "cell.msh")
    assert mesh.measures().sum() == pytest.approx(1)
    assert len(read(designed / "cell.vtu").cells) == len(mesh.cells)
    page = (designed / "report.html").read_text()
    assert pictures_of(designed / "report.html", "design cell ") == 3
    for text in ("target", "predicted", "verified", "finer", "Novelty", "Not verified"):
        assert text in page


@ctrl_c
def test_interrupted_solves_are_kept_and_not_repeated(designed, trained, wanted, tmp_path):
    out = tmp_path / "run"
    words = "design", "cell", trained, *wanted, *CELL, "--out", out
    interrupted(out, "solves/refine_2/pending/*/*.safetensors", 2, *words)
    kept = told(out)
    assert 2 <= len(kept["cells"]) <= 4
    assert "finer" not in kept
    assert "Interrupted" in (out / "report.html").read_text()
    early = Store.open(out / "solves" / "refine_2").read()[1]["stiffness"]
    run(*words)
    assert told(out) == told(designed)
    later = Store.open(out / "solves" / "refine_2").read()[1]["stiffness"]
    assert len(later) == 4
    np.testing.assert_array_equal(later[: len(early)], early)


def test_flipped_pixels_come_nearer(designed, trained, wanted, tmp_path):
    words = *wanted, *CELL, "--refine-by-adjoint", "12", "--out", tmp_path / "run"
    run("design", "cell", trained, *words)
    best = told(tmp_path / "run")["cells"][0]
    assert best["by"] == "refined"
    assert best["error"] < 0.6 * told(designed)["cells"][0]["error"]


def test_an_impossible_stiffness_is_refused_before_any_solve(trained, tmp_path, capsys):
    words = "--target", 200, 4.5, 0, 9, 0, 4, "--out", tmp_path / "run"
    assert "Voigt" in complaint(capsys, "design", "cell", trained, *words)
    assert not (tmp_path / "run").exists()


def test_features_that_are_too_small_are_rejected(trained, wanted, tmp_path, capsys):
    words = *wanted, *CELL, "--min-feature", 3, "--out", tmp_path / "run"
    run("design", "cell", trained, *words, code=2)
    assert "none of 8 candidates is accepted: draw more, or ask less" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--target", 9, 4.5, 0, 9, 0), "--target: expected 6 numbers C11 C12 C16 C22 C26 C66, got 5"),
        (("--target", "nan", 4.5, 0, 9, 0, 4), "positive definite"),
        (("--target", 9, 4.5, 0, 9, 0, 4, "--draws", 0), "expected --draws and --solves >= 1"),
        (("--target", 9, 4.5, 0, 9, 0, 4, "--min-feature", 0), "spacing <= radius"),
        (("--target-of", "nowhere.npy"), "found none at nowhere.npy"),
    ],
)
def test_bad_input_of_cells_is_one_line_and_leaves_no_folder(trained, tmp_path, capsys, words, text):
    assert text in complaint(capsys, "design", "cell", trained, *words, "--out", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_folders_that_are_no_finished_demo_are_named(beam, trained, tmp_path, capsys):
    words = "--target", 9, 4.5, 0, 9, 0, 4, "--out", tmp_path / "run"
    said = complaint(capsys, "design", "cell", tmp_path, *words)
    assert "found no run.json, data, onnx/generator.onnx, onnx/surrogate.onnx" in said
    assert "holds a run of other settings" in complaint(capsys, *BEAM, "--out", trained)
    copies = tmp_path / "copies"
    (copies / "data").mkdir(parents=True)
    (copies / "onnx").mkdir()
    for name in ("generator", "surrogate"):
        copy(trained / "onnx" / f"{name}.onnx", copies / "onnx")
    copy(beam / "run.json", copies)
    assert "expected the record of a genmech demo run" in complaint(capsys, "design", "cell", copies, *words)
