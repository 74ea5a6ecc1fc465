"""Cells of a wanted C*: how near each method comes to whole stiffness tensors at equal numbers of solves.

Every cell that is judged is black and white and solved again, one Q1 element a pixel in plane strain. A solve is a
factorisation with its three unit loads; gradients of C* need none beyond it. The labels that methods learn from or
look up are counted in a row of their own. The targets are tensors of real cells, so they can be reached: held-out ones
of the families that the labels are of, and others. `c_inversion_targets.json` holds them; write it anew with
uv run python tests/benchmarks/c_inversion.py
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import genmech_fem.problems  # noqa: F401  isort: skip

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from genmech_fem.adapters import ConformingHomogenization, Material, pixel_homogenization
from genmech_fem.design import SIMP, Adam, Densities, DensityFilter, Projection, TensorTarget, minimize
from genmech_fem.design.pixel_flips import PixelFlips
from genmech_fem.design.refinement import refine_cell
from genmech_fem.design.sphere import OnSphere
from genmech_fem.errors import GenmechError
from genmech_fem.fields import FieldSpec, ScalarSpec
from genmech_fem.forward import ForwardModel, compose
from genmech_fem.generative import VAE, Architecture, FlowMatching
from genmech_fem.metrics import (
    gaussian_kernel,
    median_distance,
    nearest_distance,
    relative_frobenius,
    symmetric_matrix,
    upper_triangle,
    vendi_score,
)
from genmech_fem.microstructure import (
    BasicShapes,
    MinimalSurface,
    PeriodicFibres,
    Spinodoid,
    Voronoi,
    phase_at_fraction,
    phase_grid,
    two_point_correlation,
)
from genmech_fem.surrogates import PropertySurrogate, TorchModel
from genmech_fem.training import Batch, Recipe, TorusSymmetries, Trainable, fit

type Row = dict[str, Any]
type Sampler = Callable[[np.random.Generator], np.ndarray]

TASK = "C* inversion"
TARGETS = Path(__file__).with_name("c_inversion_targets.json")
SEED = 2026  # of the targets
N = 32
MATRIX, INCLUSION = Material(3.5, 0.3), Material(70.0, 0.3)
MODULI = MATRIX.youngs_modulus, INCLUSION.youngs_modulus
FRACTIONS = 0.1, 0.9
TRIES = 1, 10, 41
SOLVES = TRIES[-1]
OURS = "flow, ranked, then pixel flips"


@dataclass(frozen=True)
class Sizes:
    """How many labels and targets, and how long to train."""

    labels: int = 1000
    held_out: int = 100
    outside: int = 50
    noise: tuple[int, int] = (10, 5)  # targets of the dear method
    conforming: int = 20
    pool: int = 100  # cells that the flow draws for a target
    steps: tuple[int, int, int] = (4000, 3000, 1500)  # of the flow, the surrogate and the autoencoder
    seeds: tuple[int, ...] = (0, 1, 2)


QUICK = Sizes(120, 6, 4, (1, 1), 2, 41, (30, 30, 30), (0,))


def stretched(generator: np.random.Generator) -> np.ndarray:
    """A cut of a Gaussian random field with two correlation lengths along turned axes."""
    angle, length, ratio = generator.uniform(0, np.pi), generator.uniform(0.04, 0.09), generator.uniform(1.0, 2.2)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    modes = 2 * np.pi * np.fft.fftfreq(N, 1 / N)
    along = np.einsum("ij,jxy->ixy", turn, np.stack(np.meshgrid(modes, modes, indexing="ij")))
    amplitude = np.exp(-((along[0] * length * ratio) ** 2 + (along[1] * length / ratio) ** 2) / 4)
    amplitude[0, 0] = 0
    field = np.fft.ifft2(np.fft.fft2(generator.standard_normal((N, N))) * amplitude).real
    return phase_at_fraction(field, generator.uniform(*FRACTIONS))


def spinodoid(generator: np.random.Generator) -> np.ndarray:
    """A spinodoid with random cones."""
    angles = generator.uniform(15, 60), generator.choice([0.0, generator.uniform(15, 60)])
    turned = angles if generator.random() < 0.5 else angles[::-1]
    return Spinodoid(N, turned, generator.uniform(1.5, 4.0), FRACTIONS)(generator)["phase"][0]


def either(sampler: Any, generator: np.random.Generator) -> np.ndarray:
    """A cell, or the same with its phases exchanged."""
    phase = sampler(generator)["phase"][0]
    return phase if generator.random() < 0.5 else 1 - phase


def laminate(generator: np.random.Generator) -> np.ndarray:
    """Stripes across a random lattice vector."""
    vectors = [v for v in np.ndindex(4, 7) if 0 < v[0] ** 2 + (v[1] - 3) ** 2 <= 9]
    wave = generator.choice(vectors) - (0, 3)
    place = phase_grid(N).points() @ wave + generator.random()
    return (place % 1 < generator.uniform(0.2, 0.8)).reshape(N, N).astype(float)


def slice_of_surface(generator: np.random.Generator) -> np.ndarray:
    """A slice of a triply periodic minimal surface."""
    kind = str(generator.choice(["gyroid", "primitive", "diamond"]))
    periods, sheet = int(generator.integers(1, 3)), bool(generator.random() < 0.5)
    surface = MinimalSurface(N, kind, periods, (0.2, 0.8), sheet)  # type: ignore[arg-type]
    return surface(generator)["phase"][0, :, :, int(generator.integers(N))]


FAMILIES: Sequence[Sampler] = (
    stretched,
    stretched,
    spinodoid,
    partial(either, PeriodicFibres(N, (0.08, 0.2), (0.15, 0.5))),
    partial(either, Voronoi(N, (2, 10), (0.06, 0.2))),
)
OTHERS: Sequence[Sampler] = (
    laminate,
    partial(either, BasicShapes(N, count=(1, 4), size=(0.12, 0.24))),
    slice_of_surface,
)


def cells(families: Sequence[Sampler], count: int, stream: int) -> np.ndarray:
    """Binary cells (count, N, N), the families in turn; none without one of the phases."""
    found: list[np.ndarray] = []
    attempt = 0
    while len(found) < count:
        generator = np.random.default_rng([stream, attempt])
        phase = families[attempt % len(families)](generator) > 0.5
        found += [phase] if 0.08 < phase.mean() < 0.92 else []
        attempt += 1
    return np.array(found)


class Inversion:
    """The solver, the labels and the targets: what all methods share."""

    def __init__(self, sizes: Sizes) -> None:
        self.solver = pixel_homogenization(N, MATRIX.poisson_ratio)
        self.known = cells(FAMILIES, sizes.labels, SEED + 1)
        self.labels = np.array([self.solve(phase) for phase in self.known])
        stored = json.loads(TARGETS.read_text())
        chosen = {"held-out": sizes.held_out, "out-of-family": sizes.outside}
        rows = [(group, row) for group, count in chosen.items() for row in stored[group][:count]]
        self.groups = np.array([group for group, _ in rows])
        self.targets = np.array([row["stiffness"] for _, row in rows])
        self.cells = np.array([unpacked(row["cell"]) for _, row in rows])
        distances = np.array([self.errors(self.labels, k) for k in range(len(self.targets))])
        self.order = np.argsort(distances, axis=1)
        self.nearest = np.take_along_axis(distances, self.order, axis=1)

    def solve(self, phase: np.ndarray) -> np.ndarray:
        """C* (6,) [GPa] of a binary cell."""
        return self.solver({"youngs_modulus": np.where(phase, *MODULI[::-1])[None]})["stiffness"][0]

    def errors(self, stiffness: np.ndarray, k: int) -> np.ndarray:
        """Relative Frobenius distance of tensors (..., 6) to the k-th target."""
        return relative_frobenius(stiffness, self.targets[k])

    def verified(self, phases: np.ndarray, k: int) -> np.ndarray:
        """Errors of binary cells (count, N, N), each solved."""
        return self.errors(np.array([self.solve(phase) for phase in phases]), k)

    @cached_property
    def typical(self) -> float:
        """Median distance of labelled cells to the nearest other one, over shifts and symmetries."""
        few = min(60, len(self.known) // 2)
        return float(np.median(nearest_distance(self.known[:few], self.known[few:])[0]))

    def descriptors(self, phases: np.ndarray) -> np.ndarray:
        """Two-point correlations (count, N N), which shifts do not change."""
        return two_point_correlation(phases.astype(float)).reshape(len(phases), -1)

    @cached_property
    def bandwidth(self) -> float:
        """Of the kernel between descriptors."""
        return median_distance(self.descriptors(self.known[:200]))


@dataclass(frozen=True, eq=False)
class Found:
    """What a method found: errors (targets, tries) in the order of its tries, the best cells, solves, CPU seconds."""

    targets: np.ndarray
    errors: np.ndarray
    cells: np.ndarray
    solves: float
    cpu: float


def for_each(
    inversion: Inversion,
    method: Callable[[int], tuple[np.ndarray, np.ndarray, int]],
    targets: Sequence[int] | None = None,
) -> Found:
    """Call a method, from the number of a target to errors (tries,), best cell and solves, for all or some targets."""
    asked = np.arange(len(inversion.targets)) if targets is None else np.asarray(targets)
    began = time.process_time()
    errors, phases, solves = zip(*(method(int(k)) for k in asked), strict=True)
    cpu = (time.process_time() - began) / len(asked)
    return Found(asked, np.array(errors), np.array(phases), float(np.mean(solves)), cpu)


def by_trying(inversion: Inversion, phases: Callable[[int], np.ndarray], k: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Solve candidates (tries, N, N) one after the other."""
    tried = phases(k)[:SOLVES]
    errors = inversion.verified(tried, k)
    return errors, tried[errors.argmin()], len(tried)


