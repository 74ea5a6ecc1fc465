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
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import reporting
import torch
import torch._dynamo  # which the first optimiser would load within its training
from scipy.stats import spearmanr
from tqdm import tqdm

from genmech_fem.adapters import ConformingHomogenization, Material, darcy, pixel_stiffness, sample_gradients
from genmech_fem.adapters.homogenization import pixel_mesh
from genmech_fem.datasets import Campaign, Store, generate
from genmech_fem.datasets.mechanical_mnist import DISPLACEMENT, youngs_modulus
from genmech_fem.fields import Grid
from genmech_fem.forward import LazyModel
from genmech_fem.metrics import quantiles, relative_l2, untrained_predictions
from genmech_fem.microstructure import DarcyPermeability, GaussianRandomField, PeriodicFibres
from genmech_fem.problems import Dirichlet, Roller, elasticity, extension_energies, uniaxial_extension
from genmech_fem.surrogates import Ensemble, GridSurrogate, PropertySurrogate, VoigtReuss, labels_needed, symmetric
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


SOLVER = "solver of the labels"
QUICK = Sizes(seconds=6.0, samples=80, tested=20, seeds=(0,))


def train(model: Trainable, data: Batch, recipe: Recipe, augment: Any = None) -> float:
    """Train; CPU seconds."""
    began = time.process_time()
    for _ in fit(model, data, recipe, augment=augment):
        pass
    return time.process_time() - began


def timed(function: Callable[[Any], Any], samples: Iterable[Any]) -> float:
    """CPU seconds of one call, the first of which is not counted."""
    first, *others = samples
    function(first)
    began = time.process_time()
    for sample in others:
        function(sample)
    return (time.process_time() - began) / len(others)


def costs(
    task: str, method: str, seed: int, *, solve: float, call: float, labels: int, cpu: float, solver: str = SOLVER
) -> Iterator[Row]:
    """What a solve, a call for one sample and the training cost, and after how many calls the network has paid.

    Args:
        task: Name of the table.
        method: Name of the network.
        seed: Seed of the training.
        solve: CPU seconds of the solver for one sample.
        call: CPU seconds of the network for one sample.
        labels: Solved samples that it was trained on.
        cpu: CPU seconds of the training.
        solver: Name of the solver.
    """
    paid = (labels * solve + cpu) / (solve - call) if solve > call else math.inf
    yield {"what": f"{task}, {solver}: one call [CPU ms]", "seed": seed, "value": 1e3 * solve}
    yield {"what": f"{task}, {method}: one call [CPU ms]", "seed": seed, "value": 1e3 * call}
    yield {"what": f"{task}, {method}: training [CPU s]", "seed": seed, "value": cpu}
    yield {"what": f"{task}, {method}: calls until it has paid", "seed": seed, "value": paid}


def published(name: str) -> dict[str, np.ndarray]:
    """A data set that others made."""
    with np.load(reporting.SHARED_DATA / name) as file:
        return dict(file)


def mirrored(model: Trainable, x: torch.Tensor, signs: torch.Tensor | None = None) -> np.ndarray:
    """Mean of the predictions for the four mirror images; fields turned back, by signs (channels,) in each mirror."""
    found = []
    with torch.no_grad():
        for axes in ((), (2,), (3,), (2, 3)):
            y = torch.cat([model(part.flip(axes)) for part in x.split(64)])
            if signs is not None:
                y = y.flip(axes) * signs[:, None, None] ** len(axes)
            found.append(y)
    return torch.stack(found).mean(0).double().numpy()


FIRST = 2
STEPS = DISPLACEMENT[FIRST:]
"""Without the steps at which all published energies are 0; at d = 0.01 they have one or two digits."""


