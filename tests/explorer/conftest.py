"""The folder of a small run: cells that DOLFINx has solved, and networks that have learned a little from them."""

import json
from dataclasses import asdict

import pytest
import torch

from genmech_fem.adapters import ConformingHomogenization
from genmech_fem.cli.cell_source import Source
from genmech_fem.cli.demo import Settings
from genmech_fem.datasets import Campaign, Store, generate
from genmech_fem.datasets.torch import to_tensors
from genmech_fem.export import flow_to_onnx, to_onnx
from genmech_fem.fields import take
from genmech_fem.generative import Architecture, FlowMatching
from genmech_fem.microstructure import PeriodicFibres
from genmech_fem.surrogates import FieldSurrogate, TorchModel
from genmech_fem.training import Recipe, fit

SIZE = 16
SETTINGS = Settings(resolution=SIZE, samples=24, held_out=0.25)
SOLVER = ConformingHomogenization(SIZE, refine=1)


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory):
    """A folder as ``genmech demo`` leaves it, of small networks."""
    folder = tmp_path_factory.mktemp("demo") / "run"
    (folder / "onnx").mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"settings": asdict(SETTINGS)}))
    generate(Campaign(SOLVER, PeriodicFibres(resolution=SIZE), SETTINGS.samples, 0), folder / "data")
    store = Store.open(folder / "data")
    arrays = store.read()[1]
    torch.manual_seed(0)
    network = Architecture(widths=(8, 16))
    flow = FlowMatching((1, SIZE, SIZE), ("scalars", 6), network=network, sampler=("heun", 5), bounds=(0.0, 1.0))
    learn(flow, store.specs, arrays, {"phase": "x", "stiffness": "condition"})
    surrogate = FieldSurrogate(1, 6, 9, widths=(8, 16), hidden=16)
    learn(surrogate, store.specs, arrays, {"phase": "x", "stiffness": "vector", "strain": "field"})
    few, (field, (condition, _)) = take(arrays, slice(4)), (SOLVER.inputs[0], SOLVER.outputs)
    flow_to_onnx(flow, folder / "onnx" / "generator.onnx", field=field, condition=condition, samples=few)
    model = TorchModel(surrogate, SOLVER.inputs, SOLVER.outputs)
    to_onnx(model, folder / "onnx" / "surrogate.onnx", {"phase": few["phase"]})
    return folder


def learn(model, specs, arrays, names):
    """Train a little; `names` are those that the model calls the arrays."""
    tensors = to_tensors(arrays, [spec for spec in specs if spec.name in names])
    for _ in fit(model, {names[name]: tensor for name, tensor in tensors.items()}, Recipe(40)):
        pass
    model.eval()


@pytest.fixture(scope="session")
def source(run_folder):
    """The networks and solvers of the run."""
    return Source(run_folder)
