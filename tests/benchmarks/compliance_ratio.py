"""Designs by the latents of generative models, over the optimum of optimality criteria.

Cantilevers of 64 x 32 cells under a unit force of any direction on one of eight patches of their right end. Every
design is thresholded at its volume, meshed conformingly and solved again, on a finer mesh too.
"""

import genmech_fem.problems  # noqa: F401  isort: skip

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from genmech_fem.adapters import ConformingStructure, Load, Side, Structure, Support, pixel_structure
from genmech_fem.datasets import Campaign, Store, generate
from genmech_fem.design import (
    LBFGS,
    AtVolume,
    Densities,
    DensityFilter,
    DesignResult,
    Moduli,
    OnSphere,
    OptimalTopology,
    Projection,
    Value,
    minimize,
    topology_optimization,
)
from genmech_fem.errors import GenmechError
from genmech_fem.export import generator_model
from genmech_fem.fields import Arrays, FieldSpec, Grid, ScalarSpec
from genmech_fem.forward import ForwardModel, compose
from genmech_fem.generative import VAE, Autoencoder, Diffusion, LatentModel
from genmech_fem.training import Recipe, fit

type Row = dict[str, Any]
type Method = Callable[["Target"], tuple[np.ndarray, int]]

TASK = "compliance over that of optimality criteria"
SHAPE, PATCHES = (64, 32), 8
GRID = Grid(SHAPE, (0.0, 0.0), (2.0, 1.0))
RAW, MODULUS = FieldSpec("raw", GRID), FieldSpec("youngs_modulus", GRID)
CONDITIONS = ScalarSpec("patch"), ScalarSpec("angle")
DENSITIES = Densities(DensityFilter(GRID, 2 * GRID.spacing[0]))


@dataclass(frozen=True)
class Sizes:
    """How many optima are learned from, how many loads are designed for, and how long."""

    optima: int = 300
    targets: int = 12
    steps: tuple[int, int] = 1500, 1000
    latent: int = 128
    solves: int = 80
    sampler: int = 8


QUICK = Sizes(24, 2, (30, 20), 16, 10, 3)


def structure(conditions: Arrays) -> Structure:
    """The cantilever under the load of one sample."""
    patch, angle = int(conditions["patch"].item()), conditions["angle"].item()
    load = Load(Side("right", patch / PATCHES, (patch + 1) / PATCHES), (np.cos(angle), np.sin(angle)))
    return Structure(SHAPE, (Support(Side("left")),), (load,), upper=GRID.upper)


def solver(conditions: Arrays) -> ForwardModel:
    """From moduli to compliance."""
    return pixel_structure(structure(conditions))


def drawn(generator: np.random.Generator) -> Arrays:
    """A load and a volume."""
    patch, angle, volume = generator.integers(PATCHES), generator.uniform(0, np.pi), generator.uniform(0.3, 0.5)
    return {name: np.array([[float(x)]]) for name, x in (("patch", patch), ("angle", angle), ("volume", volume))}


def optima(count: int, folder: Path) -> Path:
    """A campaign of optimal topologies; what is there already is not made again."""
    model = OptimalTopology(solver, CONDITIONS, DENSITIES, iterations=60)
    generate(Campaign(model, drawn, count), folder)
    return folder


def features(conditions: Arrays) -> np.ndarray:
    """Coordinates (batch, 4) in which loads and volumes that ask for similar designs are near to each other."""
    patch, angle, volume = (conditions[name][:, 0] for name in ("patch", "angle", "volume"))
    return np.stack([patch / 2, 2 * np.cos(2 * angle), 2 * np.sin(2 * angle), 5 * volume], axis=1)


class Target:
    """A load and a volume that were held out, and the nearest optimum of the training set."""

    def __init__(self, number: int, known: Arrays) -> None:
        self.conditions = drawn(np.random.default_rng([99, number]))
        self.volume, self.solver = self.conditions["volume"].item(), solver(self.conditions)
        distances = ((features(known) - features(self.conditions)) ** 2).sum(axis=1)
        self.nearest = known["density"][int(distances.argmin())]

    def optimized(self, densities: Densities = DENSITIES, **options: Any) -> DesignResult:
        """Optimality criteria."""
        return topology_optimization(self.solver, densities, self.volume, **options)

    def verified(self, density: np.ndarray, refine: int) -> float:
        """Compliance of the meshed solid; NaN where it does not carry the load."""
        try:
            model = ConformingStructure(structure(self.conditions), self.volume, refine=refine)
            return float(model({"density": density[None]})["compliance"].item())
        except GenmechError:
            return float("nan")


def reference(target: Target) -> tuple[np.ndarray, int]:
    """Optimality criteria to their end."""
    found = target.optimized(iterations=200)
    return found.outputs["density"][0], found.evaluations


def projected(target: Target) -> tuple[np.ndarray, int]:
    """Optimality criteria with a projection that is sharpened step by step."""
    found, solves = target.optimized(iterations=40), 40
    for beta in (2.0, 4.0, 8.0):
        sharp = Densities(DENSITIES.filter, projection=Projection(beta))
        found = target.optimized(sharp, start=found.last["variables"][0], iterations=30)
        solves += found.evaluations
    return found.outputs["density"][0], solves


def nearest(target: Target, steps: int = 0) -> tuple[np.ndarray, int]:
    """The look-up, and some steps of optimality criteria from there."""
    return improved(target, target.nearest, steps) if steps else (target.nearest, 0)


