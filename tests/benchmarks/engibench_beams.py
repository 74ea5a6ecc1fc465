"""EngiBench's Beams2D: the same compliance, and our designs in its hands.

EngiBench judges all designs, and its own optimiser is the reference. It runs in an environment of its own
(peers/environment.py). All designs are brought to exactly the volume of the condition before they are judged.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np
import torch
from peers import environment
from scipy.optimize import brentq

from genmech_fem.adapters import ProblemModel
from genmech_fem.adapters.pixel_structure import pixel_structure
from genmech_fem.design import SIMP, Densities, DensityFilter, OptimalityCriteria, topology_optimization
from genmech_fem.fields import Grid
from genmech_fem.generative import Architecture, FlowMatching
from genmech_fem.geometry.standard_structures import mbb_structure
from genmech_fem.geometry.structure_parts import Load, Side
from genmech_fem.training import Recipe, fit

type Row = dict[str, Any]
type Shape = tuple[int, int]


@dataclass(frozen=True)
class Sizes:
    """How many designs, and how many steps to train the generator."""

    shapes: tuple[Shape, ...] = (64, 32), (100, 50)
    pairs: int = 20
    training: int = 200
    held_out: int = 20
    steps: int = 1500
    draws: int = 5
    seeds: tuple[int, ...] = (0, 1, 2)


QUICK = Sizes(((32, 16),), 3, 12, 3, 20, 2, (0,))
STEPS = 10
"""Steps of the optimiser from a design that was looked up or generated."""
LOWER, UPPER = np.array([0.2, 1.5, 0.0]), np.array([0.5, 4.0, 1.0])
"""Ranges of volume fraction, filter radius [cells] and place of the force."""
MOST, TOLERANCE = 100, 0.025
"""Iterations, and change of the densities, at which EngiBench stops."""
GREY = 1e-6
LIMIT = 1800.0
"""Wall time after which EngiBench counts as failed [s]."""


def random_conditions(shape: Shape, count: int, generator: np.random.Generator) -> np.ndarray:
    """Conditions (count, 3) with the force on a node."""
    found = generator.uniform(LOWER, UPPER, (count, 3))
    found[:, 2] = generator.integers(0, shape[0] + 1, count) / shape[0]
    return found


def beam(shape: Shape, place: float) -> ProblemModel:
    """The half MBB beam with its force elsewhere on the upper side."""
    load = Load(Side("top", place, place), (0.0, -1.0), on="vertices")
    return pixel_structure(replace(mbb_structure(shape), loads=(load,)))


def judged(shape: Shape, conditions: np.ndarray, densities: np.ndarray) -> np.ndarray:
    """EngiBench's compliances of densities (count, nx, ny)."""
    task = {"shape": np.array(shape), "conditions": conditions, "densities": densities}
    return np.array(environment.run("engibench", "engibench_task.py", task, limit=LIMIT)["compliance"])


def with_small_filter(conditions: np.ndarray) -> np.ndarray:
    """Radius 1 instead: it does not enter compliances, but EngiBench makes the filter each time, in a slow loop."""
    return np.column_stack([conditions[:, 0], np.ones(len(conditions)), conditions[:, 2]])


# The same compliance -------------------------------------------------------------------------


def agreement(sizes: Sizes) -> Iterator[Row]:
    """Largest relative difference of the compliances of random densities and of designs, also black-and-white ones."""
    for shape in sizes.shapes:
        generator = np.random.default_rng(shape)
        conditions = random_conditions(shape, sizes.pairs, generator)
        designs = optimised(shape, conditions, most=2 * STEPS).densities
        kinds = {
            "random densities": conditions[:, :1, None] * generator.uniform(0.5, 1.5, designs.shape),
            "designs": designs,
            "black-and-white designs": np.array([binary(d, c[0]) for d, c in zip(designs, conditions, strict=True)]),
        }
        task = f"Beams2D {shape[0]}x{shape[1]}"
        try:
            theirs = judged(shape, np.tile(conditions, (3, 1)), np.concatenate([*kinds.values()]))
        except environment.PeerError as error:
            yield {"what": f"{task}, EngiBench: not measured", "seed": None, "value": 1, "how": str(error)}
            continue
        for (kind, densities), reference in zip(kinds.items(), np.split(theirs, 3), strict=True):
            difference = abs(own_compliances(shape, conditions, densities) / reference - 1).max()
            what = f"{task}, {kind}: largest relative difference of the compliance"
            yield {"what": what, "seed": None, "value": float(difference), "pairs": sizes.pairs}