def energies(seed: int, sizes: Sizes) -> Iterator[Row]:
    """Mechanical MNIST: the strain energy of a block at all steps, from its bitmap."""
    data = published("mechanical_mnist_uniaxial.npz")
    moduli = youngs_modulus(data["bitmap"])
    x, y = tensor(moduli[:, None]), data["strain_energy"][:, FIRST:]
    count = sizes.samples * 7 if sizes.samples < 1000 else 7000
    known, asked = slice(0, count), slice(7000, 8000)
    torch.manual_seed(seed)
    axis = torch.linspace(-1, 1, 28).square()
    places = torch.stack([axis[:, None].expand(28, 28), axis.expand(28, 28)])
    x = torch.cat([x, places.expand(len(x), 2, 28, 28)], dim=1)
    model = PropertySurrogate((3, 28, 28), len(STEPS), widths=(64, 96), patch=2, padding_mode="zeros")
    symmetries = Mirrors({"x": ("scalar",) * 3, "y": ("scalar",) * len(STEPS)})
    recipe = Recipe(seconds=0.7 * sizes.seconds, learning_rate=3e-3, average=0.999, seed=seed)
    cpu = train(model, {"x": x[known], "y": tensor(y[known])}, recipe, symmetries)
    found = {"network": mirrored(model, x[asked])}
    found |= untrained_predictions((moduli[known], y[known]), moduli[asked])
    for name, prediction in found.items():
        yield from energy_errors(name, seed, prediction, y[asked])
    call = timed(partial(mirrored, model), x[asked][:20].split(1))
    solver = uniaxial_extension()
    solve = timed(lambda E: extension_energies(solver, E, data["displacement"]), moduli[asked][:4])
    yield from costs("Mechanical MNIST", "network", seed, solve=solve, call=call, labels=count, cpu=cpu)


def energy_errors(name: str, seed: int, found: np.ndarray, truth: np.ndarray) -> Iterator[Row]:
    """Mean absolute percentage errors of energies (count, steps)."""
    errors = 100 * np.abs(found / truth - 1).mean(axis=0)
    for step, error in zip(STEPS, errors, strict=True):
        yield {"what": f"Mechanical MNIST, {name}: MAPE at d = {step:g} [%]", "seed": seed, "value": float(error)}


def coarse_energies(sizes: Sizes) -> Iterator[Row]:
    """Mechanical MNIST by coarser solvers."""
    data = published("mechanical_mnist_uniaxial.npz")
    asked, steps = slice(7000, 7000 + sizes.tested // 4), data["displacement"]
    moduli, truth = youngs_modulus(data["bitmap"][asked]), data["strain_energy"][asked, FIRST:]
    for pixels, degree in ((28, 1), (14, 2), (14, 1), (7, 1)):
        solver = uniaxial_extension((pixels, pixels), refine=(1, 1), degree=degree)
        edge = 28 // pixels
        means = [E.reshape(pixels, edge, pixels, edge).mean(axis=(1, 3)) for E in moduli]
        began = time.process_time()
        found = edge**2 * np.array([extension_energies(solver, E, steps / edge)[FIRST:] for E in means])
        each = (time.process_time() - began) / len(means)
        name = f"FE of degree {degree} on {pixels}^2 cells"
        yield from energy_errors(name, 0, found, truth)
        yield {"what": f"Mechanical MNIST, {name}: one call [CPU ms]", "seed": 0, "value": 1e3 * each}


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
        seconds=0.4 * sizes.seconds, batch_size=8, learning_rate=3e-3, weight_decay=1e-2, average=0.995, seed=seed
    )
    cpu = train(model, {"x": x[known], "y": y[known]}, recipe, Mirrors({"x": "scalar", "y": "mandel_vector"}))
    modulus, truth = data["youngs_modulus"], data["strain"][asked]
    found = {"network": mirrored(model, x[asked], SHEAR)}
    found |= untrained_predictions((modulus[known], data["strain"][known]), modulus[asked])
    for name, prediction in found.items():
        yield from errors_of(f"book strains, {name}", seed, prediction, truth)
    solve = timed(PixelPlate(2), modulus[asked, 0])
    call = timed(partial(mirrored, model, signs=SHEAR), x[asked].split(1))
    yield from costs("book strains", "network", seed, solve=solve, call=call, labels=224, cpu=cpu, solver=name_of(2))


SHEAR = torch.tensor([1.0, 1.0, -1.0])
"""Signs of the strain components in a mirror."""


