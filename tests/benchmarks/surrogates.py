"""Surrogates: every table has the mean predictor, the nearest neighbour, the solver and a coarser solver beside it.

Run it with  uv run python tests/benchmarks/surrogates.py [--quick]

Each job is one process with one thread; its CPU seconds are those of the training alone.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import genmech_fem.problems  # noqa: F401  isort: skip

import math
import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import reporting
import torch
from tqdm import tqdm

from genmech_fem.adapters import ConformingHomogenization, Material, darcy, pixel_stiffness
from genmech_fem.datasets import Campaign, Store, generate
from genmech_fem.forward import LazyModel
from genmech_fem.metrics import quantiles, relative_l2, untrained_predictions
from genmech_fem.microstructure import DarcyPermeability, GaussianRandomField, PeriodicFibres
from genmech_fem.surrogates import GridSurrogate, PropertySurrogate, VoigtReuss, symmetric
from genmech_fem.training import Batch, Mirrors, Recipe, TorusSymmetries, Trainable, fit

type Row = dict[str, Any]
type Solved = tuple[np.ndarray, np.ndarray]
"""Cells (count, n, n), and their strains (count, 3, 3, n, n)."""


@dataclass(frozen=True)
class Sizes:
    """How long to train, on how many samples."""

    seconds: float = 560.0  # wall time of a training with the share 1, on a core of its own
    samples: int = 1000
    tested: int = 200
    seeds: tuple[int, ...] = (0, 1, 2)


QUICK = Sizes(seconds=6.0, samples=80, tested=20, seeds=(0,))


def train(model: Trainable, data: Batch, recipe: Recipe, augment: Any = None) -> float:
    """Train; CPU seconds."""
    began = time.process_time()
    for _ in fit(model, data, recipe, augment=augment):
        pass
    return time.process_time() - began


def published(name: str) -> dict[str, np.ndarray]:
    """A data set that others made."""
    with np.load(reporting.SHARED_DATA / name) as file:
        return dict(file)


def mirrored(model: Trainable, x: torch.Tensor, signs: torch.Tensor | None = None) -> np.ndarray:
    """Mean of the predictions for the four mirror images, turned back; signs (channels,) change with each mirror."""
    found = []
    with torch.no_grad():
        for axes in ((), (2,), (3,), (2, 3)):
            y = torch.cat([model(part.flip(axes)) for part in x.split(64)])
            if signs is not None:
                y = y.flip(axes) * signs[:, None, None] ** len(axes)
            found.append(y)
    return torch.stack(found).mean(0).double().numpy()


def energies(seed: int, sizes: Sizes) -> Iterator[Row]:
    """Mechanical MNIST: the strain energy of a block at all steps, from its bitmap."""
    data = published("mechanical_mnist_uniaxial.npz")
    bitmap = data["bitmap"][:, ::-1].transpose(0, 2, 1) / 255.0  # x to the right, y upwards
    x, y = tensor(bitmap[:, None]), data["strain_energy"][:, 1:]
    count = sizes.samples * 7 if sizes.samples < 1000 else 7000
    known, asked = slice(0, count), slice(7000, 8000)
    torch.manual_seed(seed)
    axis = torch.linspace(-1, 1, 28).square()
    places = torch.stack([axis[:, None].expand(28, 28), axis.expand(28, 28)])
    x = torch.cat([x, places.expand(len(x), 2, 28, 28)], dim=1)
    model = PropertySurrogate((3, 28, 28), 12, widths=(32, 64, 96), padding_mode="zeros")
    symmetries = Mirrors({"x": ("scalar",) * 3, "y": ("scalar",) * 12})
    recipe = Recipe(seconds=sizes.seconds, batch_size=32, learning_rate=3e-3, average=0.999, seed=seed)
    cpu = train(model, {"x": x[known], "y": tensor(np.log(y[known]))}, recipe, symmetries)
    found = {"network": np.exp(mirrored(model, x[asked]))}
    found |= untrained_predictions((bitmap[known], y[known]), bitmap[asked])
    for name, prediction in found.items():
        errors = 100 * np.abs(prediction / y[asked] - 1).mean(axis=0)
        yield {"what": f"Mechanical MNIST, d = 14, {name}: MAPE [%]", "seed": seed, "value": errors[-1]}
        yield {"what": f"Mechanical MNIST, all steps, {name}: MAPE [%]", "seed": seed, "value": errors.mean()}
    yield {"what": "Mechanical MNIST: training [CPU s]", "seed": seed, "value": cpu}


def tensor(array: np.ndarray) -> torch.Tensor:
    """An array as float32."""
    return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32)


def book_strains(seed: int, sizes: Sizes) -> Iterator[Row]:
    """Exercise 12 of the book: strains of a plate with discs, from its pixels."""
    data = published("book_strain_fields.npz")
    x, y = tensor(data["youngs_modulus"] / data["youngs_modulus"].max()), tensor(data["strain"])
    known, asked = slice(0, 224), slice(224, 256)
    torch.manual_seed(seed)
    model = GridSurrogate(
        1,
        (3, 32, 32),
        settings={"channels": (32, 64, 96), "padding_mode": "zeros"},
        loss="relative_l2",
        coordinates=True,
    )
    recipe = Recipe(
        seconds=sizes.seconds, batch_size=8, learning_rate=3e-3, weight_decay=1e-2, average=0.995, seed=seed
    )
    cpu = train(model, {"x": x[known], "y": y[known]}, recipe, Mirrors({"x": "scalar", "y": "mandel_vector"}))
    modulus, truth = data["youngs_modulus"], data["strain"][asked]
    found = {"network": mirrored(model, x[asked], torch.tensor([1.0, 1.0, -1.0]))}
    found |= untrained_predictions((modulus[known], data["strain"][known]), modulus[asked])
    for name, prediction in found.items():
        errors = quantiles(relative_l2(prediction, truth))
        yield {"what": f"book strains, {name}: median relative L2", "seed": seed, "value": errors["median"]}
        yield {"what": f"book strains, {name}: relative L2 that a tenth exceeds", "seed": seed, "value": errors["90 %"]}
    yield {"what": "book strains: training [CPU s]", "seed": seed, "value": cpu}


PHASES = {10: ((3.0, 0.3), (30.0, 0.3)), 100: ((1.0, 0.3), (100.0, 0.3))}
"""Young's modulus [GPa] and Poisson's ratio of matrix and inclusions, by contrast."""


def plane_strain(young: float, poisson: float) -> np.ndarray:
    """Stiffness (3, 3) [GPa] in the Mandel basis."""
    mu, lam = young / (2 + 2 * poisson), young * poisson / ((1 + poisson) * (1 - 2 * poisson))
    return np.diag([2 * mu] * 3) + lam * np.outer([1, 1, 0], [1, 1, 0])


def cells(count: int, stream: int, points: int = 32) -> np.ndarray:
    """Random two-phase cells, half fibres and half random fields."""
    draws = PeriodicFibres(points, volume_fraction=(0.1, 0.5)), GaussianRandomField(points, volume_fraction=(0.1, 0.9))
    return np.concatenate([draws[i % 2](np.random.default_rng([stream, i]))["phase"] for i in range(count)])


def stiffness_heads(contrast: int, seed: int, sizes: Sizes) -> Iterator[Row]:
    """Effective stiffness by three heads: what is impossible must not be said."""
    soft, stiff = PHASES[contrast]
    solver, bounds = (
        pixel_stiffness(32, Material(*soft), Material(*stiff)),
        VoigtReuss(plane_strain(*soft), plane_strain(*stiff)),
    )
    known, asked = cells(sizes.samples, 1), cells(sizes.tested, 2)
    labels, truth = (solver({"phase": phase})["stiffness"] for phase in (known, asked))
    data = {"x": tensor(known[:, None]), "y": tensor(labels)}
    symmetries = TorusSymmetries({"x": "scalar", "y": "mandel_triangle"})
    share = 0.1
    found: dict[str, np.ndarray] = {}
    for head in ("plain", "positive", "voigt_reuss"):
        torch.manual_seed(seed)
        phases = (plane_strain(*soft), plane_strain(*stiff)) if head == "voigt_reuss" else None
        model = PropertySurrogate((1, 32, 32), 6, head=head, phases=phases, widths=(16, 32, 64), patch=2)
        cpu = train(model, data, recipe(sizes, seed, share), symmetries)
        with torch.no_grad():
            found[f"head {head}"] = model(tensor(asked[:, None])).double().numpy()
        yield {"what": f"contrast {contrast}, head {head}: training [CPU s]", "seed": seed, "value": cpu}
    found |= untrained_predictions((known, labels), asked)
    coarse = asked.reshape(-1, 16, 2, 16, 2).mean(axis=(2, 4)).round()
    began = time.process_time()
    found["FE on 16^2 pixels"] = pixel_stiffness(16, Material(*soft), Material(*stiff))({"phase": coarse})["stiffness"]
    yield {
        "what": f"contrast {contrast}, FE on 16^2 pixels: one solve [CPU ms]",
        "seed": seed,
        "value": 1e3 * (time.process_time() - began) / len(coarse),
    }
    fraction = tensor(asked.mean(axis=(1, 2))[:, None])
    for name, prediction in found.items():
        outside = bounds.outside(symmetric(tensor(prediction)), fraction, 1e-4)
        median_error = quantiles(relative_l2(prediction, truth))["median"]
        yield {"what": f"contrast {contrast}, {name}: median error [%]", "seed": seed, "value": 100 * median_error}
        share_outside = outside.float().mean().item()
        yield {"what": f"contrast {contrast}, {name}: share out of bounds", "seed": seed, "value": share_outside}


NETWORKS: dict[str, dict[str, Any]] = {
    "unet": {"channels": (32, 64, 96), "patch": 2},
    "fourier": {"width": 32, "depth": 4, "modes": 12},
    "vision_transformer": {"patch": 4, "features": 96, "depth": 4},
    "point_transformer": {"features": 64, "depth": 4, "tokens": 32},
}


def cell_strains(network: str, seed: int, sizes: Sizes, known: Solved, asked: Solved) -> Iterator[Row]:
    """Strains in periodic cells of fibres under three loads, by one network."""
    torch.manual_seed(seed)
    model = GridSurrogate(1, (9, 32, 32), network=network, settings=NETWORKS[network])
    data = {"x": tensor(known[0][:, None]), "y": tensor(known[1].reshape(-1, 9, 32, 32))}
    symmetries = TorusSymmetries({"x": "scalar", "y": "mandel_matrix"})
    cpu = train(model, data, recipe(sizes, seed, 0.2), symmetries)
    began = time.process_time()
    with torch.no_grad():
        found = torch.cat([model(part) for part in tensor(asked[0][:, None]).split(50)]).double().numpy()
    each = (time.process_time() - began) / len(found)
    yield from errors_of(f"cell strains, {network}", seed, found.reshape(asked[1].shape), asked[1])
    yield {"what": f"cell strains, {network}: one cell [CPU ms]", "seed": seed, "value": 1e3 * each}
    yield {"what": f"cell strains, {network}: training [CPU s]", "seed": seed, "value": cpu}


def errors_of(name: str, seed: int, found: np.ndarray, truth: np.ndarray) -> Iterator[Row]:
    """Quantiles of the relative L2 error."""
    for quantile, error in quantiles(relative_l2(found, truth)).items():
        yield {"what": f"{name}: relative L2, {quantile}", "seed": seed, "value": error}


def solved_strains(count: int, stream: int, refine: int) -> Solved:
    """Fibre cells solved on conforming meshes, by two processes."""
    draw = PeriodicFibres(32)
    phase = np.concatenate([draw(np.random.default_rng([stream, i]))["phase"] for i in range(count)])
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        solved = pool.map(partial(strains_of, refine=refine), np.array_split(phase, 2))
        return phase, np.concatenate(list(solved))


def strains_of(phase: np.ndarray, refine: int) -> np.ndarray:
    """Strains (count, 3, 3, n, n) of cells."""
    solver = ConformingHomogenization(phase.shape[-1], refine=refine)
    return np.concatenate([solver({"phase": one[None]})["strain"] for one in phase])


def without_training(known: Solved, asked: Solved, sizes: Sizes) -> Iterator[Row]:
    """What needs no training, and how far the labels themselves are from those of meshes twice as fine."""
    for name, found in untrained_predictions(known, asked[0]).items():
        yield from errors_of(f"cell strains, {name}", 0, found, asked[1])
    few = asked[0][: sizes.tested // 4]
    began = time.process_time()
    coarse = strains_of(few, 1)
    seconds = (time.process_time() - began) / len(few)
    fine = strains_of(few, 4)
    yield from errors_of("cell strains, labels (2 cells a pixel)", 0, asked[1][: len(few)], fine)
    yield from errors_of("cell strains, FE with 1 cell a pixel", 0, coarse, fine)
    yield {"what": "cell strains, FE with 1 cell a pixel: one cell [CPU ms]", "seed": 0, "value": 1e3 * seconds}


DARCY: dict[str, dict[str, Any]] = {
    "unet": {"channels": (32, 64, 96, 128), "patch": 1, "padding_mode": "zeros"},
    "point_transformer": {"features": 64, "depth": 4, "tokens": 32},
    "fourier": {"width": 32, "depth": 4, "modes": 24, "padding": 8},
}
PUBLISHED = {"U-Net": 0.0080, "FNO": 0.0108, "Transolver": 0.0057, "Transolver++": 0.0049}
"""Relative L2 errors on the published data, after 500 epochs on a GPU: doi:10.48550/arXiv.2402.02366 and 2502.02414."""


def darcy_data(sizes: Sizes) -> tuple[Solved, Solved]:
    """Permeability and pressure at 85^2 of 421^2 nodes; generated once, by a campaign that resumes."""
    resolution, counts = (420, (1000, 200)) if sizes.samples >= 1000 else (40, (40, 10))
    folder = Path(__file__).parent / "data" / f"darcy{resolution}"
    campaign = Campaign(LazyModel(partial(darcy, resolution, 5)), DarcyPermeability(resolution), sum(counts), seed=0)
    bar = tqdm(total=sum(counts), desc="darcy", file=sys.stderr, mininterval=10)
    generate(campaign, folder, engine=2, progress=lambda p: bar.update(p.finished - bar.n))
    fields: dict[str, list[np.ndarray]] = {"permeability": [], "pressure": []}
    for _, arrays in Store.open(folder).batches(32):
        fields["permeability"].append(arrays["permeability"][:, ::5, ::5])
        fields["pressure"].append(arrays["pressure"])
    a, u = (np.concatenate(parts) for parts in fields.values())
    return (a[: counts[0]], u[: counts[0]]), (a[counts[0] :], u[counts[0] :])


def darcy_flow(network: str, seed: int, sizes: Sizes, known: Solved, asked: Solved) -> Iterator[Row]:
    """The Darcy benchmark with a budget that this machine allows."""
    torch.manual_seed(seed)
    shape = (1, *known[1].shape[1:])
    small = {"modes": 4, "padding": 2} if network == "fourier" and sizes.samples < 1000 else {}
    model = GridSurrogate(
        1, shape, network=network, settings=DARCY[network] | small, loss="relative_l2", coordinates=True
    )
    border = torch.ones(shape, dtype=torch.bool)
    border[:, 1:-1, 1:-1] = False
    model.hold(torch.zeros(shape), border)
    data = {"x": tensor(known[0][:, None]), "y": tensor(known[1][:, None])}
    settings = replace(recipe(sizes, seed, 1.0), batch_size=4, learning_rate=2e-3)
    cpu = train(model, data, settings, Mirrors({"x": "scalar", "y": "scalar"}))
    found = mirrored(model, tensor(asked[0][:, None]))[:, 0]
    error = float(relative_l2(found, asked[1]).mean())
    yield {"what": f"Darcy, {network}: mean relative L2", "seed": seed, "value": error}
    yield {"what": f"Darcy, {network}: training [CPU s]", "seed": seed, "value": cpu}
    if network == "unet" and seed == 0:
        for name, prediction in untrained_predictions(known, asked[0]).items():
            error = float(relative_l2(prediction, asked[1]).mean())
            yield {"what": f"Darcy, {name}: mean relative L2", "seed": 0, "value": error}
        for name, error in PUBLISHED.items():
            yield {"what": f"Darcy, {name}, as published: mean relative L2", "seed": None, "value": error}
        yield from coarse_darcy(asked)


def coarse_darcy(asked: Solved) -> Iterator[Row]:
    """The solver on the 85^2 nodes that the networks see, and its time."""
    solver = darcy(asked[0].shape[1] - 1, every=1)
    began = time.process_time()
    found = solver({"permeability": asked[0]})["pressure"]
    each = (time.process_time() - began) / len(found)
    error = float(relative_l2(found, asked[1]).mean())
    yield {"what": "Darcy, FE on the nodes that the networks see: mean relative L2", "seed": 0, "value": error}
    yield {"what": "Darcy, FE on the nodes that the networks see: one solve [CPU ms]", "seed": 0, "value": 1e3 * each}


def pretraining(seed: int, sizes: Sizes) -> Iterator[Row]:
    """The example: errors over the number of labels, from nothing and from random fields."""
    few = {"pretraining": 60, "labels": (8, 16), "tested": 20, "steps": (20, 10)} if sizes.samples < 1000 else {}
    for way, row in reporting.example("pretrain_and_adapt").main(seeds=(seed,), **few).items():
        for labels, (error,) in row.items():
            what = f"pretraining, {way}, {labels} labels of fibres: median error [%]"
            yield {"what": what, "seed": seed, "value": 100 * error}


def volumes(seed: int, sizes: Sizes) -> Iterator[Row]:
    """The stiffness of cells of 32^3 voxels: error, speed, and after how many calls the labels have paid."""
    points = 16 if sizes.samples < 1000 else 32
    count = 10 if sizes.samples < 1000 else 120
    draw = GaussianRandomField(points, dimension=3)
    phase = np.concatenate([draw(np.random.default_rng([9, i]))["phase"] for i in range(count + count // 4)])
    solver = pixel_stiffness(points, dimension=3)
    began = time.process_time()
    labels = solver({"phase": phase})["stiffness"]
    solve = (time.process_time() - began) / len(phase)
    torch.manual_seed(seed)
    model = PropertySurrogate((1, points, points, points), 21, head="positive", widths=(16, 32, 64), patch=2)
    data = {"x": tensor(phase[:count, None]), "y": tensor(labels[:count])}
    cpu = train(model, data, replace(recipe(sizes, seed, 0.3), batch_size=4))
    began = time.process_time()
    with torch.no_grad():
        found = torch.cat([model(one[None]) for one in tensor(phase[count:, None])]).double().numpy()
    each = (time.process_time() - began) / len(found)
    rows = {"surrogate": found, **untrained_predictions((phase[:count], labels[:count]), phase[count:])}
    for name, prediction in rows.items():
        error = quantiles(relative_l2(prediction, labels[count:]))["median"]
        yield {"what": f"3D {points}^3, {name}: median error [%]", "seed": seed, "value": 100 * error}
    spent = count * solve + cpu
    yield {"what": f"3D {points}^3: one solve [CPU s]", "seed": seed, "value": solve}
    yield {"what": f"3D {points}^3: speed-up", "seed": seed, "value": solve / each}
    yield {"what": f"3D {points}^3: calls until it has paid", "seed": seed, "value": spent / (solve - each)}


def recipe(sizes: Sizes, seed: int, share: float) -> Recipe:
    """The usual settings, for a share of the budget."""
    return Recipe(seconds=share * sizes.seconds, batch_size=16, learning_rate=3e-3, average=0.995, seed=seed)


def value(rows: list[Row], what: str) -> float:
    """Median over the seeds of the rows named `what`."""
    return median([row["value"] for row in rows if row["what"] == what] or [math.nan])


def main() -> None:
    """Run all jobs, two at a time, and write the results."""
    args = reporting.arguments(__doc__ or "")
    sizes = QUICK if args.quick else Sizes()
    known, asked = (solved_strains(n, k, 2) for k, n in enumerate((sizes.samples, sizes.tested)))
    flow = darcy_data(sizes)
    jobs: list[tuple[Any, ...]] = [
        *((function, seed, sizes) for function in (energies, book_strains) for seed in sizes.seeds),
        *((stiffness_heads, contrast, seed, sizes) for contrast in PHASES for seed in sizes.seeds),
        *((cell_strains, network, seed, sizes, known, asked) for network in NETWORKS for seed in sizes.seeds),
        (without_training, known, asked, sizes),
        *((darcy_flow, network, seed, sizes, *flow) for network in DARCY for seed in sizes.seeds),
        *((function, seed, sizes) for function in (pretraining, volumes) for seed in sizes.seeds),
    ]
    rows = reporting.run(jobs)
    heads = [row["value"] for row in rows if "head voigt_reuss: share out" in row["what"]]
    figures = {
        "mechanical_mnist_mape": value(rows, "Mechanical MNIST, d = 14, network: MAPE [%]"),
        "mechanical_mnist_cpu_s": value(rows, "Mechanical MNIST: training [CPU s]"),
        "book_strain_rel_l2": value(rows, "book strains, network: median relative L2"),
        "book_strain_cpu_s": value(rows, "book strains: training [CPU s]"),
        "unphysical_share": max(heads, default=math.nan),
        "darcy_unet": value(rows, "Darcy, unet: mean relative L2"),
        "darcy_transformer": value(rows, "Darcy, point_transformer: mean relative L2"),
        "darcy_fourier": value(rows, "Darcy, fourier: mean relative L2"),
        "darcy_budget_cpu_s": value(rows, "Darcy, unet: training [CPU s]"),
        "speedup_3d_32": value(rows, "3D 32^3: speed-up"),
        "break_even_3d_32": value(rows, "3D 32^3: calls until it has paid"),
    }
    reporting.write("surrogates", figures, rows, list(sizes.seeds), quick=args.quick)


if __name__ == "__main__":
    main()
