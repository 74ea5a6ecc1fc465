"""Long work that can be killed at any moment; a script that does one job in a folder.

Run it with  python jobs.py JOB FOLDER  : it prints how far it has come.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")

import genmech_fem.problems  # noqa: F401  isort: skip

import numpy as np
import torch
from safetensors.numpy import load_file

from genmech_fem.adapters import conduction, mbb_beam
from genmech_fem.datasets import Campaign, Progress, Store, generate
from genmech_fem.design import Densities, DensityFilter, topology_optimization
from genmech_fem.export import to_onnx
from genmech_fem.fields import Arrays, Grid, ScalarSpec
from genmech_fem.forward import LazyModel
from genmech_fem.microstructure import PeriodicFibres
from genmech_fem.runtime import OnnxModel
from genmech_fem.surrogates import Perceptron, TorchModel
from genmech_fem.training import Recipe, fit, load_weights

SAMPLES, STEPS, ITERATIONS, FILES = 200, 900, 60, 2
CAMPAIGN = Campaign(LazyModel(partial(conduction, 16)), PeriodicFibres(resolution=16), SAMPLES)


def replace_size(size: int) -> Campaign:
    """The campaign with so many samples."""
    return replace(CAMPAIGN, size=size)


type Report = Callable[[int], None]
"""Told how many samples, steps, iterations or files are done."""


def silent(done: int) -> None:
    """Report nothing."""


def campaign(folder: Path, report: Report = silent) -> None:
    """Solve all samples."""

    def note(progress: Progress) -> None:
        report(progress.finished)

    generate(CAMPAIGN, folder, progress=note)


X = torch.linspace(-1, 1, 300).reshape(100, 3)
PARABOLA = {"x": X, "y": X[:, :2] ** 2}


def network() -> Perceptron:
    """A perceptron with the same weights each time."""
    torch.manual_seed(0)
    model = Perceptron(3, (2,))
    model.prepare(PARABOLA)
    return model


def training(folder: Path, report: Report = silent) -> None:
    """Fit a parabola; a checkpoint is written every 50 steps."""
    recipe = Recipe(steps=STEPS, save_every=50)
    for step in fit(network(), PARABOLA, recipe, checkpoint=folder / "checkpoint.safetensors"):
        if step.step % 50 == 0:
            report(step.step)


def export(folder: Path, report: Report = silent) -> None:
    """Write the same network again and again, over the file that is there."""
    model = TorchModel(network(), (ScalarSpec("x", 3),), (ScalarSpec("y", 2),))
    for k in range(FILES):
        to_onnx(model, folder / "model.onnx", {"x": np.eye(3)})
        report(k + 1)


@cache
def _file() -> bytes:
    with TemporaryDirectory() as folder:
        export(Path(folder))
        return (Path(folder) / "model.onnx").read_bytes()


def exported(folder: Path) -> None:
    """Put the file of `export` there, which is made once."""
    (folder / "model.onnx").write_bytes(_file())


def design(folder: Path, report: Report = silent) -> None:
    """Optimise the topology of a beam, with a journal."""
    densities = Densities(DensityFilter(Grid((30, 10), (0, 0), (30, 10)), 1.5))
    topology_optimization(
        mbb_beam(30, 10), densities, 0.5, iterations=ITERATIONS, journal=folder, progress=lambda s: report(s.iteration)
    )


JOBS = {"campaign": campaign, "training": training, "export": export, "design": design}


def result(job: str, folder: Path) -> Arrays:
    """What a job has left, whole or not."""
    if job == "campaign":
        numbers, arrays = Store.open(folder).read()
        return {"numbers": numbers, **arrays}
    if job == "training":
        return {name: np.asarray(tensor) for name, tensor in load_weights(folder / "checkpoint.safetensors")[1].items()}
    if job == "export":
        return OnnxModel(folder / "model.onnx")({"x": np.eye(3)})
    answers = {file.name: load_file(file) for file in sorted(folder.glob("*.safetensors"))}
    return {f"{name}, {key}": array for name, answer in answers.items() for key, array in answer.items()}


def done(job: str, folder: Path) -> int:
    """How many samples, steps, iterations or files a killed job has kept."""
    if job == "campaign":
        return len(Store.open(folder).numbers())
    if job == "training":
        file = folder / "checkpoint.safetensors"
        return int(load_weights(file)[0]["step"]) if file.exists() else 0
    if job == "export":
        return int((folder / "model.onnx").exists() and bool(result(job, folder)))
    return len(list(folder.glob("*.safetensors")))


if __name__ == "__main__":
    JOBS[sys.argv[1]](Path(sys.argv[2]), lambda done: print(done, flush=True))
