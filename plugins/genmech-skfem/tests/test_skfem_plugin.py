"""The distribution: its entry points, its README, its example, and what it does without."""

import importlib.util
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import genmech_skfem
import numpy as np
import pytest

from genmech_fem import plugins
from genmech_fem.cli import main
from genmech_fem.datasets import Store

FOLDER = Path(__file__).parents[1]
ALONE = """
import sys
ABSENT = {"dolfinx", "dolfinx_solver", "ufl", "basix", "petsc4py", "mpi4py", "torch"}

class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ABSENT:
            raise ImportError(f"{name} is absent")

sys.meta_path.insert(0, Absent())
import numpy as np
import genmech_skfem.benchmark
from genmech_skfem import mbb_beam, pixel_stiffness
from genmech_fem.datasets import Campaign, Store, generate
from genmech_fem.design import Densities, DensityFilter, topology_optimization
from genmech_fem.microstructure import PeriodicFibres

beam = mbb_beam(12, 4)
found = topology_optimization(beam, Densities(DensityFilter(beam.inputs[0].place, 1.5)), 0.5, iterations=5)
generate(Campaign(pixel_stiffness(8), PeriodicFibres(8), 2), sys.argv[1])
assert not ABSENT & set(sys.modules)
print(found.history[0], *Store.open(sys.argv[1]).read()[1]["stiffness"][1])
"""


def test_the_package_works_where_dolfinx_and_torch_are_absent(tmp_path):
    command = [sys.executable, "-c", ALONE, str(tmp_path / "s")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, *stiffness = map(float, done.stdout.split())
    cell = Store.open(tmp_path / "s").read()[1]["phase"][1:]
    grey = genmech_skfem.mbb_beam(12, 4)({"youngs_modulus": np.full((1, 12, 4), 1e-9 + 0.125 * (1 - 1e-9))})
    assert first == pytest.approx(grey["compliance"].item(), rel=1e-12)
    np.testing.assert_allclose(genmech_skfem.pixel_stiffness(8)({"phase": cell})["stiffness"][0], stiffness)


def test_the_models_are_found_by_name_and_collide_with_none():
    assert plugins.load("models", "skfem_stiffness") is genmech_skfem.pixel_stiffness
    assert plugins.load("models", "skfem_conductivity") is genmech_skfem.pixel_conductivity
    found = [entry for entry in entry_points(group="genmech_fem.models") if entry.name.startswith("skfem_")]
    assert [entry.dist.name for entry in found] == ["genmech-skfem"] * 2


def test_the_command_line_makes_a_data_set_with_it(tmp_path, capsys):
    words = ["--resolution", "10", "--size", "3", "--engine", "serial", "--set", "inclusion=(20.0,0.3)"]
    for name in ("skfem_stiffness", "pixel_stiffness"):
        assert main(["generate", str(tmp_path / name), "--problem", name, *words]) == 0
    assert "3 of 3 samples, 0 of them failed" in capsys.readouterr().out
    own, other = (Store.open(tmp_path / n).read()[1]["stiffness"] for n in ("skfem_stiffness", "pixel_stiffness"))
    np.testing.assert_allclose(own, other, rtol=1e-9, atol=1e-9)


def test_the_readme_runs_as_printed(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", (FOLDER / "README.md").read_text(), flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})  # noqa: S102
    compliance, *others = map(float, re.findall(r"-?\d[\d.e+-]*", capsys.readouterr().out))
    assert compliance == 233.71
    assert others[-1] == pytest.approx(4 * 4**3 + 1.2 * 2.6 * 4, rel=0.02)  # a Timoshenko beam, coarse over its height
    assert len(others) == 7


def test_the_example_finds_the_same_with_both_back_ends():
    spec = importlib.util.spec_from_file_location("skfem_example", FOLDER / "example.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    rows, stored = example.main(beams=((12, 4, 3),), cells=(8,))
    values = {row["what"]: row["value"] for row in rows}
    assert len(values) == 8
    assert all(value < 1e-9 for what, value in values.items() if what.endswith("difference from DOLFINx"))
    assert all(value > 0 for what, value in values.items() if "CPU time" in what)
    np.testing.assert_allclose(stored["scikit-fem"], stored["DOLFINx"], rtol=1e-9, atol=1e-9)