def improved(target: Target, density: np.ndarray, steps: int) -> tuple[np.ndarray, int]:
    """Steps of optimality criteria from a design; the filter smooths, so that some are needed to sharpen it again."""
    found = target.optimized(start=np.clip(density, 0, 1), iterations=steps + 1)
    return DENSITIES.density(found.last["variables"])[0], found.evaluations


def along_latents(target: Target, decoder: ForwardModel, start: Arrays, solves: int) -> tuple[np.ndarray, int]:
    """L-BFGS in what the decoder takes, with a sharper and a sharper threshold at the volume."""
    spent = 0
    for beta in (4.0, 10.0):
        chain = compose(decoder, AtVolume(RAW, target.volume, beta=beta), Moduli(MODULUS), target.solver, keep=True)
        found = minimize(chain, Value("compliance"), start, LBFGS(), iterations=solves // 2)
        start, spent = found.design, spent + found.evaluations
    return found.outputs["density"][0], spent


def judged(
    name: str, method: Method, targets: Sequence[Target], references: np.ndarray, seed: int | None
) -> Iterator[Row]:
    """Rows of a method: its verified compliance over that of the reference, on the first and on a finer mesh."""
    began, designs = time.process_time(), [method(target) for target in targets]
    seconds = (time.process_time() - began) / len(targets)
    found = np.array([[t.verified(d, refine) for refine in (1, 2)] for t, (d, _) in zip(targets, designs, strict=True)])
    ratios = found / references
    failed = np.isnan(ratios).any(axis=1)
    measures = {
        "median ratio": np.median(ratios[~failed, 0]) if not failed.all() else np.nan,
        "median ratio on a finer mesh": np.median(ratios[~failed, 1]) if not failed.all() else np.nan,
        "largest ratio": ratios[~failed, 0].max(initial=0.0),
        "designs that do not carry the load": int(failed.sum()),
        "solves a design": np.mean([solves for _, solves in designs]),
        "CPU time a design [s]": seconds,
    }
    for measure, value in measures.items():
        yield {"what": f"{TASK}, {name}: {measure}", "seed": seed, "value": float(value)}


def prepared(folder: Path, sizes: Sizes) -> tuple[Arrays, list[Target], np.ndarray]:
    """The training set, the targets and their references (targets, 2)."""
    _, known = Store.open(folder).read()
    targets = [Target(i, known) for i in range(sizes.targets)]
    references = np.array([[t.verified(reference(t)[0], refine) for refine in (1, 2)] for t in targets])
    return known, targets, references


def baselines(folder: Path, sizes: Sizes) -> Iterator[Row]:
    """Methods without a network."""
    _, targets, references = prepared(folder, sizes)
    methods: dict[str, Method] = {
        "optimality criteria": reference,
        "with projection": projected,
        "nearest": nearest,
        "nearest + 10 steps": partial(nearest, steps=10),
    }
    for name, method in methods.items():
        yield from judged(name, method, targets, references, None)


def models(kind: str, sizes: Sizes) -> tuple[LatentModel, int]:
    """A model and the steps of its training."""
    shape, network = (1, *SHAPE), {"widths": (32, 64, 96), "patch": 2, "padding_mode": "zeros"}
    first, second = sizes.steps
    if kind == "diffusion":
        return Diffusion(shape, network=network, sampler=("ddim", sizes.sampler)), second
    if kind == "autoencoder":
        return Autoencoder(shape, sizes.latent, network=network), first
    return VAE(shape, sizes.latent, beta=0.2, network=network), first


def latents(kind: str, seed: int, folder: Path, sizes: Sizes) -> Iterator[Row]:
    """Train a model on the optima and design by its latents, from that of the nearest optimum on."""
    known, targets, references = prepared(folder, sizes)
    torch.manual_seed(seed)
    model, steps = models(kind, sizes)
    x = torch.as_tensor(known["density"], dtype=torch.float32)[:, None]
    began = time.process_time()
    for _ in fit(model, {"x": x}, Recipe(steps=steps, learning_rate=2e-3, seed=seed)):
        pass
    yield {"what": f"{TASK}, {kind}: training [CPU s]", "seed": seed, "value": time.process_time() - began}
    decoder = generator_model(model.eval(), "decoder", field=RAW)

    def method(target: Target) -> tuple[np.ndarray, int]:
        with torch.no_grad():
            start = model.encode(torch.as_tensor(target.nearest, dtype=torch.float32)[None, None]).double().numpy()
        if kind != "diffusion":
            return along_latents(target, decoder, {"latent": start}, sizes.solves)
        sphere = OnSphere(decoder.inputs[0], centre=start[0], angle=0.6)
        first = {sphere.inputs[0].name: np.zeros((1, *sphere.inputs[0].shape))}
        return along_latents(target, compose(sphere, decoder), first, sizes.solves)

    yield from judged(kind, method, targets, references, seed)
    if kind == "autoencoder":
        yield from judged(f"{kind} + 10 steps", partial(then_steps, method), targets, references, seed)


def then_steps(method: Method, target: Target) -> tuple[np.ndarray, int]:
    """A method, and ten steps of optimality criteria from its design."""
    density, solves = method(target)
    better, more = improved(target, density, 10)
    return better, solves + more


def figures(rows: list[Row]) -> dict[str, float]:
    """Median over the seeds of the median ratio of each model."""
    found: dict[str, float] = {}
    for kind in ("autoencoder", "diffusion", "vae"):
        values = [row["value"] for row in rows if row["what"] == f"{TASK}, {kind}: median ratio"]
        found[f"compliance_ratio_{kind}"] = median(values) if values else float("nan")
    return found
