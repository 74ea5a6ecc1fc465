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
from genmech_fem.cli.demo import Run, Settings
from genmech_fem.cli.parallel import in_parallel
from genmech_fem.cli.progress import advance, progress_bar
from genmech_fem.datasets import Campaign, Processes, Store, generate, split
from genmech_fem.datasets.torch import to_tensors
from genmech_fem.design import Candidates, TensorTarget, inverse_design, verify
from genmech_fem.export import flow_to_onnx, to_onnx
from genmech_fem.fields import Arrays, concatenate, take
from genmech_fem.forward import ForwardModel, FunctionModel, compose
from genmech_fem.generative import FlowMatching
from genmech_fem.geometry import write
from genmech_fem.microstructure import sharpen
from genmech_fem.runtime import FlowSampler, OnnxModel
from genmech_fem.surrogates import FieldSurrogate, TorchModel
from genmech_fem.training import (
    Recipe,
    TorusSymmetries,
    Trainable,
    fit,
    load_model,
    read_log,
    save_model,
    training_record,
)

LABEL_REFINE = 2  # mesh cells per pixel of the training labels
VERIFY_REFINE = 4  # and of the verification
CURVE_POINTS = 100
NETWORKS = ("generator", "surrogate")


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


def learn(run: Run) -> dict[str, Any]:
    """Train generator and surrogate side by side, one core each."""
    return dict(zip(NETWORKS, in_parallel(_learn, [(run, name) for name in NETWORKS]), strict=True))