def own_compliances(shape: Shape, conditions: np.ndarray, densities: np.ndarray) -> np.ndarray:
    """Our compliances."""
    moduli = SIMP()(densities)
    pairs = zip(conditions, moduli, strict=True)
    return np.array([beam(shape, c[2])({"youngs_modulus": m[None]})["compliance"][0, 0] for c, m in pairs])


def at_volume(densities: np.ndarray, fraction: float) -> np.ndarray:
    """A power of the densities, whose mean is the fraction; solid and void stay what they are."""
    inner = np.clip(densities, GREY, 1 - GREY)
    return inner ** np.exp(brentq(lambda power: (inner ** np.exp(power)).mean() - fraction, -20, 20))


def binary(densities: np.ndarray, fraction: float) -> np.ndarray:
    """The densest cells solid, as many as the fraction asks for, and the others void."""
    solid = np.zeros(densities.size)
    solid[np.argsort(-densities, axis=None, kind="stable")[: round(fraction * densities.size)]] = 1.0
    return solid.reshape(densities.shape)


# Designs -------------------------------------------------------------------------------------


@dataclass
class Made:
    """Designs (count, nx, ny) of a method, and what each has cost."""

    densities: np.ndarray
    cpu_ms: np.ndarray
    solves: np.ndarray


def beams(seed: int, sizes: Sizes) -> Iterator[Row]:
    """Designs for held-out conditions by EngiBench and by our optimiser, look-up and generator."""
    shape, generator = sizes.shapes[0], np.random.default_rng([seed, 1])
    known, asked = (random_conditions(shape, n, generator) for n in (sizes.training, sizes.held_out))
    task = f"beams {shape[0]}x{shape[1]}"
    try:
        theirs = environment.run(
            "engibench", "engibench_task.py", {"shape": np.array(shape), "conditions": asked}, limit=LIMIT
        )
    except environment.PeerError as error:
        yield {"what": f"{task}, EngiBench: not measured", "seed": seed, "value": 1, "how": str(error)}
        return
    designs = optimised(shape, known)
    model, spent = trained(shape, known, designs.densities, seed, sizes.steps)
    looked_up, drawn = nearest(known, designs, asked), generated(model, shape, asked, seed, sizes.draws)
    began = {"nearest neighbour": looked_up, f"flow matching, best of {sizes.draws}": drawn}
    methods = {
        "EngiBench SIMP": Made(*(np.array(theirs[name]) for name in ("densities", "cpu_ms", "solves"))),
        "SIMP": optimised(shape, asked),
        f"SIMP, {STEPS} steps": optimised(shape, asked, most=STEPS),
        **began,
        **{f"{name}, and {STEPS} steps": improved(shape, asked, made) for name, made in began.items()},
    }
    for what, value in {
        "one design [solves]": designs.solves.mean(),
        "all designs [CPU s]": designs.cpu_ms.sum() / 1e3,
        "training of the generator [CPU s]": spent,
    }.items():
        yield {"what": f"{task}, {sizes.training} known designs: {what}", "seed": seed, "value": float(value)}
    yield from compared(task, seed, asked, methods)


def optimised(shape: Shape, conditions: np.ndarray, *, starts: np.ndarray | None = None, most: int = MOST) -> Made:
    """Designs of our optimality criteria, which stop where EngiBench's do."""
    grid = Grid(shape, (0.0, 0.0), shape)
    found, spent, solves = [], [], []
    for i, (fraction, radius, place) in enumerate(conditions):
        began = time.process_time()
        result = topology_optimization(
            beam(shape, place),
            Densities(DensityFilter(grid, radius)),
            fraction,
            optimizer=OptimalityCriteria(tolerance=TOLERANCE),
            start=None if starts is None else starts[i],
            iterations=most,
        )
        spent.append(1e3 * (time.process_time() - began))
        solves.append(result.evaluations)
        found.append(result.outputs["density"][0])
    return Made(np.array(found), np.array(spent), np.array(solves))


def improved(shape: Shape, conditions: np.ndarray, made: Made) -> Made:
    """A few steps of the optimiser from designs, in whose void material may grow."""
    starts = np.array([at_volume(np.maximum(d, 0.05), c[0]) for d, c in zip(made.densities, conditions, strict=True)])
    better = optimised(shape, conditions, starts=starts, most=STEPS)
    return Made(better.densities, made.cpu_ms + better.cpu_ms, made.solves + better.solves)


