"""Nonlinear solves: the beam of the example, from all starts.

Beside the network, the start is zero, the last solution, the nearest recorded one, or the load is raised in steps.
"""

import importlib.util
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from genmech_petsc.networks import modal_network
from genmech_petsc.snapshots import Snapshots, load
from genmech_petsc.training import train
from petsc_timing import Row, rows, timed

from genmech_fem.training import Recipe

TASK, STAGES = "bent beam", 4
type Solve = Callable[[np.ndarray], tuple[bool, int, float]]


def _example() -> Any:
    spec = importlib.util.spec_from_file_location("petsc_example", Path(__file__).with_name("example.py"))
    if spec is None or spec.loader is None:
        raise FileNotFoundError("example.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def in_stages(beam: Any, load_of_end: np.ndarray) -> tuple[bool, int, float]:
    """Raise the load in equal steps."""
    found, start = [], 0.0
    for share in np.linspace(0, 1, STAGES + 1)[1:]:
        found.append(beam.solve(share * load_of_end, start))
        start = beam.problem.u.x.array.copy()
    converged, steps, seconds = zip(*found, strict=True)
    return all(converged), sum(steps), sum(seconds)


def from_nearest(beam: Any, loads: np.ndarray, states: np.ndarray, load_of_end: np.ndarray) -> tuple[bool, int, float]:
    """Start from the recorded solution of the nearest load."""
    distances = np.linalg.norm((loads - load_of_end) / loads.std(0), axis=1)
    return beam.solve(load_of_end, states[distances.argmin()])


def from_last(beam: Any, load_of_end: np.ndarray) -> tuple[bool, int, float]:
    """Start from what the last solve has left, where that converged."""
    before = beam.problem.u.x.array.copy()
    found = beam.solve(load_of_end, before)
    if not found[0]:
        beam.problem.u.x.array[:] = before
    return found


def beam_rows(seed: int, folder: Path, *, cells: int, count: int, steps: int, tests: int) -> Iterator[Row]:
    """Rows of all starts, for loads like those of the training and for half as large again."""
    example, file = _example(), folder / "beam.onnx"
    torch.manual_seed(seed)
    loads, on_labels = timed(example.record, folder / "solves", count, np.random.default_rng([seed, 1]), cells)
    known: Snapshots = load(folder / "solves")
    network = modal_network(known, inputs=["residual"], modes=24, homogeneous=False)
    _, on_training = timed(train, network, known, file, Recipe(steps, seed=seed))
    prices = {"nearest solution": on_labels, "network": on_labels + on_training}
    newton = partial(example.beam, example.NEWTON, cells)
    methods: dict[str, Solve] = {
        "zero": newton().solve,
        f"{STAGES} load steps": partial(in_stages, newton()),
        "last solution": partial(from_last, newton()),
        "nearest solution": partial(from_nearest, newton(), loads, known.directions[:, 0]),
        "network": example.beam(example.GUESSED | {"snes_onnx_file": str(file)}, cells).solve,
    }
    spent: dict[str, float] = {}
    for (name, solve), scale in product(methods.items(), (1.0, 1.5)):
        generator = np.random.default_rng([seed, 2])
        found = [solve(example.draw(generator, scale)) for _ in range(tests)]
        converged, counts, seconds = zip(*found, strict=True)
        task = TASK if scale == 1 else f"{TASK} out of distribution"
        if scale == 1:
            spent[name] = float(np.mean(seconds))
        yield from rows(f"{task}, {name}", seed, {
            "Newton steps": median(counts),
            "CPU time of a solve [ms]": 1e3 * median(seconds),
            "mean CPU time of a solve [ms]": 1e3 * float(np.mean(seconds)),
            "failed [%]": 100 * (1 - np.mean(converged)),
        })  # fmt: skip
    for name, price in prices.items():
        saved = spent["zero"] - spent[name]
        paid = {"solves until it has paid": price / saved} if saved > 0 else {}
        yield from rows(f"{TASK}, {name}", seed, {"labels and training [CPU s]": price} | paid)
