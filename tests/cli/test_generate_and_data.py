import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from genmech_fem.cli import main
from genmech_fem.datasets import Store, read_splits
from genmech_fem.fields import from_json

GENERATE = ["--problem", "pixel_stiffness", "--resolution", "12", "--sampler", "gaussian_field", "--size", "30"]


def run(capsys, *words, code=0):
    assert main([str(word) for word in words]) == code
    return capsys.readouterr()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "set"
    assert main(["generate", str(path), *GENERATE, "--engine", "serial", "--title", "Random fields"]) == 0
    return path


def test_generating_says_what_came_out_and_resumes(capsys, made, pictures_of):
    text = run(capsys, "generate", made, *GENERATE, "--engine", "serial").out
    assert f"{made}: 30 of 30 samples, 0 of them failed; 0 computed now" in text
    store = Store.open(made)
    assert store.about["title"] == "Random fields"
    assert store.description["seed"] == 0
    assert [spec.name for spec in store.specs] == ["phase", "stiffness"]
    assert (made / "README.md").read_text().startswith("# Random fields")
    assert pictures_of(made / "report.html", "generate ") == 1
    assert "<h1>Random fields</h1>" in (made / "report.html").read_text()
    told = json.loads(run(capsys, "generate", made, *GENERATE, "--engine", "serial", "--json").out)
    assert (told["size"], told["finished"], told["computed"], told["failures"]) == (30, 30, 0, {})


def test_changed_settings_are_refused_in_one_line(capsys, made):
    text = run(capsys, "generate", made, *GENERATE, "--engine", "serial", "--set", "matrix=(3.0,0.3)", code=2).err
    line = text.strip().splitlines()[-1]
    assert line.startswith("genmech: ")
    assert "holds data of another campaign" in line


def test_settings_reach_solver_and_sampler(tmp_path):
    words = ["generate", str(tmp_path / "a"), "--problem", "tension", "--resolution", "8", "--size", "2"]
    assert main([*words, "--set", "strain=0.05", "matrix=(2.0,0.3)", "--sampler-set", "radius=(0.15,0.2)"]) == 0
    description = Store.open(tmp_path / "a").description
    assert description["sampler"]["radius"] == [0.15, 0.2]
    assert 0.05 in np.ravel(description["model"]["second"]["controls"]["boundary_value"])
    _, arrays = Store.open(tmp_path / "a").read()
    np.testing.assert_allclose(arrays["displacement"][:, 0, -1], 0.05)


def test_info_check_and_split(capsys, made):
    text = run(capsys, "data", "info", made).out
    assert "30 samples" in text
    assert "stiffness" in text
    assert "as they were written" in run(capsys, "data", "check", made).out
    assert json.loads(run(capsys, "data", "check", made, "--json").out) == {"files": 1, "samples": 30, "damaged": []}
    text = run(capsys, "data", "split", made, "--by", "phase", "--periodic", "--shares", "train=0.7", "test=0.3").out
    parts = read_splits(Store.open(made))
    assert f"train: {len(parts['train'])} samples" in text
    assert sorted(np.concatenate(list(parts.values()))) == list(range(30))
    assert "split train" in run(capsys, "data", "info", made).out
    told = json.loads(run(capsys, "data", "info", made, "--json").out)
    assert told["splits"] == {name: len(numbers) for name, numbers in parts.items()}
    assert [from_json(spec) for spec in told["arrays"]] == list(Store.open(made).specs)


def test_damage_is_found_put_aside_and_made_again(capsys, tmp_path):
    path = tmp_path / "set"
    assert main(["generate", str(path), *GENERATE, "--engine", "serial"]) == 0
    shard = next((path / "shards").iterdir())
    shard.write_bytes(shard.read_bytes()[:-7])
    assert f"{shard.name} is damaged" in run(capsys, "data", "check", path, code=1).out
    (damage,) = json.loads(run(capsys, "data", "check", path, "--json", code=1).out)["damaged"]
    assert shard.name in damage
    assert "is damaged" in run(capsys, "generate", path, *GENERATE, "--engine", "serial", code=2).err
    assert "moved to" in run(capsys, "data", "check", path, "--quarantine").out
    assert "30 computed now" in run(capsys, "generate", path, *GENERATE, "--engine", "serial").out
    assert "as they were written" in run(capsys, "data", "check", path).out


