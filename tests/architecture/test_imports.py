"""What importing the package may and may not do."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import genmech_fem

LIGHT = ["genmech_fem", "genmech_fem.fields", "genmech_fem.forward", "genmech_fem.plugins", "genmech_fem.runtime"]
ROOMS = [
    "adapters", "anomaly", "cli", "datasets", "design", "explorer", "export", "generative", "geometry", "metrics",
    "microstructure", "nn", "plotting", "problems", "runtime", "surrogates", "training",
]  # fmt: skip

PROBE = """
import json, os, random, sys, warnings, logging
import numpy
before = (dict(os.environ), os.getcwd(), numpy.random.get_state()[1].tolist(), random.getstate(),
          list(warnings.filters), logging.getLogger().handlers[:], numpy.geterr(), sys.getrecursionlimit())
import {module}
after = (dict(os.environ), os.getcwd(), numpy.random.get_state()[1].tolist(), random.getstate(),
         list(warnings.filters), logging.getLogger().handlers[:], numpy.geterr(), sys.getrecursionlimit())
changed = [i for i, (a, b) in enumerate(zip(before, after)) if a != b]
heavy = [name for name in ("torch", "dolfinx", "matplotlib", "onnx") if name in sys.modules]
print(json.dumps({{"changed": changed, "heavy": heavy}}))
"""


def probe(module):
    done = subprocess.run(
        [sys.executable, "-c", PROBE.format(module=module)], capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_print_nothing_change_nothing_and_load_nothing_heavy(module):
    assert probe(module) == {"changed": [], "heavy": []}


@pytest.mark.parametrize("room", ["geometry", "microstructure", "metrics", "design", "datasets", "cli"])
def test_rooms_without_torch_and_dolfinx(room):
    assert not {"torch", "dolfinx"} & set(probe(f"genmech_fem.{room}")["heavy"])


def test_deployment_runs_where_torch_and_dolfinx_cannot_be_imported(onnx_file):
    script = f"""
import sys
sys.modules["torch"] = sys.modules["dolfinx"] = None
import numpy as np
from genmech_fem.runtime import OnnxModel
model = OnnxModel({str(onnx_file)!r})
inputs = {{spec.name: np.full((2, *spec.shape), 0.5) for spec in model.inputs}}
print({{name: array.shape for name, array in model(inputs).items()}})
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "(2," in done.stdout


def test_every_room_is_known_here():
    found = sorted(p.parent.name for p in Path(genmech_fem.__file__).parent.glob("*/__init__.py"))
    assert found == ROOMS


@pytest.mark.parametrize(("blocked", "room", "extra"), [
    ("dolfinx", "problems", "fem"), ("dolfinx", "adapters", "fem"), ("torch", "generative", "learn"),
    ("torch", "anomaly", "learn"), ("torch", "surrogates", "learn"), ("torch", "training", "learn"),
    ("torch", "nn", "learn"), ("onnx", "export", "learn"), ("matplotlib", "plotting", "viz"),
])  # fmt: skip
def test_a_missing_package_names_its_extra(blocked, room, extra):
    script = f"""
import sys
sys.modules[{blocked!r}] = None
from genmech_fem.errors import MissingExtraError
try:
    import genmech_fem.{room}
except MissingExtraError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert f"pip install 'genmech_fem[{extra}]'" in done.stdout