def _learn(run: Run, name: str) -> dict[str, Any]:
    """Train one network with a progress bar, from its checkpoint if there is one, and write its weights."""
    torch.set_num_threads(1)
    torch.manual_seed(run.settings.seed)  # the first weights; this process trains one network and ends
    model, tensors, recipe, symmetries = {"generator": _generator, "surrogate": _surrogate}[name](run)
    checkpoint = run.folder / "checkpoints" / f"{name}.safetensors"
    log = checkpoint.with_suffix(".log.jsonl")
    with progress_bar(recipe.steps or 0, f"2 learn the {name}", position=NETWORKS.index(name)) as bar:
        for progress in fit(model, tensors, recipe, augment=symmetries, checkpoint=checkpoint, log=log):
            advance(bar, progress.step)
    save_model(model, _weights(run, name), training_record(tensors, recipe, symmetries))
    lines = read_log(log)
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "steps": recipe.steps,
        "samples": len(tensors["x"]),
        "curve": [(line["step"], sum(line["losses"].values())) for line in lines[:: len(lines) // CURVE_POINTS + 1]],
    }


type Task = tuple[Trainable, dict[str, torch.Tensor], Recipe, TorusSymmetries]


def _generator(run: Run) -> Task:
    """The conditional generator: stiffness -> phase."""
    tensors = _tensors(run, {"phase": "x", "stiffness": "condition"})
    model = FlowMatching(tensors["x"].shape[1:], ("scalars", tensors["condition"].shape[1]), bounds=(0.0, 1.0))
    recipe = Recipe(run.settings.generator_steps, seed=run.settings.seed)
    return model, tensors, recipe, TorusSymmetries({"x": "scalar", "condition": "mandel_triangle"})


def _surrogate(run: Run) -> Task:
    """The surrogate: phase -> stiffness and strain field."""
    tensors = _tensors(run, {"phase": "x", "stiffness": "vector", "strain": "field"})
    model = FieldSurrogate(*(tensors[name].shape[1] for name in ("x", "vector", "field")))
    recipe = Recipe(run.settings.surrogate_steps, seed=run.settings.seed)
    return (
        model,
        tensors,
        recipe,
        TorusSymmetries({"x": "scalar", "vector": "mandel_triangle", "field": "mandel_matrix"}),
    )


def _tensors(run: Run, names: dict[str, str]) -> dict[str, torch.Tensor]:
    """Training tensors under the names that a model calls them."""
    stored = Data(run)
    tensors = to_tensors(stored.train, [spec for spec in stored.specs if spec.name in names])
    return {names[name]: tensor for name, tensor in tensors.items()}


def _weights(run: Run, name: str) -> Path:
    return run.folder / "weights" / f"{name}.safetensors"


def export(run: Run) -> dict[str, Any]:
    """Write both networks as ONNX files and compare them with torch."""
    few = take(Data(run).train, slice(8))
    (run.folder / "onnx").mkdir(exist_ok=True)
    reports = {}
    with progress_bar(2, "3 export to ONNX") as bar:
        specs = solver(run.settings)
        surrogate = TorchModel(load_network(run, "surrogate"), specs.inputs, specs.outputs)
        reports["surrogate"] = to_onnx(surrogate, onnx_file(run, "surrogate"), {"phase": few["phase"]})
        bar.update()
        generator = load_network(run, "generator")
        reports["generator"] = flow_to_onnx(
            generator,
            onnx_file(run, "generator"),
            field=specs.inputs[0],
            condition=specs.outputs[0],
            samples=few,
        )
        bar.update()
    return {name: {"bytes": report.size, "differences": dict(report.differences)} for name, report in reports.items()}


def load_network(run: Run, name: str) -> Any:
    """Rebuild a trained network from its weights."""
    return load_model(_weights(run, name))[0]


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


def design(run: Run) -> dict[str, Any]:
    """Design for held-out targets with the ONNX sessions; verify all methods with the same number of solves."""
    s = run.settings
    stored = Data(run)
    chosen = np.random.default_rng([s.seed, 2]).choice(len(stored.held_out), s.targets, replace=False)
    verifier = solver(s, VERIFY_REFINE)
    targets = []
    with progress_bar(s.targets, "4 design and verify") as bar:
        for number, held_out in enumerate(chosen):
            objective = TensorTarget(stored.test["stiffness"][held_out])
            found = _search(run, number, objective, stored.train, verifier)
            targets.append(
                {
                    "sample": int(stored.held_out[held_out]),
                    "target": objective.target.tolist(),
                    "methods": {method: _outcome(c, objective) for method, c in found.items()},
                }
            )
            _keep(run, number, stored.test["phase"][held_out], found, verifier)
            bar.update()
    methods = targets[0]["methods"]
    return {
        "targets": targets,
        "median_error": {m: float(np.median([t["methods"][m]["error"] for t in targets])) for m in methods},
        "candidates_unverified": s.targets * (s.candidates - s.solves),
    }


def _search(
    run: Run, number: int, objective: TensorTarget, train: Arrays, verifier: ConformingHomogenization
) -> dict[str, Candidates]:
    """The verified designs of each method for one target, with the same number of solves."""
    s = run.settings
    generator, surrogate = decoder(run), OnnxModel(onnx_file(run, "surrogate"))
    draws = draw_noise(generator, np.repeat(objective.target[None], s.candidates, axis=0), s.seed + 1 + number)
    near = np.argsort(objective(train), kind="stable")[: s.solves]
    draw = sampler(s)
    cells = [draw(np.random.default_rng([s.seed, 3, number, k])) for k in range(s.solves)]
    return {
        "generator + surrogate": inverse_design(generator, surrogate, verifier, objective, draws, solves=s.solves),
        "nearest in training set": verify(verifier, {"phase": train["phase"][near]}, objective),
        "random search": verify(verifier, concatenate(cells), objective),
    }


def _outcome(found: Candidates, objective: TensorTarget) -> dict[str, Any]:
    """The best verified design of one method."""
    predicted = objective.error(found.predicted) if found.predicted else None
    return {
        "stiffness": found.verified["stiffness"][0].tolist(),
        "predicted_stiffness": None if predicted is None else found.predicted["stiffness"][0].tolist(),
        "predicted_error": None if predicted is None else float(predicted[0]),
        "error": float(objective.error(found.verified)[0]),
        "all_errors": objective.error(found.verified).tolist(),
        "failures": {str(i): reason for i, reason in found.failures.items()},
        "solves": found.solves,
    }


def _keep(
    run: Run, number: int, target: np.ndarray, found: dict[str, Candidates], verifier: ConformingHomogenization
) -> None:
    """Write the designs of one target, and the mesh of the best one in three formats."""
    folder = run.folder / "designs"
    folder.mkdir(exist_ok=True)
    best = {method.replace(" ", "_"): c.designs["phase"][0] for method, c in found.items()}
    np.savez_compressed(folder / f"target_{number}.npz", target=target, **best)
    mesh = verifier.mesh(found["generator + surrogate"].designs["phase"][0])
    for suffix in (".msh", ".xdmf", ".vtu"):
        write(mesh, folder / f"target_{number}{suffix}")
