"""The FMU of the example runs where neither torch nor DOLFINx is, and agrees with DOLFINx."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from genmech_fem.errors import ContractError
from genmech_fem.runtime import OnnxModel

pytest.importorskip("fmpy")
pytest.importorskip("pythonfmu")

from fmpy import read_model_description

EXAMPLE = Path(__file__).parents[1] / "examples" / "fmu.py"
DEPLOYED = """
import importlib.abc, json, sys

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "dolfinx", "dolfinx_solver", "petsc4py", "mpi4py", "onnx"):
            raise ImportError(name + " is absent")

sys.meta_path.insert(0, Absent())
import numpy as np
from fmpy import simulate_fmu

time = np.array([0.0, 1.0, 2.0, 3.0])
columns = {"time": time, "displacement[1]": np.array(json.loads(sys.argv[2])), "displacement[2]": 0.0 * time - 1.0}
signals = np.array(list(zip(*columns.values())), dtype=[(name, float) for name in columns])
names = ["displacement[1]", "displacement[2]", "force[1]", "force[2]", "inside_training_domain"]
found = simulate_fmu(sys.argv[1], stop_time=3.0, output_interval=1.0, input=signals, output=names, debug_logging=True)
print(json.dumps({name: found[name].tolist() for name in names}))
"""


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("fmu_example", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def found(example, tmp_path_factory):
    """The folder of a small run, and what it returns."""
    folder = tmp_path_factory.mktemp("fmu")
    return folder, example.main(folder, cells=(4, 2), samples=60, steps=800, rows=41)


def deployed(folder, shear):
    """The FMU in a process of its own, as a simulation tool runs it."""
    words = [sys.executable, "-c", DEPLOYED, str(folder / "mount.fmu"), json.dumps(shear)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def test_the_fmu_agrees_with_the_solver_where_it_says_so(found):
    figures = found[1]
    assert figures["inside"] < 0.01
    assert figures["mesh"] < 0.01
    assert 0 < figures["rows outside"] < 10
    assert figures["inside"] < figures["outside"] < 0.05


def test_the_force_is_the_derivative_of_the_energy(example):
    solver, energy = example.mount((4, 2)), example.strain_energy((4, 2))
    u, h = np.array([[3.0, -2.0]]), 1e-4
    steps = h * np.eye(2)
    slopes = [
        (energy({"displacement": u + e})["energy"] - energy({"displacement": u - e})["energy"]) / (2 * h) for e in steps
    ]
    np.testing.assert_allclose(solver({"displacement": u})["force"][0], np.ravel(slopes), rtol=1e-6)


def test_variables_carry_the_names_and_units_of_the_specs(found):
    variables = read_model_description(str(found[0] / "mount.fmu")).modelVariables
    rows = [(v.name, v.causality, v.type, v.unit) for v in variables]
    assert rows == [
        ("displacement[1]", "input", "Real", "mm"),
        ("displacement[2]", "input", "Real", "mm"),
        ("force[1]", "output", "Real", "N/mm"),
        ("force[2]", "output", "Real", "N/mm"),
        ("inside_training_domain", "output", "Boolean", None),
    ]


def test_it_runs_without_torch_and_dolfinx_and_warns_outside_of_its_domain(found):
    model = OnnxModel(found[0] / "mount.onnx")
    high = model.passport.domain["displacement"].high[0]
    done = deployed(found[0], [0.0, 0.99 * high, 1.01 * high, 3.0])
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    displacement, force = (
        np.stack([told[f"{name}[{k}]"] for k in (1, 2)], axis=1) for name in ("displacement", "force")
    )
    np.testing.assert_allclose(force, model({"displacement": displacement})["force"], rtol=1e-6, atol=1e-6)
    inside = dict(zip(told["displacement[1]"], told["inside_training_domain"], strict=True))
    assert inside == {0.0: True, 0.99 * high: True, 1.01 * high: False}


def test_a_step_that_fails_says_why(found):
    done = deployed(found[0], [0.0, float("nan"), 0.0, 0.0])
    assert done.returncode != 0
    assert "fmi2DoStep failed" in done.stderr
    assert "[ERROR] input 'displacement': expected finite numbers, sample 0 holds NaN" in done.stdout


def test_a_file_of_fields_is_refused(example, onnx_file, tmp_path):
    with pytest.raises(ContractError, match="an FMU passes numbers: expected vectors, got the field 'phase'"):
        example.FmuBuilder.build_FMU(example.SLAVE, dest=tmp_path, project_files=[onnx_file])