class PixelPlate:
    """The plate of the book on its pixels, which have lost the discs on which its authors solved.

    Args:
        refine: Cells between two of the 32 points along an axis.
    """

    def __init__(self, refine: int) -> None:
        def on(axis: int, at: float, x: np.ndarray) -> np.ndarray:
            return np.isclose(x[axis], at)

        cells = 31 * refine
        self.problem = elasticity(
            pixel_mesh(cells),
            [
                Roller(partial(on, 0, 0.0), 0),
                Dirichlet(partial(on, 0, 1.0), 0.1, component=0),
                Roller(lambda x: np.isclose(x[0], 0) & (x[1] < 1.01 / cells), 1),
            ],
            hypothesis="plane stress",
        )
        self.problem.set_controls({"poisson_ratio": np.full(cells**2, 0.4)})
        modulus = self.problem.controls["youngs_modulus"]
        self.pixels = np.round(31 * modulus.function_space.tabulate_dof_coordinates()[:, :2]).astype(int)
        self.gradients = sample_gradients(
            self.problem.state.function_space, Grid((32, 32), (0.0, 0.0), (1.0, 1.0), at="nodes")
        )

    def __call__(self, modulus: np.ndarray) -> np.ndarray:
        """Strains 11, 22 and 12 (3, 32, 32) for a modulus (32, 32), both with y along the first axis."""
        x, y = self.pixels.T
        self.problem.set_controls({"youngs_modulus": modulus[y, x]})
        self.problem.solve()
        gradient = self.gradients(self.problem.state)
        strain = gradient[0, 0], gradient[1, 1], (gradient[0, 1] + gradient[1, 0]) / 2
        return np.stack(strain).swapaxes(1, 2)


def name_of(refine: int) -> str:
    """Name of the solver in the table."""
    return f"FE on {refine * refine} cells a pixel"


def plates() -> Iterator[Row]:
    """Book strains by solvers on the pixels."""
    data = published("book_strain_fields.npz")
    modulus, truth = data["youngs_modulus"][224:, 0], data["strain"][224:]
    for refine in (1, 2, 4):
        plate, name = PixelPlate(refine), name_of(refine)
        found = np.stack([plate(E) for E in modulus])
        yield from errors_of(f"book strains, {name}", 0, found, truth)
        yield {"what": f"book strains, {name}: one call [CPU ms]", "seed": 0, "value": 1e3 * timed(plate, modulus)}


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
    solve = timed(lambda phase: solver({"phase": phase}), np.split(asked[:20], 20))
    data = {"x": tensor(known[:, None]), "y": tensor(labels)}
    symmetries = TorusSymmetries({"x": "scalar", "y": "mandel_triangle"})
    share = 0.07
    found: dict[str, np.ndarray] = {}
    for head in ("plain", "positive", "voigt_reuss"):
        torch.manual_seed(seed)
        phases = (plane_strain(*soft), plane_strain(*stiff)) if head == "voigt_reuss" else None
        model = PropertySurrogate((1, 32, 32), 6, head=head, phases=phases, widths=(16, 32, 64), patch=2)
        cpu = train(model, data, recipe(sizes, seed, share), symmetries)
        with torch.no_grad():
            found[f"head {head}"] = model(tensor(asked[:, None])).double().numpy()
        call = timed(model, tensor(asked[:20, None]).split(1))
        yield from costs(
            f"contrast {contrast}", f"head {head}", seed, solve=solve, call=call, labels=len(known), cpu=cpu
        )
    found |= untrained_predictions((known, labels), asked)
    coarse = asked.reshape(-1, 16, 2, 16, 2).mean(axis=(2, 4)).round()
    name, coarse_solver = "FE on 16^2 pixels", pixel_stiffness(16, Material(*soft), Material(*stiff))
    found[name] = coarse_solver({"phase": coarse})["stiffness"]
    each = timed(lambda phase: coarse_solver({"phase": phase}), np.split(coarse[:20], 20))
    yield {"what": f"contrast {contrast}, {name}: one call [CPU ms]", "seed": seed, "value": 1e3 * each}
    fraction = tensor(asked.mean(axis=(1, 2))[:, None])
    for name, prediction in found.items():
        outside = bounds.outside(symmetric(tensor(prediction)), fraction, 1e-4)
        median_error = quantiles(relative_l2(prediction, truth))["median"]
        yield {"what": f"contrast {contrast}, {name}: median error [%]", "seed": seed, "value": 100 * median_error}
        share_outside = outside.float().mean().item()
        yield {"what": f"contrast {contrast}, {name}: share out of bounds", "seed": seed, "value": share_outside}


NETWORKS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "U-Net": ("unet", 1, {"channels": (32, 64, 96), "patch": 2}),
    "Fourier layers": ("fourier", 1, {"width": 32, "depth": 4, "modes": 12}),
    "vision transformer": ("vision_transformer", 1, {"patch": 4, "features": 96, "depth": 4}),
    "slice attention": ("point_transformer", 1, {"features": 64, "depth": 4, "tokens": 32}),
    "ensemble of 3 U-Nets": ("unet", 3, {"channels": (32, 64, 96), "patch": 2}),
}
"""Network, members of its ensemble and settings, by name."""


