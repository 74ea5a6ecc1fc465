"""Solver, surrogate and guarded surrogate in the loop of one design problem: a bracket for a load of any direction.

A cube is clamped at one side; a target is the direction of a traction on the opposite side, and the share of a material
that is ten times as stiff as the rest. The least compliance is sought, the stiff material being where a sum of cosines
is above the level that keeps its share. The best design of every loop is solved again on the same grid. All times are
CPU seconds of one thread.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genmech_fem.adapters import ProblemModel, ResidualGuard, as_vector, cell_values, sample_state
from genmech_fem.adapters.homogenization import pixel_mesh
from genmech_fem.design import CMAES, LBFGS, RAMP, Densities, DensityFilter, Optimizer, Value, minimize
from genmech_fem.design.at_volume import AtVolume
from genmech_fem.export import to_onnx
from genmech_fem.fields import Arrays, FieldSpec, Grid, ScalarSpec, Spec, check, take
from genmech_fem.forward import ForwardModel, FunctionModel, compose, hold
from genmech_fem.metrics import nearest_neighbour
from genmech_fem.problems import Clamped, Traction, elasticity
from genmech_fem.runtime import GuardedModel, OnnxModel
from genmech_fem.surrogates import Perceptron, TorchModel
from genmech_fem.training import Recipe, fit

type Row = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """How fine, how many labels, how long to train and to search."""

    cells: int = 10
    coarse: int = 5
    labels: int = 300
    steps: int = 4000
    targets: int = 10
    generations: int = 10
    iterations: int = 20
    seeds: tuple[int, ...] = (0, 1, 2)


QUICK = Sizes(4, 2, 60, 200, 2, 4, 5, (0,))
WAVES = np.array([*product(range(3), range(2), range(2))][1:])
"""Half waves along the axes of each cosine."""
STIFF = 10.0
VOLUMES = 0.2, 0.5
TOLERANCE, POLISH = 0.1, 6
"""Of the guard; the relative error of a compliance is the square of that in the energy norm."""
POPULATION = 10


@dataclass(frozen=True)
class Cosines:
    """Sums of cosines in the cells: input ``weights`` (batch, waves), output ``field`` (batch, *grid)."""

    grid: Grid

    @property
    def inputs(self) -> tuple[Spec, ...]:
        return (ScalarSpec("weights", len(WAVES)),)

    @property
    def outputs(self) -> tuple[FieldSpec, ...]:
        return (FieldSpec("field", self.grid),)

    def __call__(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """The field of each sample."""
        weights = check(inputs, self.inputs)["weights"]
        return {"field": (weights @ self._basis).reshape(-1, *self.grid.shape)}

    def vjp(self, inputs: Arrays, cotangents: Arrays) -> dict[str, np.ndarray]:
        """The transposed map."""
        cotangent = cotangents["field"]
        return {"weights": cotangent.reshape(len(cotangent), -1) @ self._basis.T}

    @cached_property
    def _basis(self) -> np.ndarray:
        return np.cos(np.pi * self.grid.points()[None] * WAVES[:, None]).prod(axis=2)


def bracket(n: int) -> ForwardModel:
    """From ``weights``, ``volume`` and ``traction`` to the ``displacement`` at the nodes of n^3 cells."""
    sides = [lambda x, end=end: np.isclose(x[0], end) for end in (0.0, 1.0)]
    problem = elasticity(pixel_mesh(n, 3), [Clamped(sides[0]), Traction(sides[1], (0.0, 0.0, 0.0))])
    grid, nodes = (Grid((m,) * 3, (0.0,) * 3, (1.0,) * 3, at) for m, at in ((n, "cells"), (n + 1, "nodes")))
    modulus = FieldSpec("youngs_modulus", grid)
    given = cell_values(problem.controls["youngs_modulus"], modulus, "youngs_modulus")
    solver = ProblemModel(
        problem,
        (given, as_vector(ScalarSpec("traction", 3), "traction")),
        (sample_state(problem.state, FieldSpec("displacement", nodes, (3,))),),
    )
    field = AtVolume(FieldSpec("field", grid), beta=3.0, out="variables")
    densities = Densities(DensityFilter(grid, 0.15), RAMP(3.0, 1.0, STIFF), modulus=modulus)
    return compose(Cosines(grid), field, densities, solver)


def compliance(traction: np.ndarray, n: int) -> Value:
    """Work of a traction (3,) on the end of n^3 cells, by the trapezoidal rule, which is exact there."""
    rule = np.full(n + 1, 1 / n) * np.where(np.isin(np.arange(n + 1), (0, n)), 0.5, 1.0)
    weights = np.zeros((3, n + 1, n + 1, n + 1))
    weights[:, -1] = traction[:, None, None] * np.outer(rule, rule)
    return Value("displacement", tuple(weights.ravel()))


def samples(count: int, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Random designs and targets."""
    directions = generator.standard_normal((count, 3))
    return {
        "weights": generator.uniform(-1.0, 1.0, (count, len(WAVES))),
        "volume": generator.uniform(*VOLUMES, (count, 1)),
        "traction": directions / np.linalg.norm(directions, axis=1, keepdims=True),
    }


