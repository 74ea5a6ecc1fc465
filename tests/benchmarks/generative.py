"""Generative models: fibres, shapes, conditions and volumes, each sample set beside real against real.

Run it with  uv run python tests/benchmarks/generative.py [--quick]

Each job is one process with one thread; its CPU seconds are those of the training alone.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import math
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import reporting
import torch

from genmech_fem.adapters import ConformingHomogenization
from genmech_fem.generative import (
    GAN,
    VAE,
    VAEGAN,
    Architecture,
    Autoencoder,
    Diffusion,
    FlowMatching,
    GenerativeModel,
    InfoGAN,
    Tokenizer,
    TokenTransformer,
)
from genmech_fem.generative.latent import beta_table, class_recall
from genmech_fem.metrics import ReportCard, report_card
from genmech_fem.microstructure import (
    GaussianRandomField,
    PeriodicFibres,
    circular_share,
    component_count,
    volume_fraction,
)
from genmech_fem.training import Batch, Recipe, TorusSymmetries, Trainable, fit

type Row = dict[str, Any]

STEPS = ("heun", 10)
CANDIDATES = 4  # samples of which the one with the wanted volume fraction is taken
SYMMETRIES = TorusSymmetries({"x": "scalar"})


@dataclass(frozen=True)
class Sizes:
    """How long to train and how much to sample."""

    seconds: float = 190.0  # wall time of a training with the share 1, on a core of its own
    training: int = 2000
    samples: int = 500
    solved: int = 100
    labelled: int = 1000
    steps: int = 400  # of the translation; half as many more for the sequences
    seeds: tuple[int, ...] = (0, 1, 2)


QUICK = Sizes(seconds=8.0, training=100, samples=40, solved=12, labelled=60, steps=4, seeds=(0,))


def images(sampler: Callable[[np.random.Generator], Any], count: int, stream: int) -> np.ndarray:
    """Images (count, *grid) of a sampler."""
    return np.concatenate([sampler(np.random.default_rng([stream, i]))["phase"] for i in range(count)])


def tensor(phase: np.ndarray) -> torch.Tensor:
    """Images as samples (count, 1, *grid) of a network."""
    return torch.tensor(phase, dtype=torch.float32)[:, None]


def train(model: Trainable, data: Batch, recipe: Recipe, augment: Any = None) -> tuple[int, float]:
    """Train; steps and CPU seconds."""
    began, step = time.process_time(), 0
    for progress in fit(model, data, recipe, augment=augment):
        step = progress.step
    return step, time.process_time() - began


def drawn(model: GenerativeModel, count: int, seed: int, condition: torch.Tensor | None = None) -> np.ndarray:
    """Samples (count, *grid)."""
    generator, parts = torch.Generator().manual_seed(1000 + seed), []
    for start in range(0, count, 100):
        n = min(100, count - start)
        part = None if condition is None else condition[start : start + n]
        parts.append(model.sample(n, condition=part, generator=generator)[:, 0].numpy())
    return np.concatenate(parts)


def card_rows(name: str, seed: int, card: ReportCard) -> Iterator[Row]:
    """Each score of a card, and the same score of real against real."""
    for score in card.rows:
        yield {"what": f"{name}: {score.name}", "seed": seed, "value": score.value, "real": score.real_real}


def disc_rows(name: str, seed: int, made: np.ndarray, real: np.ndarray) -> Iterator[Row]:
    """Share of the inclusions that are discs."""
    values = [
        float(np.average(circular_share(phase), weights=np.maximum(component_count(phase), 1)))
        for phase in (made, real)
    ]
    yield {"what": f"{name}: inclusions that are discs", "seed": seed, "value": values[0], "real": values[1]}


def assessed(name: str, seed: int, made: np.ndarray, sampler: Any, known: np.ndarray, sizes: Sizes) -> Iterator[Row]:
    """The report card of fibre cells, the stiffness of some included."""
    real = images(sampler, 2 * len(made), 2)
    yield from disc_rows(name, seed, made, real)
    yield from card_rows(name, seed, report_card(made, real, training=known))
    if not sizes.solved:
        return
    solver = ConformingHomogenization(made.shape[-1], refine=1)
    few = report_card(made[: sizes.solved], real[: 2 * sizes.solved], solver=solver)
    yield from (row for row in card_rows(name, seed, few) if "propert" in row["what"] or "C" in row["what"])
    yield from (row for row in card_rows(name, seed, few) if "not solved" in row["what"])


FAMILIES: dict[str, Callable[[], GenerativeModel]] = {
    "flow matching": lambda: FlowMatching((1, 32, 32), bounds=(0, 1)),
    "flow matching without circular padding": lambda: FlowMatching(
        (1, 32, 32), network=Architecture(padding_mode="zeros"), bounds=(0, 1)
    ),
    "diffusion, v": lambda: Diffusion((1, 32, 32), bounds=(0, 1)),
    "diffusion, x0": lambda: Diffusion((1, 32, 32), prediction="x0", bounds=(0, 1)),
    "diffusion, eps": lambda: Diffusion((1, 32, 32), prediction="eps", bounds=(0, 1)),
    "autoencoder": lambda: Autoencoder((1, 32, 32), 32, bounds=(0, 1)),
    "denoising autoencoder": lambda: Autoencoder((1, 32, 32), 32, noise=0.5, bounds=(0, 1)),
    "VAE": lambda: VAE((1, 32, 32), 32),
    "GAN, hinge": lambda: GAN((1, 32, 32), 32, bounds=(0, 1)),
    "GAN, bce": lambda: GAN((1, 32, 32), 32, objective="bce", bounds=(0, 1)),
    "GAN, wasserstein": lambda: GAN((1, 32, 32), 32, objective="wasserstein", bounds=(0, 1)),
    "InfoGAN": lambda: InfoGAN((1, 32, 32), 32, bounds=(0, 1)),
    "VAE-GAN": lambda: VAEGAN((1, 32, 32), 32, bounds=(0, 1)),
}
TOKENS = "tokens and transformer"


def fibres(seed: int, sizes: Sizes) -> Iterator[Row]:
    """Flow matching on periodic fibre cells of 32^2 pixels, and what is no generator at all.

    The model is conditioned on the volume fraction. Samples are asked for those of training cells drawn at random, and
    each is the one of four that comes closest, which costs no solve.
    """
    sampler = PeriodicFibres(resolution=32)
    known = images(sampler, sizes.training, 1)
    model, steps, cpu = of_volume_fraction(known, 2, seed, sizes, share=1.22)
    name = "fibres 32^2"
    yield {"what": f"{name}: training [CPU s]", "seed": seed, "value": cpu}
    yield {"what": f"{name}: steps", "seed": seed, "value": steps}
    yield {"what": f"{name}: one step [CPU ms]", "seed": seed, "value": 1e3 * cpu / steps}
    began = time.process_time()
    wanted = prior(known, sizes.samples, seed)
    four = drawn(model, CANDIDATES * len(wanted), seed, wanted.repeat_interleave(CANDIDATES, 0))
    four = four.reshape(-1, CANDIDATES, 32, 32)
    made = closest(four, wanted.numpy())
    yield {
        "what": f"{name}: one sample [CPU ms]",
        "seed": seed,
        "value": 1e3 * (time.process_time() - began) / sizes.samples,
    }
    yield from assessed(name, seed, made, sampler, known, sizes)
    unsolved = replace(sizes, solved=0)
    yield from assessed(f"{name}, first of four", seed, four[:, 0], sampler, known, unsolved)
    if seed == 0:
        field = GaussianRandomField(resolution=32)
        others = {"copies of training cells": known, "Gaussian random field": images(field, sizes.samples, 3)}
        for other, phase in others.items():
            yield from assessed(f"{name}, {other}", seed, phase[: sizes.samples], sampler, known, unsolved)


def of_volume_fraction(
    known: np.ndarray, patch: int, seed: int, sizes: Sizes, share: float = 1.0
) -> tuple[FlowMatching, int, float]:
    """A trained model of these cells that takes the volume fraction, its steps and its CPU seconds."""
    torch.manual_seed(seed)
    network = Architecture((64, 128), patch=patch)
    shape = (1, *known.shape[1:])
    model = FlowMatching(shape, ("scalars", 1), network=network, sampler=("heun", 20), bounds=(0, 1))
    data = {"x": tensor(known), "condition": fractions(known)}
    symmetries = TorusSymmetries({"x": "scalar", "condition": "scalar"})
    settings = replace(recipe(sizes, seed, share=share), batch_size=8, learning_rate=2e-3)
    return model, *train(model, data, settings, symmetries)


def fractions(phase: np.ndarray) -> torch.Tensor:
    """Volume fractions (count, 1)."""
    return torch.tensor(volume_fraction(phase), dtype=torch.float32)[:, None]


def prior(known: np.ndarray, count: int, seed: int) -> torch.Tensor:
    """Volume fractions (count, 1) of cells drawn at random."""
    return fractions(known[np.random.default_rng(seed).choice(len(known), count)])


def closest(candidates: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Of candidates (n, k, nx, ny) those (n, nx, ny) with the volume fraction nearest to the wanted one (n, 1)."""
    off = np.abs(candidates.mean(axis=(2, 3)) - wanted)
    return candidates[np.arange(len(candidates)), off.argmin(axis=1)]


