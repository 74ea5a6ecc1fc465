"""The demo's training: generator and surrogate side by side."""

from typing import Any

import torch

from genmech_fem.cli.demo_settings import NETWORKS
from genmech_fem.cli.demo_stages import Data, weights_file
from genmech_fem.cli.parallel import in_parallel
from genmech_fem.cli.progress import progress_bar
from genmech_fem.cli.run_folder import Run
from genmech_fem.cli.training_bar import follow
from genmech_fem.datasets.torch import to_tensors
from genmech_fem.generative import FlowMatching
from genmech_fem.surrogates import FieldSurrogate
from genmech_fem.training import Recipe, TorusSymmetries, Trainable, fit, read_log, save_model, training_record

CURVE_POINTS = 100


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
    steps = fit(model, tensors, recipe, augment=symmetries, checkpoint=checkpoint, log=log)
    with progress_bar(recipe.steps or 0, f"2 learn the {name}", position=NETWORKS.index(name)) as bar:
        follow(steps, bar, lambda step: step.step)
    save_model(model, weights_file(run, name), training_record(tensors, recipe, symmetries))
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