class Joined(nn.Module):
    """A network of one vector as one of several."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, *vectors: Tensor) -> Tensor:
        """What the network returns for all numbers in a row."""
        return self.network(torch.cat(vectors, dim=1))


def in_a_row(arrays: Arrays, specs: tuple[Spec, ...]) -> np.ndarray:
    """All numbers of each sample."""
    return np.concatenate([arrays[spec.name] for spec in specs], axis=1)


def trained(solver: ForwardModel, known: Arrays, labels: Arrays, path: Path, *, steps: int, seed: int) -> OnnxModel:
    """A perceptron from designs and targets to the principal modes of the displacement, as a file with gradients."""
    torch.manual_seed(seed)
    x = torch.tensor(in_a_row(known, solver.inputs), dtype=torch.float32)
    y = torch.tensor(labels["displacement"], dtype=torch.float32)
    network = Perceptron(x.shape[1], y.shape[1:], hidden=(192, 192), modes=min(100, len(x) // 2))
    recipe = Recipe(steps, learning_rate=5e-3, weight_decay=1e-2, average=0.999, batch_size=16, seed=seed)
    for _ in fit(network, {"x": x, "y": y}, recipe):
        pass
    to_onnx(TorchModel(Joined(network), solver.inputs, solver.outputs), path, known, vjp=True)
    return OnnxModel(path)


def zero(displacement: FieldSpec) -> Callable[[Arrays], dict[str, np.ndarray]]:
    """No guess at all: the guard's conjugate gradients start from zero."""
    return lambda inputs: {displacement.name: np.zeros((len(inputs["volume"]), *displacement.shape))}


def rows(seed: int, sizes: Sizes) -> Iterator[Row]:
    """Loops of both optimisers by all models."""
    with TemporaryDirectory() as folder:  # the gradients of the network are read when they are first needed
        yield from _rows(seed, sizes, Path(folder) / "bracket.onnx")