def families(which: str, sizes: Sizes) -> Iterator[Row]:
    """The families on the same cells, unconditional, with a third of the budget."""
    sampler = PeriodicFibres(resolution=32)
    data = {"x": tensor(images(sampler, sizes.training, 1))}
    torch.manual_seed(0)
    cpu, share = 0.0, 0.35
    if which == TOKENS:
        tokenizer = Tokenizer((1, 32, 32), bounds=(0, 1))
        share /= 2
        cpu += train(tokenizer, data, recipe(sizes, 0, share=share), SYMMETRIES)[1]
        model: GenerativeModel = TokenTransformer(tokenizer)
    else:
        model = FAMILIES[which]()
    cpu += train(model, data, recipe(sizes, 0, share=share), SYMMETRIES)[1]
    if isinstance(model, Autoencoder):
        model.fit_prior(data["x"])
    made = drawn(model, sizes.samples, 0)
    name = f"a third of the budget, {which}"
    yield {"what": f"{name}: training [CPU s]", "seed": 0, "value": cpu}
    yield from disc_rows(name, 0, made, data["x"][:, 0].numpy())
    yield from card_rows(name, 0, report_card(made, images(sampler, 2 * len(made), 2)))


def pairs(sizes: Sizes) -> int:
    """Samples of the translation and of the sequences: at least a batch."""
    return max(16, sizes.training // 8)


def translation(seed: int, sizes: Sizes) -> Iterator[Row]:
    """Unpaired translation between pixel cells and smooth cells, beside what needs no network."""
    with TemporaryDirectory() as folder:
        found = reporting.example("translate_cells").main(folder, samples=pairs(sizes), steps=sizes.steps, seed=seed)
    for what, number in found.items():
        yield {"what": f"CycleGAN, RMS error: {what}", "seed": seed, "value": number}


def sequences(seed: int, sizes: Sizes) -> Iterator[Row]:
    """Coarse sequences of a temperature made fine, with and without the temporal discriminator."""
    with TemporaryDirectory() as folder:
        steps = 3 * sizes.steps // 2
        found = reporting.example("super_resolve_heat").main(folder, samples=pairs(sizes), steps=steps, seed=seed)
    for way, figures in found.items():
        for what, number in figures.items():
            yield {"what": f"heat 4^2 to 32^2, {way}: {what}", "seed": seed, "value": number}


def finer(sizes: Sizes) -> Iterator[Row]:
    """The same on 64^2 pixels, four of them a side gathered by the stem."""
    sampler = PeriodicFibres(resolution=64)
    known = images(sampler, sizes.training, 1)
    model, steps, cpu = of_volume_fraction(known, 4, 0, sizes)
    yield {"what": "fibres 64^2: training [CPU s]", "seed": 0, "value": cpu}
    yield {"what": "fibres 64^2: one step [CPU ms]", "seed": 0, "value": 1e3 * cpu / steps}
    made = drawn(model, sizes.samples // 2, 0, prior(known, sizes.samples // 2, 0))
    yield from assessed("fibres 64^2", 0, made, sampler, known, replace(sizes, solved=sizes.solved // 2))


def volumes(sizes: Sizes) -> Iterator[Row]:
    """A small model of two-phase volumes of 32^3 voxels."""
    sampler = GaussianRandomField(resolution=32, dimension=3)
    known = images(sampler, sizes.training // 5, 1)
    torch.manual_seed(0)
    model = FlowMatching((1, 32, 32, 32), network=Architecture((32, 64), patch=4), bounds=(0, 1))
    steps, cpu = train(model, {"x": tensor(known)}, replace(recipe(sizes, 0, share=0.7), batch_size=8))
    yield {"what": "volumes 32^3: training [CPU s]", "seed": 0, "value": cpu}
    yield {"what": "volumes 32^3: one step [CPU ms]", "seed": 0, "value": 1e3 * cpu / steps}
    made = drawn(model, sizes.samples // 5, 0)
    yield from card_rows("volumes 32^3", 0, report_card(made, images(sampler, 2 * len(made), 2)))


type Labelled = tuple[np.ndarray, np.ndarray]
"""Cells (count, n, n), and their volume fractions and C* (count, 7)."""


def labelled(sampler: PeriodicFibres, count: int, stream: int) -> Labelled:
    """Cells with what DOLFINx finds for them, by two processes."""
    phase = images(sampler, count, stream)
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        return phase, np.concatenate(list(pool.map(properties, np.array_split(phase, 2))))


def conditional(seed: int, sizes: Sizes, known: Labelled, asked: Labelled) -> Iterator[Row]:
    """Asked for volume fraction and C* of cells that it has not seen; the best of four samples by volume fraction."""
    torch.manual_seed(seed)
    model = FlowMatching((1, 32, 32), ("scalars", 7), sampler=STEPS, bounds=(0, 1))
    data = {"x": tensor(known[0]), "condition": torch.tensor(known[1], dtype=torch.float32)}
    symmetries = TorusSymmetries({"x": "scalar", "condition": ("scalar", "mandel_triangle")})
    _, cpu = train(model, data, recipe(sizes, seed, share=0.9), symmetries)
    yield {"what": "conditional: training [CPU s]", "seed": seed, "value": cpu}
    wanted = np.clip(asked[1], known[1].min(axis=0), known[1].max(axis=0))
    condition = torch.tensor(np.repeat(wanted, CANDIDATES, axis=0), dtype=torch.float32)
    made = drawn(model, len(condition), seed, condition).reshape(-1, CANDIDATES, 32, 32)
    chosen = closest(made, wanted[:, :1])
    scale = known[1].std(axis=0)
    nearest = [np.abs((known[1] - one) / scale).sum(axis=1).argmin() for one in wanted]
    ways = {"first sample": made[:, 0], "best of four": chosen, "look-up in the training set": known[0][nearest]}
    for way, phase in ways.items():
        found = properties(phase)
        for k, name in enumerate(("volume fraction", "C11 by FEM")):
            r = float(np.corrcoef(wanted[:, k], found[:, k])[0, 1])
            error = float(np.median(np.abs(found[:, k] / wanted[:, k] - 1)))
            yield {"what": f"conditional, {way}: {name}, correlation asked/found", "seed": seed, "value": r}
            yield {"what": f"conditional, {way}: {name}, median error [%]", "seed": seed, "value": 100 * error}


def properties(phase: np.ndarray) -> np.ndarray:
    """Volume fraction and C* (count, 7) of images, each meshed and homogenised."""
    solver = ConformingHomogenization(phase.shape[-1], refine=1)
    stiffness = np.concatenate([solver({"phase": image[None]})["stiffness"] for image in phase])
    return np.column_stack([volume_fraction(phase), stiffness])


def book_fibres(seed: int, sizes: Sizes) -> Iterator[Row]:
    """Exercise E.30: fibres of one size and one volume fraction by diffusion in 40 steps."""
    sampler = PeriodicFibres(resolution=32, radius=(0.1, 0.1), volume_fraction=(0.219, 0.219))
    known = images(sampler, sizes.training, 1)
    torch.manual_seed(seed)
    model = Diffusion((1, 32, 32), sampler=("ddim", 40), bounds=(0, 1))
    _, cpu = train(model, {"x": tensor(known)}, recipe(sizes, seed, share=0.6), SYMMETRIES)
    made, real = drawn(model, sizes.samples, seed), images(sampler, sizes.samples, 2)
    name = "E.30 fibres, 40 steps"
    yield {"what": f"{name}: training [CPU s]", "seed": seed, "value": cpu}
    yield from disc_rows(name, seed, made, real)
    shares = [float(volume_fraction(phase).mean()) for phase in (made, real)]
    yield {"what": f"{name}: volume fraction", "seed": seed, "value": shares[0], "real": shares[1]}


def shapes(seed: int, sizes: Sizes) -> Iterator[Row]:
    """Exercise E.28: a VAE of four shapes, with a learned mixture and with a normal distribution as its prior."""
    drawing = reporting.example("latent_shapes")
    x, templates = drawing.random_shapes(2 * sizes.training, seed=0)[0], drawing.all_shapes()
    ways = {"mixture": 32, "normal": 0} if seed == 0 else {"mixture": 32}
    for prior, components in ways.items():
        torch.manual_seed(seed)
        network = Architecture((32, 64), patch=4, padding_mode="zeros")
        model = VAE((1, 32, 32), 8, components=components, network=network)
        settings = Recipe(seconds=0.6 * sizes.seconds, batch_size=32, average=0.998, seed=seed)
        _, cpu = train(model, {"x": x}, settings)
        recall = class_recall(model.sample(sizes.samples, generator=torch.Generator().manual_seed(seed)), templates)
        found = {
            "training [CPU s]": cpu,
            "smallest share of a class": min(recall.shares.values()),
            "largest share of a class": max(recall.shares.values()),
            "share with template IoU > 0.9": float((recall.overlaps > drawing.GOOD).float().mean()),
        }
        name = "E.28 shapes" if components else f"E.28 shapes, {prior} prior"
        for what, number in found.items():
            yield {"what": f"{name}: {what}", "seed": seed, "value": number}


def collapse(sizes: Sizes) -> Iterator[Row]:
    """How many of the four shapes the generators of the GAN family reach."""
    drawing = reporting.example("latent_shapes")
    x, templates = drawing.random_shapes(2 * sizes.training, seed=0)[0], drawing.all_shapes()
    network = Architecture((32, 64), patch=4, padding_mode="zeros")
    models: dict[str, Callable[..., GenerativeModel]] = {
        **{f"GAN, {name}": partial(GAN, objective=name) for name in ("hinge", "bce", "wasserstein")},
        "InfoGAN": InfoGAN,
        "VAE-GAN": VAEGAN,
    }
    for name, build in models.items():
        torch.manual_seed(0)
        model = build((1, 32, 32), 8, network=network, bounds=(0, 1))
        train(model, {"x": x}, recipe(sizes, 0, share=0.35))
        recall = class_recall(model.sample(sizes.samples, generator=torch.Generator().manual_seed(0)), templates)
        what = f"modes among four shapes, {name}"
        yield {"what": f"{what}: smallest share of a class", "seed": 0, "value": min(recall.shares.values())}
        yield {"what": f"{what}: largest share of a class", "seed": 0, "value": max(recall.shares.values())}
        good = float((recall.overlaps > drawing.GOOD).float().mean())
        yield {"what": f"{what}: share with template IoU > 0.9", "seed": 0, "value": good}


def beta(sizes: Sizes) -> Iterator[Row]:
    """The effect of beta."""
    drawing = reporting.example("latent_shapes")
    x, templates = drawing.random_shapes(sizes.training, seed=0)[0], drawing.all_shapes()
    settings = Recipe(seconds=0.2 * sizes.seconds, batch_size=32, average=0.998)
    normal = partial(drawing.build, components=0)
    table = beta_table(normal, {"x": x}, betas=(0.3, 1.0, 4.0, 16.0), recipe=settings, templates=templates)
    for row in table:
        for what, number in row.items():
            if what != "beta":
                yield {"what": f"E.28 shapes, beta {row['beta']:g}: {what}", "seed": 0, "value": number}


def recipe(sizes: Sizes, seed: int, *, share: float = 1.0) -> Recipe:
    """The settings of the trainings on cells, with a share of the budget."""
    return Recipe(seconds=share * sizes.seconds, learning_rate=3e-3, average=0.998, seed=seed)


def value(rows: list[Row], what: str, column: str = "value") -> float:
    """Median of the rows named `what`; not a number if there are none."""
    return median([row[column] for row in rows if row["what"] == what] or [math.nan])


def summary(rows: list[Row]) -> dict[str, float]:
    """The figures, medians over the seeds."""
    energy = "fibres 32^2: effective properties, energy distance"
    return {
        "fibre_circular": value(rows, "fibres 32^2: inclusions that are discs"),
        "fibre_valid": value(rows, "fibres 32^2: share of images with discs only"),
        "fibre_seam": value(rows, "fibres 32^2: jump over the border / inside"),
        "fibre_vf_w1": value(rows, "fibres 32^2: volume fraction, W1"),
        "fibre_s2": value(rows, "fibres 32^2: S2 error"),
        "fibre_c_energy_over_floor": value(rows, energy) / value(rows, energy, "real"),
        "fibre_cpu_s": value(rows, "fibres 32^2: training [CPU s]"),
        "fibre_64_cost_over_32": value(rows, "fibres 64^2: one step [CPU ms]")
        / value(rows, "fibres 32^2: one step [CPU ms]"),
        "shapes_min_class_share": value(rows, "E.28 shapes: smallest share of a class"),
        "shapes_max_class_share": value(rows, "E.28 shapes: largest share of a class"),
        "shapes_iou90": value(rows, "E.28 shapes: share with template IoU > 0.9"),
        "fibre_book_vf_error": abs(
            value(rows, "E.30 fibres, 40 steps: volume fraction")
            - value(rows, "E.30 fibres, 40 steps: volume fraction", "real")
        ),
        "fibre_book_disc_share": value(rows, "E.30 fibres, 40 steps: inclusions that are discs"),
        "conditional_vf_r": value(rows, "conditional, best of four: volume fraction, correlation asked/found"),
        "conditional_c11_r": value(rows, "conditional, best of four: C11 by FEM, correlation asked/found"),
    }


def main() -> None:
    """Run all jobs, two at a time, and write the results."""
    args = reporting.arguments(__doc__ or "")
    sizes = QUICK if args.quick else Sizes()
    sampler = PeriodicFibres(resolution=32)
    labels = labelled(sampler, sizes.labelled, 1), labelled(sampler, sizes.solved, 4)
    jobs: list[tuple[Any, ...]] = [
        *((function, seed, sizes) for seed in sizes.seeds for function in (fibres, shapes, book_fibres)),
        *((conditional, seed, sizes, *labels) for seed in sizes.seeds),
        *((function, seed, sizes) for seed in sizes.seeds for function in (translation, sequences)),
        *((families, which, sizes) for which in (*FAMILIES, TOKENS)),
        (finer, sizes),
        (volumes, sizes),
        (beta, sizes),
        (collapse, sizes),
    ]
    rows, earlier = reporting.run("generative", jobs, quick=args.quick)
    reporting.write("generative", summary(rows), rows, list(sizes.seeds), quick=args.quick, earlier=earlier)


if __name__ == "__main__":
    main()