def by_look_up(inversion: Inversion, order: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Take labelled cells in this order; they have been solved, and would be again."""
    errors = inversion.errors(inversion.labels[order[:SOLVES]], k)
    return errors, inversion.known[order[errors.argmin()]], len(errors)


STAGES, STEPS = (4.0, 16.0, 64.0), 13
"""Sharpness of the projection, and adjoint iterations at each."""


def by_adjoint(inversion: Inversion, k: int) -> tuple[np.ndarray, np.ndarray, int]:
    """The bar: from the nearest label by gradients through filter, projection and SIMP, then made black and white."""
    nearest = inversion.known[inversion.order[k, 0]]
    x, filter_ = 0.1 + 0.8 * nearest[None], DensityFilter(phase_grid(N), 1.5 / N)
    for beta in STAGES:
        densities = Densities(filter_, SIMP(1.5, *MODULI), Projection(beta), modulus=inversion.solver.inputs[0])
        chain = compose(densities, inversion.solver, keep=True)
        goal, bounds = TensorTarget(inversion.targets[k]), {"variables": (0.0, 1.0)}
        found = minimize(chain, goal, {"variables": x}, Adam(0.05), bounds=bounds, iterations=STEPS)
        x = found.design["variables"]
    return made_binary(inversion, found.outputs["density"][0], k, len(STAGES) * STEPS)


def made_binary(inversion: Inversion, density: np.ndarray, k: int, spent: int) -> tuple[np.ndarray, np.ndarray, int]:
    """The density cut at one half and solved, or the nearest label where that is better."""
    phase, looked_up = density > 0.5, inversion.nearest[k, 0]
    error = inversion.verified(phase[None], k)[0]
    best = phase if error < looked_up else inversion.known[inversion.order[k, 0]]
    return np.array([min(error, looked_up)]), best, spent + 2


def by_flips(inversion: Inversion, starts: Callable[[int], np.ndarray], k: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Flip pixels, from several starts if need be."""
    found = refine_cell(inversion.solver, inversion.targets[k], starts(k), PixelFlips(MODULI), solves=SOLVES)
    return np.array([found.error]), found.phase, found.solves


def row(method: str, measure: str, seed: int, value: float) -> Row:
    """One number."""
    return {"what": f"{TASK}, {method}: {measure}", "seed": seed, "value": float(value)}


def measured(inversion: Inversion, method: str, seed: int, found: Found) -> Iterator[Row]:
    """Accuracy of the best of so many tries, novelty and diversity among what is within 5 %, and the price."""
    groups = inversion.groups[found.targets]
    most = found.errors.shape[1]
    for tries in (most,) if most == 1 else TRIES:
        best = found.errors[:, :tries].min(axis=1)
        tag = f", best of {tries}" if most > 1 else ""
        for group in ("all", "held-out", "out-of-family") if tries == most else ("all",):
            some = best if group == "all" else best[groups == group]
            where = tag if group == "all" else f"{tag}, {group}"
            yield row(method, f"median error{where} [%]", seed, 100 * np.median(some))
            yield row(method, f"90 % quantile{where} [%]", seed, 100 * np.quantile(some, 0.9))
            for limit in (5, 2):
                yield row(method, f"success at {limit} %{where} [%]", seed, 100 * (some <= limit / 100).mean())
    yield row(method, "solves per target", seed, found.solves)
    yield row(method, "CPU seconds per target", seed, found.cpu)
    good = found.cells[found.errors.min(axis=1) <= 0.05]
    if len(good) > 1:
        novelty = np.median(nearest_distance(good, inversion.known)[0]) / inversion.typical
        yield row(method, "novelty of successes (1: of another label)", seed, novelty)
        points = inversion.descriptors(good)
        kernel = gaussian_kernel(points, points, inversion.bandwidth)
        yield row(method, "Vendi score of successes", seed, vendi_score(kernel))


def on_meshes(inversion: Inversion, method: str, seed: int, found: Found, count: int) -> Iterator[Row]:
    """The same designs on conforming meshes, against the target's own cell on such a mesh."""
    some = np.linspace(0, len(found.targets) - 1, count).astype(int)
    for refine in (2, 4):
        solver = ConformingHomogenization(N, MATRIX, INCLUSION, refine=refine)
        own, made = (
            np.array([meshed(solver, phase) for phase in phases])
            for phases in (inversion.cells[found.targets[some]], found.cells[some])
        )
        errors = relative_frobenius(made, own)
        solved = np.isfinite(errors)
        tag = f"on a conforming mesh, refine {refine}"
        yield row(method, f"median error {tag} [%]", seed, 100 * np.median(errors[solved]))
        yield row(method, f"90 % quantile {tag} [%]", seed, 100 * np.quantile(errors[solved], 0.9))
        yield row(method, f"success at 5 % {tag} [%]", seed, 100 * (errors <= 0.05).mean())
        yield row(method, f"not meshed, refine {refine} [%]", seed, 100 * (1 - solved.mean()))


def meshed(solver: ConformingHomogenization, phase: np.ndarray) -> np.ndarray:
    """C* (6,) of a binary cell; not numbers where that cannot be meshed."""
    try:
        return solver({"phase": phase[None].astype(float)})["stiffness"][0]
    except GenmechError:
        return np.full(6, np.nan)


def without_learning(seed: int, sizes: Sizes) -> Iterator[Row]:
    """Random labels, the nearest ones, and searches from the nearest ones."""
    inversion = Inversion(sizes)
    generator = np.random.default_rng(seed)
    shuffled = [generator.permutation(len(inversion.known)) for _ in inversion.targets]
    near = {k: inversion.known[order[:6]] for k, order in enumerate(inversion.order)}
    methods: dict[str, Callable[[int], tuple[np.ndarray, np.ndarray, int]]] = {
        "random": lambda k: by_look_up(inversion, shuffled[k], k),
        "nearest neighbour": lambda k: by_look_up(inversion, inversion.order[k], k),
        "nearest neighbour + adjoint": partial(by_adjoint, inversion),
        "nearest neighbour, then pixel flips": partial(by_flips, inversion, near.__getitem__),
    }
    yield row("labels", "solves", seed, len(inversion.known))
    own = inversion.descriptors(inversion.cells)
    score = vendi_score(gaussian_kernel(own, own, inversion.bandwidth))
    yield row("the targets' own cells", "Vendi score of successes", seed, score)
    for name, method in methods.items():
        found = for_each(inversion, method)
        yield from measured(inversion, name, seed, found)
        if "+" in name or "flips" in name:
            yield from on_meshes(inversion, name, seed, found, sizes.conforming)


def tensor(array: np.ndarray) -> torch.Tensor:
    """An array as float32."""
    return torch.as_tensor(np.ascontiguousarray(array), dtype=torch.float32)


def train(model: Trainable, data: Batch, roles: dict[str, Any], seed: int, steps: int) -> float:
    """Train with all symmetries of the cell; CPU seconds."""
    began = time.process_time()
    recipe = Recipe(steps=steps, batch_size=16, learning_rate=3e-3, average=0.998, seed=seed)
    for _ in fit(model, data, recipe, augment=TorusSymmetries(roles)):
        pass
    return time.process_time() - began


def condition(stiffness: np.ndarray) -> np.ndarray:
    """Logarithms of tensors (count, 6), upper triangles like these: of soft and of stiff ones alike in size."""
    values, vectors = np.linalg.eigh(symmetric_matrix(stiffness))
    return upper_triangle((vectors * np.log(values)[:, None]) @ vectors.transpose(0, 2, 1))


class Flow:
    """A flow conditioned on C*, a surrogate of C*, and what both say of the targets.

    The pool holds cells (targets, pool, N, N) that were drawn for each target, `expected` the errors (targets, pool)
    that the surrogate expects, and `order` the best of these first.
    """

    def __init__(self, inversion: Inversion, seed: int, sizes: Sizes) -> None:
        torch.manual_seed(seed)
        network = Architecture((64, 96), patch=4)
        self.model = FlowMatching((1, N, N), ("scalars", 6), network=network, sampler=("heun", 5), bounds=(0, 1))
        self.surrogate = PropertySurrogate((1, N, N), 6, head="positive", widths=(32, 64), patch=2)
        x, roles = tensor(inversion.known[:, None]), {"x": "scalar", "condition": "mandel_triangle"}
        known = condition(inversion.labels)
        wanted = np.clip(condition(inversion.targets), known.min(axis=0), known.max(axis=0))
        self.wanted, self.seed, self.size = tensor(wanted), seed, sizes.pool
        data = {"x": x, "condition": tensor(known)}
        self.cpu = train(self.model, data, roles, seed, sizes.steps[0])
        data, roles = {"x": x, "y": tensor(inversion.labels)}, {"x": "scalar", "y": "mandel_triangle"}
        self.surrogate_cpu = train(self.surrogate, data, roles, seed, sizes.steps[1])
        drawn = [self.draw(k) for k in range(len(inversion.targets))]
        self.pool = np.array([phases for phases, _ in drawn])
        self.expected = np.array([inversion.errors(found, k) for k, (_, found) in enumerate(drawn)])
        self.order = np.argsort(self.expected, axis=1)

    def noise(self, k: int) -> torch.Tensor:
        """Noise (pool, 1, N, N) of the cells that are drawn for the k-th target."""
        generator = torch.Generator().manual_seed(1000 * self.seed + k)
        return torch.randn((self.size, 1, N, N), generator=generator)

    @torch.no_grad()
    def draw(self, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Binary cells (pool, N, N), and the tensors (pool, 6) that the surrogate expects."""
        phases = self.model.decode(self.noise(k), condition=self.wanted[k : k + 1]) > 0.5
        return phases[:, 0].numpy(), self.surrogate(phases.float()).double().numpy()

    def ranked(self, k: int) -> np.ndarray:
        """Cells (SOLVES, N, N) of the pool, the most promising first."""
        return self.pool[k, self.order[k, :SOLVES]]

    def starts(self, inversion: Inversion, k: int, count: int = 6) -> np.ndarray:
        """Cells of the pool and nearest labels, those of the least expected or known error first."""
        phases = np.concatenate([self.ranked(k)[:count], inversion.known[inversion.order[k, :count]]])
        errors = np.concatenate([self.expected[k, self.order[k, :count]], inversion.nearest[k, :count]])
        return phases[np.argsort(errors)[:count]]


def generated(seed: int, sizes: Sizes) -> Iterator[Row]:
    """What a conditional flow offers: drawn, ranked, its noise optimised, and its cells refined."""
    inversion = Inversion(sizes)
    began = time.process_time()
    flow = Flow(inversion, seed, sizes)
    drawing = time.process_time() - began - flow.cpu - flow.surrogate_cpu
    truth, said = inversion.targets, flow.surrogate(tensor(inversion.cells[:, None])).detach().double().numpy()
    yield row("conditional flow", "training [CPU s]", seed, flow.cpu)
    yield row("surrogate", "training [CPU s]", seed, flow.surrogate_cpu)
    yield row(
        "surrogate",
        "median error of the targets' own cells [%]",
        seed,
        100 * np.median(relative_frobenius(said, truth)),
    )
    yield row("conditional flow", "drawing [CPU s per target]", seed, drawing / len(truth))
    some = [*np.flatnonzero(inversion.groups == "held-out")[: sizes.noise[0]]]
    some += [*np.flatnonzero(inversion.groups == "out-of-family")[: sizes.noise[1]]]
    runs = {
        "conditional flow": (lambda k: by_trying(inversion, flow.pool.__getitem__, k), None),
        "flow, ranked by the surrogate": (lambda k: by_trying(inversion, flow.ranked, k), None),
        f"diffusion noise ({len(some)} targets)": (partial(by_noise, inversion, flow), some),
        "flow, ranked, flips without look-up": (lambda k: by_flips(inversion, lambda k: flow.ranked(k)[:6], k), None),
        OURS: (lambda k: by_flips(inversion, partial(flow.starts, inversion), k), None),
    }
    for name, (method, targets) in runs.items():
        found = for_each(inversion, method, targets)
        yield from measured(inversion, name, seed, found)
    yield from on_meshes(inversion, OURS, seed, found, sizes.conforming)


def through(
    inversion: Inversion, decoder: ForwardModel, k: int, start: np.ndarray, rate: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Optimise what a decoder takes by gradients through it and the solver, then make the cell black and white."""
    identity, steps = DensityFilter(phase_grid(N), 0.5 / N), SOLVES - 2
    densities = Densities(identity, SIMP(1.5, *MODULI), Projection(8.0), modulus=inversion.solver.inputs[0])
    chain = compose(decoder, densities, inversion.solver, keep=True)
    goal, first = TensorTarget(inversion.targets[k]), {decoder.inputs[0].name: start}
    found = minimize(chain, goal, first, Adam(rate, steps=steps), iterations=steps)
    return made_binary(inversion, found.outputs["density"][0], k, steps)


VARIABLES = FieldSpec("variables", phase_grid(N))


def by_noise(inversion: Inversion, flow: Flow, k: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Optimise the noise of the most promising cell of the pool on its sphere."""
    spec, centre = FieldSpec("noise", phase_grid(N)), flow.noise(k)[flow.order[k, 0], 0].double().numpy()
    decode = partial(flow.model.decode, condition=flow.wanted[k : k + 1])
    sphere = OnSphere(spec, centre, angle=1.0, variables="free")
    chain = compose(sphere, TorchModel(decode, (spec,), (VARIABLES,)))
    return through(inversion, chain, k, np.zeros((1, N, N)), 0.05)


def by_latent(inversion: Inversion, model: VAE, k: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Optimise the latent of the nearest label."""
    nearest = inversion.known[inversion.order[k, 0]]
    with torch.no_grad():
        start = model.encode(tensor(nearest[None, None])).double().numpy()
    decoder = TorchModel(model.decode, (ScalarSpec("latent", model.latent),), (VARIABLES,))
    return through(inversion, decoder, k, start, 0.1)


def latent(seed: int, sizes: Sizes) -> Iterator[Row]:
    """The latent of a variational autoencoder, optimised through decoder and solver."""
    inversion = Inversion(sizes)
    torch.manual_seed(seed)
    model = VAE((1, N, N), 32, beta=0.5)
    cpu = train(model, {"x": tensor(inversion.known[:, None])}, {"x": "scalar"}, seed, sizes.steps[2])
    yield row("VAE latent", "training [CPU s]", seed, cpu)
    yield from measured(inversion, "VAE latent", seed, for_each(inversion, partial(by_latent, inversion, model)))


JOBS = without_learning, generated, latent


def figures(rows: Sequence[Row]) -> dict[str, float]:
    """Median error and success at 5 % of all targets [%], the medians over the seeds."""
    best = f", best of {SOLVES}"
    methods = {
        "": (OURS, ""),
        "_nearest": ("nearest neighbour", best),
        "_nearest_adjoint": ("nearest neighbour + adjoint", ""),
    }
    found = {}
    for name, (method, tag) in methods.items():
        for figure, measure in (("median", "median error"), ("success5", "success at 5 %")):
            what = f"{TASK}, {method}: {measure}{tag} [%]"
            found[f"c_inversion_{figure}{name}"] = median([r["value"] for r in rows if r["what"] == what] or [math.nan])
    return found


def packed(phase: np.ndarray) -> str:
    """A binary cell as hexadecimal digits."""
    return np.packbits(phase).tobytes().hex()


def unpacked(digits: str) -> np.ndarray:
    """The cell (N, N) of `packed`."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(digits), np.uint8)).reshape(N, N).astype(bool)


def write_targets() -> None:
    """Draw the targets and solve them."""
    solver = pixel_homogenization(N, MATRIX.poisson_ratio)
    groups: dict[str, Any] = {"seed": SEED}
    for group, families, count in (("held-out", FAMILIES, 100), ("out-of-family", OTHERS, 50)):
        phases = cells(families, count, SEED + 2)
        stiffness = solver({"youngs_modulus": np.where(phases, *MODULI[::-1])})["stiffness"]
        groups[group] = [
            {"cell": packed(phase), "stiffness": [float(f"{entry:.6g}") for entry in C]}
            for phase, C in zip(phases, stiffness, strict=True)
        ]
    TARGETS.write_text(json.dumps(groups, indent=0) + "\n")


if __name__ == "__main__":
    write_targets()