@pytest.mark.parametrize("engine", ["processes", pytest.param("dask", marks=pytest.mark.slow)])
def test_a_campaign_of_ones_own_runs_on_every_engine_with_its_failures_in_a_table(tmp_path, engine):
    script = tmp_path / "mine.py"
    script.write_text("""
import os
import numpy as np
from genmech_fem.datasets import Campaign, LatinHypercube, Range
from genmech_fem.fields import ScalarSpec
from genmech_fem.forward import FunctionModel

def cube(inputs):
    if inputs["x"][0, 0] > 0.9:
        os.abort()
    return {"y": inputs["x"] ** 3}

design = LatinHypercube((Range("x", 0.0, 1.0),), points=20)
campaign = Campaign(FunctionModel(cube, (ScalarSpec("x"),), (ScalarSpec("y"),)), design, 20)
""")
    command = ["generate", tmp_path / "set", "--campaign", f"{script}:campaign", "--engine", engine, "--workers", "2"]
    done = subprocess.run(
        [sys.executable, "-m", "genmech_fem.cli", *map(str, command)],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert "20 of 20 samples, 2 of them failed" in done.stdout
    assert "crashed" in done.stdout
    assert "SIGABRT" in done.stdout
    assert ("Dask dashboard: http://127.0.0.1:" in done.stderr) == (engine == "dask")
    assert len(Path(tmp_path, "set", "design.csv").read_text().splitlines()) == 21


def test_exports_are_written(capsys, made, tmp_path):
    pytest.importorskip("h5py")
    run(capsys, "data", "split", made, "--by", "phase", "--shares", "train=0.7", "test=0.3")
    run(capsys, "data", "export", made, tmp_path / "well", "--to", "well", "--boundary", "PERIODIC")
    assert {file.parent.name for file in (tmp_path / "well").rglob("*.hdf5")} == {"train", "test"}
    run(capsys, "data", "export", made, tmp_path / "vtk", "--to", "vtkhdf")
    assert len(list((tmp_path / "vtk").glob("*.vtkhdf"))) == 30
    run(capsys, "data", "export", made, tmp_path / "set.nc", "--to", "netcdf")
    assert (tmp_path / "set.nc").stat().st_size > 30 * 12 * 12 * 8


def test_mechanical_mnist_is_imported(capsys, tmp_path, pictures_of):
    generator = np.random.default_rng(0)
    np.savetxt(tmp_path / "mnist_img_test.txt", generator.integers(0, 256, (5, 784)), fmt="%d")
    np.savetxt(tmp_path / "summary_psi_test_all.txt", generator.random((5, 13)))
    text = run(capsys, "data", "import", tmp_path, tmp_path / "set", "--part", "test").out
    assert text.startswith("5 samples")
    assert pictures_of(tmp_path / "set" / "report.html", "data import ") == 1
    assert json.loads((tmp_path / "set" / "manifest.json").read_text())["about"]["licence"] == "CC BY-SA 3.0"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--size", "3"], "expected --problem with one of"),
        (["--problem", "nothing"], "unknown name 'nothing' in models"),
        (["--problem", "tension", "--set", "colour=1"], "expected KEY=VALUE with a key of resolution, matrix"),
        (["--problem", "tension", "--part", "2/2"], "--part: expected K/N"),
        (["--problem", "tension", "--time-limit", "5", "--engine", "serial"], "--time-limit: expected --engine"),
        (["--campaign", "nowhere.py:c"], "expected FILE.py:NAME with a file that exists"),
    ],
)
def test_bad_arguments_are_one_line(capsys, tmp_path, words, text):
    assert text in run(capsys, "generate", tmp_path / "x", *words, code=2).err
    assert not (tmp_path / "x").exists()


def test_bad_data_arguments_are_one_line(capsys, made, tmp_path):
    assert "holds no data store" in run(capsys, "data", "info", tmp_path, code=2).err
    assert "--shares: expected PART=SHARE" in run(
        capsys, "data", "split", made, "--by", "phase", "--shares", "train=much", code=2
    ).err  # fmt: skip
