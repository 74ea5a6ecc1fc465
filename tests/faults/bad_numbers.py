"""NaN in data, and absurd sizes: refused before anything is allocated or trained on."""

from collections.abc import Callable
from pathlib import Path

import jobs
import numpy as np
import torch
from faults import Outcome, all_of, fault, refused

from genmech_fem.adapters import pixel_stiffness
from genmech_fem.adapters.homogenization import pixel_mesh
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.forward import FunctionModel
from genmech_fem.geometry import conforming_mesh
from genmech_fem.microstructure import GaussianRandomField, PeriodicFibres

NAN = float("nan")


@fault("NaN in training data")
def training(folder: Path) -> Outcome:
    """It is said which."""
    del folder
    found = {}
    for name in ("x", "y"):
        bad = {key: tensor.clone() for key, tensor in jobs.PARABOLA.items()}
        bad[name][3, 0] = NAN
        found[name] = refused(lambda bad=bad: list(jobs.fit(jobs.network(), bad, jobs.Recipe(steps=5))), "finite")
    return all_of(found)


@fault("NaN in the input of a solver, a mesher and an ONNX file")
def inputs(folder: Path) -> Outcome:
    """It is said where."""
    image = np.zeros((1, 8, 8))
    good = image.copy()
    image[0, 2, 2] = NAN
    jobs.exported(folder)
    model = jobs.OnnxModel(folder / "model.onnx")
    solver = pixel_stiffness(8)
    return all_of(
        {
            "solver": refused(lambda: solver({"phase": image}), "phase", "NaN"),
            "mesher": refused(lambda: conforming_mesh(image[0]), "finite"),
            "ONNX": refused(lambda: model({"x": np.full((1, 3), NAN)}), "x", "NaN"),
            "good input afterwards": Outcome(bool(np.isfinite(solver({"phase": good})["stiffness"]).all())),
        }
    )


@fault("a solver that returns NaN in a campaign")
def campaign(folder: Path) -> Outcome:
    """The samples become failures with their parameters; the others are kept."""

    def odd(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {"y": np.where(arrays["x"] > 0.8, NAN, arrays["x"])}

    x = ScalarSpec("x")
    solver = FunctionModel(odd, (x,), (ScalarSpec("y"),))
    whole = jobs.Campaign(solver, lambda generator: {"x": generator.random((1, 1))}, 200)
    jobs.generate(whole, folder, failure_limit=1.0)
    store = jobs.Store.open(folder)
    numbers, arrays = store.read()
    complete = len(numbers) + len(store.failures()) == 200
    return Outcome(complete and bool((arrays["x"] <= 0.8).all()), note=f"{len(store.failures())} failures of 200")


ABSURD: dict[str, Callable[[], object]] = {
    "grid without cells": lambda: Grid((0, 4), (0, 0), (1, 1)),
    "negative resolution": lambda: PeriodicFibres(resolution=-5)(np.random.default_rng(0)),
    "random field of an exabyte": lambda: GaussianRandomField(resolution=10**9)(np.random.default_rng(0)),
    "mesh of 10^18 pixels": lambda: pixel_mesh(10**9),
    "vector of -1 numbers": lambda: ScalarSpec("x", -1),
    "value shape with 0": lambda: FieldSpec("u", Grid((4, 4), (0, 0), (1, 1)), (0,)),
    "no steps": lambda: jobs.Recipe(steps=0),
    "endless learning rate": lambda: jobs.Recipe(steps=5, learning_rate=float("inf")),
    "campaign of -1 samples": lambda: jobs.replace_size(-1),
    "empty batch to train on": lambda: list(
        jobs.fit(jobs.network(), {"x": torch.zeros(0, 3), "y": torch.zeros(0, 2)}, jobs.Recipe(steps=5))
    ),
}


@fault("absurd sizes")
def absurd(folder: Path) -> Outcome:
    """Each is refused in one line."""
    del folder
    return all_of({name: refused(call, "") for name, call in ABSURD.items()})