def _rows(seed: int, sizes: Sizes, file: Path) -> Iterator[Row]:
    generator, solver = np.random.default_rng([seed, 7]), bracket(sizes.cells)
    known, asked = samples(sizes.labels, generator), samples(sizes.targets, generator)
    labels, on_labels = timed(solver, known)
    network, on_training = timed(trained, solver, known, labels, file, steps=sizes.steps, seed=seed)
    guard, on_reference = timed(ResidualGuard.around, solver, known, TOLERANCE, steps=POLISH)

    def look_up(inputs: Arrays) -> Arrays:
        nearest = nearest_neighbour(*(in_a_row(arrays, solver.inputs) for arrays in (known, inputs)))
        return {"displacement": labels["displacement"][nearest]}

    def guarded(guess: Callable[[Arrays], Arrays]) -> GuardedModel:
        return GuardedModel(FunctionModel(guess, solver.inputs, solver.outputs), solver, [guard])

    optimizers = {
        "L-BFGS": (LBFGS(), sizes.iterations),
        "CMA-ES": (CMAES(0.5, seed, POPULATION), sizes.generations),
    }
    for what, value in {"labels": on_labels, "training": on_training, "reference of the guard": on_reference}.items():
        yield {"what": f"bracket, all models: {what} [CPU s]", "seed": seed, "value": value}
    for name, (optimizer, iterations) in optimizers.items():
        models = {
            "solver": (solver, 0.0),
            f"solver of {sizes.coarse}^3 cells": (bracket(sizes.coarse), 0.0),
            "network": (network, on_labels + on_training),
            "guarded network": (guarded(network), on_labels + on_training + on_reference),
            "guarded look-up": (guarded(look_up), on_labels + on_reference),
            "guarded zero": (guarded(zero(solver.outputs[0])), on_reference),
        }
        reference: Loops | None = None
        for model_name, (model, price) in models.items():
            found = loops(model, solver, asked, optimizer, iterations)
            reference = reference or found
            measures = found.measures(reference, price)
            for measure, value in measures.items():
                yield {"what": f"bracket by {name}, {model_name}: {measure}", "seed": seed, "value": value}


@dataclass(frozen=True)
class Loops:
    """One loop a target: true objectives of the best designs and of the start (targets,), calls and CPU time [s]."""

    values: np.ndarray
    starts: np.ndarray
    calls: int
    seconds: float
    solved: int | None

    def measures(self, reference: "Loops", price: float) -> dict[str, float]:
        """Beside the loops of the solver, with the price of what the model was made of [CPU s]."""
        ratio, own, other = self.values / reference.values, *(one.seconds / one.calls for one in (self, reference))
        return {
            "compliance over that by the solver": median(ratio),
            "largest compliance over that by the solver": max(ratio),
            "compliance over that of the start": median(self.values / self.starts),
            "calls": self.calls,
            "CPU time [s]": self.seconds,
            "CPU time with labels and training [s]": self.seconds + price,
            "speed-up of a call": other / own,
            **({} if self.solved is None else {"solves saved [%]": 100 * (1 - self.solved / self.calls)}),
            **({"calls until it has paid": price / (other - own)} if price and other > own else {}),
        }


def loops(model: ForwardModel, solver: ForwardModel, asked: Arrays, optimizer: Optimizer, iterations: int) -> Loops:
    """Search for the best design of every target, and solve it."""
    count, values, starts, calls, seconds = len(asked["volume"]), [], [], 0, 0.0
    start = {"weights": np.zeros((1, len(WAVES)))}
    for target in (take(asked, slice(i, i + 1)) for i in range(count)):
        held = {name: array for name, array in target.items() if name != "weights"}
        objective, truth = (compliance(held["traction"][0], cells_of(m)) for m in (model, solver))
        limits = {"weights": (-1.0, 1.0)}
        posed = hold(model, held), objective, start, optimizer
        result, spent = timed(minimize, *posed, bounds=limits, iterations=iterations)
        values.append(truth(solver({**held, **result.design}))[0])
        starts.append(truth(solver({**held, **start}))[0])
        calls, seconds = calls + result.evaluations, seconds + spent
    solved = sum(model.counts.fallen_back.values()) if isinstance(model, GuardedModel) else None
    return Loops(np.array(values), np.array(starts), calls, seconds, solved)


def cells_of(model: ForwardModel) -> int:
    """Cells along a side."""
    return model.outputs[0].shape[-1] - 1


def timed[**P, T](function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> tuple[T, float]:
    """What a function returns, and its CPU time [s]."""
    began = time.process_time()
    return function(*args, **kwargs), time.process_time() - began