def cell_strains(name: str, seed: int, sizes: Sizes, known: Solved, asked: Solved) -> Iterator[Row]:
    """Strains in periodic cells of fibres under three loads, by one network, or several with its budget."""
    network, count, settings = NETWORKS[name]
    data = {"x": tensor(known[0][:, None]), "y": tensor(known[1].reshape(-1, 9, 32, 32))}
    symmetries = TorusSymmetries({"x": "scalar", "y": "mandel_matrix"})
    members, cpu = [], 0.0
    for member in range(count):
        torch.manual_seed(100 * member + seed)
        members.append(GridSurrogate(1, (9, 32, 32), network=network, settings=settings))
        cpu += train(members[-1], data, recipe(sizes, 100 * member + seed, 0.15 / count), symmetries)
    model = Ensemble(members) if count > 1 else members[0]
    with torch.no_grad():
        parts = [model(part) for part in tensor(asked[0][:, None]).split(50)]
    found, *spread = (torch.cat(part).double().numpy() for part in (zip(*parts, strict=True) if count > 1 else [parts]))
    yield from errors_of(f"cell strains, {name}", seed, found.reshape(asked[1].shape), asked[1])
    if spread:
        errors = np.linalg.norm((found - asked[1].reshape(found.shape)).reshape(len(found), -1), axis=1)
        order = spearmanr(np.linalg.norm(spread[0].reshape(len(found), -1), axis=1), errors).statistic
        yield {"what": f"cell strains, {name}: rank correlation of spread and error", "seed": seed, "value": order}
    call = timed(model, tensor(asked[0][:20, None]).split(1))
    solve = timed(partial(strains_of, refine=2), np.split(asked[0][:10], 10))
    yield from costs("cell strains", name, seed, solve=solve, call=call, labels=len(known[0]), cpu=cpu)


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
    coarse = strains_of(few, 1)
    each = timed(partial(strains_of, refine=1), np.split(few, len(few)))
    fine = strains_of(few, 4)
    yield from errors_of("cell strains, labels (2 cells a pixel)", 0, asked[1][: len(few)], fine)
    yield from errors_of("cell strains, FE with 1 cell a pixel", 0, coarse, fine)
    yield {"what": "cell strains, FE with 1 cell a pixel: one call [CPU ms]", "seed": 0, "value": 1e3 * each}


DARCY: dict[str, tuple[str, int, dict[str, Any]]] = {
    "U-Net": ("unet", 4, {"channels": (32, 64, 96, 128), "patch": 2, "padding_mode": "zeros"}),
    "vision transformer": ("vision_transformer", 4, {"patch": 5, "features": 128, "depth": 5}),
    "slice attention": ("point_transformer", 2, {"features": 32, "depth": 3, "tokens": 32}),
    "Fourier layers": ("fourier", 4, {"width": 32, "depth": 4, "modes": 12, "padding": 8}),
}
"""Network, batch size and settings, by name."""
SMALL: dict[str, dict[str, Any]] = {"fourier": {"modes": 4, "padding": 2}, "vision_transformer": {"patch": 3}}
"""What the networks need on the grid of the quick run."""
PUBLISHED = {"U-Net": 0.0080, "FNO": 0.0108, "Transolver": 0.0057, "Transolver++": 0.0049}
"""Relative L2 errors on the published data, after 500 epochs on a GPU: doi:10.48550/arXiv.2402.02366 and 2502.02414."""


def resolution(sizes: Sizes) -> int:
    """Cells along each side of the published Darcy problem, or fewer."""
    return 420 if sizes.samples >= 1000 else 40


