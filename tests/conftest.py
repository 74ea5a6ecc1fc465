"""Shared set-up: threads are few, DOLFINx is loaded in the order of its wheel, small networks are built once."""

import os
import signal

os.environ.setdefault("OMP_NUM_THREADS", "1")

import genmech_fem.problems  # noqa: F401  isort: skip

import numpy as np
import pytest
import torch

from genmech_fem.export import flow_to_onnx, to_onnx
from genmech_fem.fields import FieldSpec, ScalarSpec
from genmech_fem.generative import Architecture, FlowMatching
from genmech_fem.microstructure import PeriodicFibres, phase_grid, phase_spec
from genmech_fem.surrogates import FieldSurrogate, TorchModel

torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background hands down that it is ignored
SIZE = 16


@pytest.fixture(scope="session")
def cells():
    """Eight sampled cells with invented stiffness and strain."""
    sampler = PeriodicFibres(resolution=SIZE)
    generator = np.random.default_rng(0)
    phase = np.concatenate([sampler(np.random.default_rng(i))["phase"] for i in range(8)])
    return {
        "phase": phase,
        "stiffness": 10 + generator.random((8, 6)),
        "strain": generator.standard_normal((8, 3, 3, SIZE, SIZE)),
    }


def tensors(cells, names):
    return {
        new: torch.as_tensor(cells[old]).float().reshape(8, -1, *cells[old].shape[1:][-2:])
        if cells[old].ndim > 2
        else torch.as_tensor(cells[old]).float()
        for old, new in names.items()
    }


@pytest.fixture(scope="session")
def surrogate(cells):
    """An untrained surrogate on small cells."""
    torch.manual_seed(0)
    network = FieldSurrogate(1, 6, 9, widths=(8, 16), hidden=16)
    network.prepare(tensors(cells, {"phase": "x", "stiffness": "vector", "strain": "field"}))
    outputs = (ScalarSpec("stiffness", 6, "GPa"), FieldSpec("strain", phase_grid(SIZE), (3, 3)))
    return TorchModel(network, (phase_spec(SIZE),), outputs)


@pytest.fixture(scope="session")
def flow(cells):
    """An untrained generator of small cells."""
    torch.manual_seed(1)
    network = Architecture(widths=(8, 16))
    model = FlowMatching((1, SIZE, SIZE), ("scalars", 6), network=network, sampler=("heun", 3), bounds=(0.0, 1.0))
    model.prepare(tensors(cells, {"phase": "x", "stiffness": "condition"}))
    return model.eval()


@pytest.fixture(scope="session")
def onnx_file(surrogate, cells, tmp_path_factory):
    """The surrogate as a file."""
    path = tmp_path_factory.mktemp("onnx") / "surrogate.onnx"
    to_onnx(surrogate, path, {"phase": cells["phase"]})
    return path


@pytest.fixture(scope="session")
def flow_file(flow, cells, tmp_path_factory):
    """The generator as a file."""
    path = tmp_path_factory.mktemp("onnx") / "flow.onnx"
    flow_to_onnx(flow, path, field=phase_spec(SIZE), condition=ScalarSpec("stiffness", 6, "GPa"), samples=cells)
    return path