def nearest(known: np.ndarray, designs: Made, asked: np.ndarray) -> Made:
    """The known design of the nearest condition, in units of the ranges."""
    distances = np.linalg.norm((asked[:, None] - known[None]) / (UPPER - LOWER), axis=2)
    free = np.zeros(len(asked))
    return Made(designs.densities[distances.argmin(axis=1)], free, free)


def trained(
    shape: Shape, conditions: np.ndarray, densities: np.ndarray, seed: int, steps: int
) -> tuple[FlowMatching, float]:
    """A generator under the conditions as fields, and the CPU time of its training [s]."""
    torch.manual_seed(seed)
    network = Architecture((32, 64, 96), padding_mode="zeros")
    model = FlowMatching((1, *shape), ("field", 4), network=network, sampler=("heun", 10), bounds=(0, 1))
    data = {"x": torch.tensor(densities, dtype=torch.float32)[:, None], "condition": as_fields(shape, conditions)}
    began = time.process_time()
    for _ in fit(model, data, Recipe(steps, batch_size=8, learning_rate=2e-3, average=0.995, seed=seed)):
        pass
    return model, time.process_time() - began


def as_fields(shape: Shape, conditions: np.ndarray) -> torch.Tensor:
    """Volume, radius, height over the bottom, and the strain energy in the full beam, which one solve gives."""
    grid = Grid(shape, (0.0, 0.0), (1.0, 1.0))
    height = grid.points()[:, 1].reshape(shape)
    samples = []
    for fraction, radius, place in conditions:
        slope = beam(shape, place).vjp({"youngs_modulus": np.ones((1, *shape))}, {"compliance": np.ones((1, 1))})
        energy = np.log(-slope["youngs_modulus"][0])
        samples.append([np.full(shape, fraction), np.full(shape, radius), height, energy])
    return torch.tensor(np.array(samples), dtype=torch.float32)


def generated(model: FlowMatching, shape: Shape, conditions: np.ndarray, seed: int, draws: int) -> Made:
    """The best of some samples, each judged by one solve."""
    began = time.process_time()
    fields = as_fields(shape, conditions).repeat_interleave(draws, 0)
    samples = model.sample(len(fields), condition=fields, generator=torch.Generator().manual_seed(seed))[:, 0].numpy()
    every = np.repeat(conditions, draws, axis=0)
    brought = np.array([at_volume(s, c[0]) for s, c in zip(samples, every, strict=True)])
    spent = 1e3 * (time.process_time() - began) / len(conditions)
    compliances = judged(shape, with_small_filter(every), brought).reshape(-1, draws)
    best = draws * np.arange(len(conditions)) + compliances.argmin(axis=1)
    return Made(samples[best], np.full(len(conditions), spent), np.full(len(conditions), 1 + draws))


def compared(task: str, seed: int, conditions: np.ndarray, methods: dict[str, Made]) -> Iterator[Row]:
    """Compliances over those of the first method, grey and black-and-white, and the rest by method."""
    fractions, shape = conditions[:, 0], next(iter(methods.values())).densities.shape[1:]
    everyone = np.tile(conditions, (len(methods), 1))
    whole = np.concatenate([made.densities for made in methods.values()])
    pairs = [*zip(whole, everyone, strict=True)]
    brought = np.array([at(d, c[0]) for at in (at_volume, binary) for d, c in pairs])
    found = judged(shape, with_small_filter(np.tile(everyone, (2, 1))), brought).reshape(2, len(methods), -1)
    grey, black_and_white = found / found[:, :1]
    for i, (name, made) in enumerate(methods.items()):
        error = abs(made.densities.mean(axis=(1, 2)) - fractions)
        measures = {
            "compliance over EngiBench's": median(grey[i]),
            "largest compliance over EngiBench's": max(grey[i]),
            "compliance over EngiBench's, both black and white": median(black_and_white[i]),
            "error of the volume fraction before it is corrected": median(error),
            "solves of a design": made.solves.mean(),
            "CPU time of a design without EngiBench's verdicts [ms]": made.cpu_ms.mean(),
        }
        for measure, value in measures.items():
            yield {"what": f"{task}, {name}: {measure}", "seed": seed, "value": float(value)}


def figures(found: list[Row]) -> dict[str, float]:
    """The largest difference of a compliance."""
    return {"engibench_max_rel_diff": max(row["value"] for row in found if "relative difference" in row["what"])}