def darcy_data(sizes: Sizes) -> tuple[Solved, Solved]:
    """Permeability and pressure at 85^2 of 421^2 nodes; generated once, by a campaign that resumes."""
    cells, counts = resolution(sizes), (sizes.samples, sizes.tested)
    folder = Path(__file__).parent / "data" / f"darcy{cells}"
    campaign = Campaign(LazyModel(partial(darcy, cells, 5)), DarcyPermeability(cells), sum(counts), seed=0)
    bar = tqdm(total=sum(counts), desc="darcy", file=sys.stderr, mininterval=10)
    generate(campaign, folder, engine=2, progress=lambda p: bar.update(p.finished - bar.n))
    fields: dict[str, list[np.ndarray]] = {"permeability": [], "pressure": []}
    for _, arrays in Store.open(folder).batches(32):
        fields["permeability"].append(arrays["permeability"][:, ::5, ::5])
        fields["pressure"].append(arrays["pressure"])
    a, u = (np.concatenate(parts) for parts in fields.values())
    return (a[: counts[0]], u[: counts[0]]), (a[counts[0] :], u[counts[0] :])


def darcy_errors(name: str, seed: int, found: np.ndarray, truth: np.ndarray) -> Iterator[Row]:
    """Mean, as published, and quantiles of the relative L2 error."""
    mean = float(relative_l2(found, truth).mean())
    yield {"what": f"Darcy, {name}: relative L2, mean", "seed": seed, "value": mean}
    yield from errors_of(f"Darcy, {name}", seed, found, truth)


def darcy_flow(name: str, seed: int, sizes: Sizes, known: Solved, asked: Solved) -> Iterator[Row]:
    """The Darcy benchmark with a budget that this machine allows."""
    torch.manual_seed(seed)
    network, batch, settings = DARCY[name]
    small = SMALL.get(network, {}) if sizes.samples < 1000 else {}
    shape = (1, *known[1].shape[1:])
    model = GridSurrogate(1, shape, network=network, settings=settings | small, loss="relative_l2", coordinates=True)
    border = torch.ones(shape, dtype=torch.bool)
    border[:, 1:-1, 1:-1] = False
    model.hold(torch.zeros(shape), border)
    data = {"x": tensor(known[0][:, None]), "y": tensor(known[1][:, None])}
    cpu = train(
        model, data, replace(recipe(sizes, seed, 0.5), batch_size=batch), Mirrors({"x": "scalar", "y": "scalar"})
    )
    predict = partial(mirrored, model, signs=torch.ones(1))
    yield from darcy_errors(name, seed, predict(tensor(asked[0][:, None]))[:, 0], asked[1])
    draw = DarcyPermeability(resolution(sizes))
    fine = [draw(np.random.default_rng(i)) for i in range(3)]
    solve = timed(darcy(resolution(sizes), 5), fine)
    call = timed(predict, data["x"][:20].split(1))
    yield from costs("Darcy", name, seed, solve=solve, call=call, labels=len(known[0]), cpu=cpu)


def without_networks(known: Solved, asked: Solved) -> Iterator[Row]:
    """Darcy by what needs no training, as published, and by the solver on the nodes that the networks see."""
    for name, prediction in untrained_predictions(known, asked[0]).items():
        yield from darcy_errors(name, 0, prediction, asked[1])
    for name, error in PUBLISHED.items():
        yield {"what": f"Darcy, {name}, as published: relative L2, mean", "seed": None, "value": error}
    solver, name = darcy(asked[0].shape[1] - 1, every=1), "FE on the nodes that the networks see"
    each = timed(lambda a: solver({"permeability": a}), np.split(asked[0][:20], 20))
    yield from darcy_errors(name, 0, solver({"permeability": asked[0]})["pressure"], asked[1])
    yield {"what": f"Darcy, {name}: one call [CPU ms]", "seed": 0, "value": 1e3 * each}


def pretraining(seed: int, sizes: Sizes) -> Iterator[Row]:
    """The example: errors over the number of labels, from nothing and from random fields."""
    few = {"pretraining": 60, "labels": (8, 16), "tested": 20, "steps": (20, 10, 10)} if sizes.samples < 1000 else {}
    example = reporting.example("pretrain_and_adapt")
    found = example.main(seeds=(seed,), **few)
    for way, row in found.items():
        for labels, (error,) in row.items():
            what = f"pretraining, {way}: median error with {labels} labels [%]"
            yield {"what": what, "seed": seed, "value": 100 * error}
    for labels, (error,) in found["from nothing"].items():
        for way in found.keys() - {"as pretrained", "from nothing"}:
            curve = {count: other for count, (other,) in found[way].items()}
            what = f"pretraining, {way}: labels for the error of {labels} from nothing"
            yield {"what": what, "seed": seed, "value": labels_needed(curve, error)}


