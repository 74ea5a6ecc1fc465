"""The stages of the demo: each takes the run, writes its artefacts and returns what it found as JSON data."""

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genmech_fem import plugins
from genmech_fem.adapters import ConformingHomogenization, Material
from genmech_fem.cli.demo_settings import NETWORKS, Settings
from genmech_fem.cli.parallel import in_parallel
from genmech_fem.cli.progress import advance, progress_bar
from genmech_fem.cli.run_folder import Run
from genmech_fem.datasets import Campaign, Processes, Store, generate, split
from genmech_fem.export import flow_to_onnx, to_onnx
from genmech_fem.fields import Arrays, take
from genmech_fem.forward import ForwardModel, FunctionModel, compose
from genmech_fem.microstructure import sharpen
from genmech_fem.runtime import FlowSampler
from genmech_fem.surrogates import TorchModel
from genmech_fem.training import (
    load_model,
)

LABEL_REFINE = 2  # mesh cells per pixel of the training labels
VERIFY_REFINE = 4  # and of the verification


class Data:
    """The data set of a run, split into training and held-out samples."""

    def __init__(self, run: Run) -> None:
        store = Store.open(run.folder / "data")
        self.specs = store.specs
        _, self.arrays = store.read()
        size = len(self.arrays["phase"])
        self.training, self.held_out = split(size, (run.settings.held_out,), seed=run.settings.seed)

    @cached_property
    def train(self) -> dict[str, np.ndarray]:
        """Training samples."""
        return take(self.arrays, self.training)

    @cached_property
    def test(self) -> dict[str, np.ndarray]:
        """Held-out samples."""
        return take(self.arrays, self.held_out)


def sampler(settings: Settings) -> Callable[[np.random.Generator], Arrays]:
    """The microstructure sampler of a run."""
    return plugins.load("microstructures", settings.microstructure)(resolution=settings.resolution)


def solver(settings: Settings, refine: int = LABEL_REFINE) -> ConformingHomogenization:
    """The solver of a run, `refine` mesh cells a pixel."""
    return ConformingHomogenization(
        settings.resolution, Material(*settings.matrix), Material(*settings.inclusion), refine
    )


def data(run: Run) -> dict[str, Any]:
    """Sample and solve the training set."""
    s = run.settings
    campaign = Campaign(solver(s), sampler(s), s.samples, s.seed)
    with progress_bar(s.samples, "1 data (DOLFINx)") as bar:
        report = generate(
            campaign,
            run.folder / "data",
            engine=Processes(os.cpu_count() or 1),
            progress=lambda progress: advance(bar, progress.finished),
        )
    return {
        "samples": report.finished - len(report.failures),
        "failures": {str(i): f"{failure.kind}: {failure.message}" for i, failure in report.failures.items()},
    }


def export(run: Run) -> dict[str, Any]:
    """Write both networks as ONNX files, side by side, and compare them with torch."""
    (run.folder / "onnx").mkdir(exist_ok=True)
    return dict(zip(NETWORKS, in_parallel(_export, [(run, name) for name in NETWORKS]), strict=True))


def _export(run: Run, name: str) -> dict[str, Any]:
    """Write one network and return its size and its differences to torch."""
    torch.set_num_threads(1)
    few, specs, file = take(Data(run).train, slice(8)), solver(run.settings), onnx_file(run, name)
    network = load_network(run, name)
    with progress_bar(1, f"3 export the {name}", position=NETWORKS.index(name)) as bar:
        if name == "surrogate":
            report = to_onnx(TorchModel(network, specs.inputs, specs.outputs), file, {"phase": few["phase"]})
        else:
            report = flow_to_onnx(network, file, field=specs.inputs[0], condition=specs.outputs[0], samples=few)
        bar.update()
    return {"bytes": report.size, "differences": dict(report.differences)}


def load_network(run: Run, name: str) -> Any:
    """Rebuild a trained network from its weights."""
    return load_model(weights_file(run, name))[0]


def weights_file(run: Run, name: str) -> Path:
    """Where a network's weights are."""
    return run.folder / "weights" / f"{name}.safetensors"


def onnx_file(run: Run, name: str) -> Path:
    """Where a network's ONNX file is."""
    return run.folder / "onnx" / f"{name}.onnx"


def decoder(run: Run) -> ForwardModel:
    """Noise and stiffness -> phase: the ONNX generator, its faint grey removed."""
    flow = FlowSampler.open(onnx_file(run, "generator"))
    return compose(flow, FunctionModel(lambda a: {"phase": sharpen(a["phase"])}, flow.outputs, flow.outputs))


def draw_noise(generator: ForwardModel, stiffness: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Noise and condition, one sample for each wanted stiffness."""
    noise = generator.inputs[0]
    return {
        "noise": np.random.default_rng([seed, 1]).standard_normal((len(stiffness), *noise.shape)),
        "stiffness": stiffness,
    }