def volumes(seed: int, sizes: Sizes) -> Iterator[Row]:
    """The stiffness of cells of 32^3 voxels: error, speed, and after how many calls the labels have paid."""
    points = 16 if sizes.samples < 1000 else 32
    count = 10 if sizes.samples < 1000 else 120
    draw = GaussianRandomField(points, dimension=3)
    phase = np.concatenate([draw(np.random.default_rng([9, i]))["phase"] for i in range(count + count // 4)])
    solver = pixel_stiffness(points, dimension=3)
    labels = solver({"phase": phase})["stiffness"]
    solve = timed(lambda one: solver({"phase": one}), np.split(phase[:6], 6))
    torch.manual_seed(seed)
    model = PropertySurrogate((1, points, points, points), 21, head="positive", widths=(16, 32, 64), patch=2)
    data = {"x": tensor(phase[:count, None]), "y": tensor(labels[:count])}
    cpu = train(model, data, replace(recipe(sizes, seed, 0.2), batch_size=4))
    asked = tensor(phase[count:, None]).split(1)
    with torch.no_grad():
        found = torch.cat([model(one) for one in asked]).double().numpy()
        call = timed(model, asked)
    coarse = phase[count:].reshape(-1, *(points // 2, 2) * 3).mean(axis=(2, 4, 6)).round()
    coarse_solver = pixel_stiffness(points // 2, dimension=3)
    rows = {"network": found, **untrained_predictions((phase[:count], labels[:count]), phase[count:])}
    rows["FE on half the voxels a side"] = coarse_solver({"phase": coarse})["stiffness"]
    for name, prediction in rows.items():
        error = quantiles(relative_l2(prediction, labels[count:]))["median"]
        yield {"what": f"3D {points}^3, {name}: median error [%]", "seed": seed, "value": 100 * error}
    each = timed(lambda one: coarse_solver({"phase": one}), np.split(coarse[:6], 6))
    yield {
        "what": f"3D {points}^3, FE on half the voxels a side: one call [CPU ms]",
        "seed": seed,
        "value": 1e3 * each,
    }
    yield {"what": f"3D {points}^3, network: speed-up", "seed": seed, "value": solve / call}
    yield from costs(f"3D {points}^3", "network", seed, solve=solve, call=call, labels=count, cpu=cpu)


TABLES = (
    "Mechanical MNIST",
    "book strains",
    "Darcy",
    "cell strains",
    "contrast 10",
    "contrast 100",
    "3D 32^3",
    "pretraining",
)


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
        (coarse_energies, sizes),
        (plates,),
        *((stiffness_heads, contrast, seed, sizes) for contrast in PHASES for seed in sizes.seeds),
        *((cell_strains, name, seed, sizes, known, asked) for name in NETWORKS for seed in sizes.seeds),
        (without_training, known, asked, sizes),
        *((darcy_flow, name, seed, sizes, *flow) for name in DARCY for seed in sizes.seeds),
        (without_networks, *flow),
        *((function, seed, sizes) for function in (pretraining, volumes) for seed in sizes.seeds),
    ]
    rows, earlier = reporting.run("surrogates", jobs, quick=args.quick)
    heads = [row["value"] for row in rows if "head voigt_reuss: share out" in row["what"]]
    figures = {
        "mechanical_mnist_mape": value(rows, "Mechanical MNIST, network: MAPE at d = 14 [%]"),
        "mechanical_mnist_cpu_s": value(rows, "Mechanical MNIST, network: training [CPU s]"),
        "book_strain_rel_l2": value(rows, "book strains, network: relative L2, median"),
        "book_strain_cpu_s": value(rows, "book strains, network: training [CPU s]"),
        "unphysical_share": max(heads, default=math.nan),
        "darcy_unet": value(rows, "Darcy, U-Net: relative L2, mean"),
        "darcy_transformer": value(rows, "Darcy, vision transformer: relative L2, mean"),
        "darcy_fourier": value(rows, "Darcy, Fourier layers: relative L2, mean"),
        "darcy_budget_cpu_s": value(rows, "Darcy, U-Net: training [CPU s]"),
        "speedup_3d_32": value(rows, "3D 32^3, network: speed-up"),
        "break_even_3d_32": value(rows, "3D 32^3, network: calls until it has paid"),
    }
    reporting.write("surrogates", figures, rows, list(sizes.seeds), quick=args.quick, earlier=earlier, tasks=TABLES)


if __name__ == "__main__":
    main()
