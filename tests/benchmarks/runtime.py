"""Certified surrogates: do the bounds hold, what do they cost, what passes, and what does it save in a design loop?

Run it with  uv run python tests/benchmarks/runtime.py [--quick]
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import genmech_fem.problems  # noqa: F401  isort: skip

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx_speed
import reporting
import torch

from genmech_fem.adapters import ProblemModel, ResidualGuard, cell_values, sample_state
from genmech_fem.adapters.homogenization import pixel_mesh
from genmech_fem.design import FieldTarget
from genmech_fem.export import to_onnx
from genmech_fem.fields import Arrays, FieldSpec, Grid, concatenate, take
from genmech_fem.forward import ForwardModel, FunctionModel, in_batches
from genmech_fem.metrics import nearest_neighbour, relative_l2
from genmech_fem.microstructure import (
    BasicShapes,
    GaussianRandomField,
    MinimalSurface,
    PeriodicFibres,
    Spinodoid,
    Voronoi,
)
from genmech_fem.problems import (
    Certificate,
    Clamped,
    Dirichlet,
    Roller,
    Source,
    Traction,
    VariationalProblem,
    diffusion,
    elasticity,
)
from genmech_fem.runtime import ConformalGuard, Domain, GuardedModel, OnnxModel, RangeGuard, conformal_radius
from genmech_fem.surrogates import GridSurrogate, TorchModel
from genmech_fem.training import Recipe, fit

type Row = dict[str, Any]


@dataclass(frozen=True)
class Sizes:
    """How many samples, how long to train, how fine."""

    plane: int = 64
    solid: int = 12
    known: int = 240
    cases: int = 50
    seconds: float = 150.0
    fine: tuple[int, tuple[int, ...]] = 128, (16, 20, 24)
    block: int = 16
    labels: int = 300
    calls: int = 500
    seeds: tuple[int, ...] = (0, 1, 2)


QUICK = Sizes(16, 8, 30, 4, 4.0, (32, (6,)), 6, 60, 50, (0,))
TOLERANCE = 0.1
LOOP_TOLERANCE = 0.02
CONTRASTS = (10, 100)
LEARNED = ("fibres", "random fields")
PLANE: dict[str, Any] = {
    "fibres": PeriodicFibres,
    "random fields": GaussianRandomField,
    "Voronoi cells": Voronoi,
    "basic shapes": BasicShapes,
}
SOLID: dict[str, Any] = {
    "random fields": lambda n: GaussianRandomField(n, dimension=3),
    "spinodoids": partial(Spinodoid, wavenumber=2.0),
    "minimal surfaces": MinimalSurface,
}


def side(axis: int, place: float) -> Callable[[np.ndarray], np.ndarray]:
    """Where a coordinate has this value."""
    return lambda x: np.isclose(x[axis], place)


def conduction(n: int) -> VariationalProblem:
    """Heat from a source to a cold side."""
    return diffusion(pixel_mesh(n), [Dirichlet(side(0, 0.0)), Source()])


def plane_strain(n: int) -> VariationalProblem:
    """A clamped square under shear."""
    return elasticity(pixel_mesh(n), [Clamped(side(0, 0.0)), Traction(side(0, 1.0), (0.0, -1.0))])


def pulled(n: int) -> VariationalProblem:
    """A square in plane stress, pulled by a displacement."""
    held = [Roller(side(0, 0.0), 0), Roller(side(1, 0.0), 1), Dirichlet(side(0, 1.0), 0.01, component=0)]
    return elasticity(pixel_mesh(n), held, hypothesis="plane stress")


def solid(n: int) -> VariationalProblem:
    """A clamped cube under shear."""
    return elasticity(pixel_mesh(n, 3), [Clamped(side(0, 0.0)), Traction(side(0, 1.0), (0.0, 0.0, -1.0))])


KINDS: dict[str, tuple[Callable[[int], VariationalProblem], dict[str, Any]]] = {
    "conduction": (conduction, PLANE),
    "plane strain": (plane_strain, PLANE),
    "plane stress": (pulled, PLANE),
    "solid": (solid, SOLID),
}


def solver_of(kind: str, n: int) -> ProblemModel:
    """From a coefficient in the cells to the state at the nodes."""
    problem = KINDS[kind][0](n)
    dimension = problem.state.function_space.mesh.geometry.dim
    box = (0.0,) * dimension, (1.0,) * dimension
    name = next(iter(problem.controls))
    coefficient, nodes = FieldSpec(name, Grid((n,) * dimension, *box)), Grid((n + 1,) * dimension, *box, "nodes")
    shape = tuple(int(size) for size in problem.state.function_space.value_shape)
    return ProblemModel(
        problem,
        (cell_values(problem.controls[name], coefficient, name),),
        (sample_state(problem.state, FieldSpec("state", nodes, shape)),),
    )


def drawn(kind: str, family: str, n: int, count: int, contrast: float, stream: int) -> np.ndarray:
    """Coefficients (count, *grid) of two phases."""
    draw = KINDS[kind][1][family](n)
    phase = np.concatenate([draw(np.random.default_rng([stream, i]))["phase"] for i in range(count)])
    return np.where(phase > 0.5, contrast, 1.0)


def known_samples(kind: str, n: int, count: int, stream: int) -> np.ndarray:
    """Coefficients of the families that a surrogate learns, at contrast 10."""
    families = [family for family in KINDS[kind][1] if family in LEARNED]
    return np.concatenate([drawn(kind, f, n, count // len(families), CONTRASTS[0], stream) for f in families])


def trained(solver: ProblemModel, coefficient: np.ndarray, seconds: float, path: Path) -> OnnxModel:
    """A U-Net with exact Dirichlet values, as a file."""
    (given,), (sought,) = solver.inputs, solver.outputs
    states = solver({given.name: coefficient})[sought.name]
    torch.manual_seed(0)
    settings = {"channels": (24, 48), "padding_mode": "zeros"}
    network = GridSurrogate(1, sought.channel_shape, settings=settings, loss="relative_h1", coordinates=True)
    problem, order = solver.problem, solver.whole_state[1]
    right = problem.admissible(np.zeros(len(order)))[order].reshape(sought.channel_shape)
    held = problem.held[order].reshape(sought.channel_shape)
    network.hold(torch.as_tensor(right, dtype=torch.float32), torch.as_tensor(held))
    data = {
        "x": torch.as_tensor(coefficient, dtype=torch.float32)[:, None],
        "y": torch.as_tensor(states, dtype=torch.float32).reshape(len(states), *sought.channel_shape),
    }
    for _ in fit(network, data, Recipe(seconds=seconds, batch_size=8, learning_rate=3e-3, average=0.995)):
        pass
    to_onnx(TorchModel(network, (given,), (sought,)), path, {given.name: coefficient[:3]})
    return OnnxModel(path)


def kind_of_problem(kind: str, sizes: Sizes) -> Iterator[Row]:
    """Bounds on states that a surrogate proposes, and what passes of a surrogate that is poisoned."""
    n = sizes.solid if kind == "solid" else sizes.plane
    solver = solver_of(kind, n)
    known = known_samples(kind, n, sizes.known, 0)
    with TemporaryDirectory() as folder:
        surrogate = trained(solver, known, sizes.seconds, Path(folder) / "surrogate.onnx")
    solver.set_controls({solver.inputs[0].name: np.full((1, *known.shape[1:]), CONTRASTS[0] ** 0.5)}, 0)
    certificate = Certificate(solver.problem)
    for family in KINDS[kind][1]:
        for contrast in CONTRASTS:
            coefficient = drawn(kind, family, n, sizes.cases, contrast, 1)
            name = f"{kind}, {family}, contrast {contrast}"
            yield from bounds(name, solver, certificate, surrogate, coefficient)
    yield from poisoned(kind, solver, certificate, surrogate, known, sizes)


def bounds(
    name: str, solver: ProblemModel, certificate: Certificate, surrogate: ForwardModel, coefficient: np.ndarray
) -> Iterator[Row]:
    """Bounds of each sample beside its true error in the energy norm."""
    inputs = {solver.inputs[0].name: coefficient}
    truth, proposed = (solver.dofs(model(inputs)) for model in (solver, surrogate))
    found: dict[str, list[float]] = {}
    for i, (right, state) in enumerate(zip(truth, proposed, strict=True)):
        solver.set_controls(inputs, i)
        problem = certificate.problem
        error, size = (problem.energy_norm(part) for part in (problem.admissible(state) - right, right))
        plain, polished = certificate.certify(state), certificate.certify(state, steps=2)
        rest = problem.energy_norm(polished.state - right)
        sample = {
            "true error [%]": 100 * error / size,
            "bound over true error": plain.bound / error,
            "bounds that hold": float(
                error <= plain.bound and polished.proposed[0] <= error and rest <= polished.bound
            ),
            "error after two steps [%]": 100 * rest / size,
            "bound over true error, with two steps": polished.proposed[1] / error,
        }
        for what, value in sample.items():
            found.setdefault(what, []).append(value)
    for what, values in found.items():
        value = float(np.mean(values)) if "hold" in what else median(values)
        yield {"what": f"bounds, {name}: {what}", "seed": None, "value": value, "each": np.round(values, 4).tolist()}


def noise(size: float) -> Callable[[np.ndarray], np.ndarray]:
    """Adds normal noise of this size relative to the spread of the output."""
    generator = np.random.default_rng(0)
    return lambda y: y + size * y.std() * generator.standard_normal(y.shape)


POISONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "noise of 1 %": noise(0.01),
    "noise of 10 %": noise(0.1),
    "noise of 100 %": noise(1.0),
    "output scaled by 0.9": lambda y: 0.9 * y,
    "output scaled by 2": lambda y: 2 * y,
    "wrong units": lambda y: 1000 * y,
    "wrong sign": lambda y: -y,
    "frozen output": lambda y: np.broadcast_to(y[:1], y.shape).copy(),
    "zero output": lambda y: 0 * y,
    "answers exchanged": lambda y: np.roll(y, 1, axis=0),
    "axes exchanged": lambda y: np.ascontiguousarray(np.swapaxes(y, -1, -2)),
    "not a number": lambda y: np.full_like(y, np.nan),
}


def poisoned(
    kind: str,
    solver: ProblemModel,
    certificate: Certificate,
    surrogate: ForwardModel,
    known: np.ndarray,
    sizes: Sizes,
) -> Iterator[Row]:
    """Wrong answers that guards let through, from a surrogate whose output, or input, is spoiled."""
    (given,), (sought,) = solver.inputs, solver.outputs
    families = list(KINDS[kind][1])
    inputs = {
        given.name: np.concatenate(
            [
                drawn(kind, f, n_of(known), max(2, sizes.cases // 10), CONTRASTS[k % 2], 2)
                for k, f in enumerate(families)
            ]
        )
    }
    truth = solver(inputs)
    judged = {given.name: known_samples(kind, n_of(known), max(20, sizes.known // 4), 3)}
    radius = conformal_radius(in_batches(surrogate, judged, 16)[sought.name], solver(judged)[sought.name], 0.9)
    residual = ResidualGuard(solver, certificate, TOLERANCE, steps=3)
    guards = {
        "residual": residual,
        "range of inputs": RangeGuard({given.name: Domain.of(known, given)}, (given,)),
        "conformal radius": ConformalGuard(radius, max(radius, TOLERANCE), sought.name),
    }
    spoiled = {
        name: FunctionModel(Poisoned(surrogate, poison), (given,), (sought,)) for name, poison in POISONS.items()
    }
    spoiled["input in other units"] = FunctionModel(
        lambda x: dict(surrogate({given.name: 1e-3 * x[given.name]})), (given,), (sought,)
    )
    for guard_name, guard in guards.items():
        for name, model in {"none": surrogate, "none, the solver": solver, **spoiled}.items():
            guarded = GuardedModel(model, solver, [guard])
            answers = guarded(inputs)
            errors = (
                residual.error(inputs, answers, truth)
                if guard_name == "residual"
                else relative_l2(answers[sought.name], truth[sought.name])
            )
            passed = int((errors > (TOLERANCE if guard_name == "residual" else guard_limit(guard))).sum())
            what = f"poisoned, {guard_name}: {kind}, {name}: "
            counts = guarded.counts
            yield {"what": f"{what}wrong answers passed", "seed": None, "value": passed, "of": counts.samples}
            if name.startswith("none") or guard_name == "residual":
                used = (counts.accepted + counts.polished) / counts.samples
                yield {"what": f"{what}answers used [%]", "seed": None, "value": 100 * used}


def n_of(samples: np.ndarray) -> int:
    """Cells along a side."""
    return samples.shape[-1]


def guard_limit(guard: Any) -> float:
    """Relative L2 error above which an answer counts as wrong, for guards that look at no residual."""
    return float(getattr(guard, "tolerance", 2 * TOLERANCE))


@dataclass(frozen=True)
class Poisoned:
    """A surrogate with a spoiled output."""

    model: ForwardModel
    poison: Callable[[np.ndarray], np.ndarray]

    def __call__(self, inputs: Arrays) -> Arrays:
        return {name: self.poison(value) for name, value in self.model(inputs).items()}


def costs(sizes: Sizes) -> Iterator[Row]:
    """CPU time of a certificate beside that of the solver, by turns, with new coefficients in every turn."""
    plane, solids = sizes.fine
    for kind, n in [(kind, plane) for kind in KINDS if kind != "solid"] + [("solid", n) for n in solids]:
        solver = solver_of(kind, n)
        (given,), problem = solver.inputs, solver.problem
        generator = np.random.default_rng(0)
        solver.set_controls({given.name: np.full((1, *given.shape), CONTRASTS[0] ** 0.5)}, 0)
        began = time.process_time()
        certificate = Certificate(problem)
        built = time.process_time() - began
        spent: dict[str, list[float]] = {"solve": [], "certificate": [], "certificate and one step": []}
        for _ in range(9):
            proposed = 1.01 * problem.state.x.array + 1e-3
            for what, call in {
                "solve": problem.solve,
                "certificate": partial(certificate.certify, proposed),
                "certificate and one step": partial(certificate.certify, proposed, steps=1),
            }.items():
                solver.set_controls({given.name: generator.choice([1.0, 10.0], (1, *given.shape))}, 0)
                began = time.process_time()
                call()
                spent[what].append(time.process_time() - began)
        what = f"costs, {kind} {n}^{given.place.dimension}: "
        yield {"what": f"{what}reference, once [CPU ms]", "seed": None, "value": 1e3 * built}
        for name, seconds in spent.items():
            yield {"what": f"{what}{name} [CPU ms]", "seed": None, "value": 1e3 * median(seconds[1:])}
        shares = [b / a for a, b in zip(spent["solve"][1:], spent["certificate"][1:], strict=True)]
        yield {"what": f"{what}certificate over solve", "seed": None, "value": median(shares)}


def design_loop(seed: int, sizes: Sizes) -> Iterator[Row]:
    """The example's loop by the solver, the network, the guarded network, and a guarded look-up without a network."""
    example = reporting.example("guarded_loop")
    solver = example.block(sizes.block)
    known, wanted = example.moduli(sizes.labels, 10 + seed), example.moduli(1, 100 + seed)
    began = time.process_time()
    labels = solver(known)
    spent_on_labels = time.process_time() - began
    target = solver(wanted)["displacement"][0]
    began = time.process_time()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "block.onnx"
        network = example.trained(solver, known, labels, path, seconds=2 / 3 * sizes.seconds, seed=seed)
    spent_on_training = time.process_time() - began

    def look_up(inputs: Arrays) -> Arrays:
        nearest = nearest_neighbour(np.log(known["moduli"]), np.log(inputs["moduli"]))
        return {"displacement": labels["displacement"][nearest]}

    guard = ResidualGuard.around(solver, known, LOOP_TOLERANCE, steps=4)
    models: dict[str, Any] = {
        "solver": solver,
        "network": network,
        "guarded network": GuardedModel(network, solver, [guard]),
        "guarded look-up": GuardedModel(FunctionModel(look_up, solver.inputs, solver.outputs), solver, [guard]),
    }
    seconds: dict[str, float] = {}
    for name, model in models.items():
        asked = Recorded(model)
        result, seconds[name] = example.loop(asked, target, calls=sizes.calls, seed=seed)
        what = f"loop, {name}: "
        distance = FieldTarget(target, "displacement")(solver(result.design))[0] ** 0.5
        yield {"what": f"{what}CPU time [s]", "seed": seed, "value": seconds[name]}
        yield {"what": f"{what}speed-up", "seed": seed, "value": seconds["solver"] / seconds[name]}
        yield {"what": f"{what}distance of the design to the target [%]", "seed": seed, "value": 100 * distance}
        if "network" in name:
            errors = asked.errors(solver, guard, every=1 if "guarded" in name else 5)
            yield {"what": f"{what}largest true error of an answer [%]", "seed": seed, "value": 100 * errors.max()}
            yield {"what": f"{what}median true error [%]", "seed": seed, "value": 100 * float(np.median(errors))}
        if isinstance(model, GuardedModel):
            counts = model.counts
            for key, value in {
                "accepted": counts.accepted,
                "polished": counts.polished,
                "solved": sum(counts.fallen_back.values()),
            }.items():
                yield {"what": f"{what}answers {key}", "seed": seed, "value": value}
    solve = seconds["solver"] / sizes.calls
    for name, price in {
        "guarded network": spent_on_labels + spent_on_training,
        "guarded look-up": spent_on_labels,
    }.items():
        paid = price / max(solve - seconds[name] / sizes.calls, 1e-12)
        yield {"what": f"loop, {name}: calls until it has paid", "seed": seed, "value": paid}


class Recorded:
    """A model that keeps what it was asked, and what it has answered."""

    def __init__(self, model: ForwardModel) -> None:
        self.model, self.inputs, self.outputs = model, model.inputs, model.outputs
        self.asked: list[Arrays] = []
        self.answered: list[Arrays] = []

    def __call__(self, inputs: Arrays) -> Arrays:
        answers = self.model(inputs)
        self.asked.append(dict(inputs))
        self.answered.append(dict(answers))
        return answers

    def errors(self, solver: ForwardModel, guard: ResidualGuard, *, every: int) -> np.ndarray:
        """True errors of the answers, relative, in the energy norm."""
        inputs, answers = (take(concatenate(parts), slice(None, None, every)) for parts in (self.asked, self.answered))
        return guard.error(inputs, answers, solver(inputs))


def values(rows: Sequence[Row], start: str, end: str) -> list[float]:
    """All values of the rows whose names start and end like this."""
    return [row["value"] for row in rows if row["what"].startswith(start) and row["what"].endswith(end)]


def in_short(rows: Sequence[Row]) -> Iterator[Row]:
    """Bounds by contrast and families, and spoiled answers by guards."""
    found: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if "each" in row:
            name, measure = row["what"].removeprefix("bounds, ").split(": ", 1)
            family, contrast = name.split(", ")[1:]
            known = "families learned" if family in LEARNED else "other families"
            found.setdefault((f"{contrast}, {known}", measure), []).extend(row["each"])
    for (group, measure), each in found.items():
        value = float(np.mean(each)) if "hold" in measure else median(each)
        yield {"what": f"certificates, {group}: {measure}", "seed": None, "value": value}
    for (group, measure), each in found.items():
        if measure == "bound over true error":
            yield {"what": f"certificates, {group}: {measure}, worst", "seed": None, "value": max(each)}
            yield {"what": f"certificates, {group}: cases", "seed": None, "value": len(each)}
    spoiled = [row for row in rows if "of" in row]
    for guard in dict.fromkeys(row["what"].split(": ")[0].removeprefix("poisoned, ") for row in spoiled):
        of_guard = [row for row in spoiled if row["what"].startswith(f"poisoned, {guard}: ")]
        sums = {key: sum(row[key] for row in of_guard) for key in ("of", "value")}
        yield {"what": f"guards, {guard}: answers judged", "seed": None, "value": sums["of"]}
        yield {"what": f"guards, {guard}: wrong answers passed", "seed": None, "value": sums["value"]}


def main() -> None:
    """Run all jobs, two at a time, and write the results."""
    args = reporting.arguments(__doc__ or "")
    sizes = QUICK if args.quick else Sizes()
    jobs: list[tuple[Any, ...]] = [
        *((design_loop, seed, sizes) for seed in sizes.seeds),
        *((kind_of_problem, kind, sizes) for kind in KINDS),
        (costs, sizes),
        *onnx_speed.jobs(sizes.seeds[:1], 3 if args.quick else 9),
    ]
    rows, earlier = reporting.run("runtime", jobs, quick=args.quick)
    figures = figures_of(rows, sizes)
    tasks = ("certificates", "costs", "loop", "guards", "ONNX against torch")
    rows += in_short(rows)
    reporting.write("runtime", figures, rows, list(sizes.seeds), quick=args.quick, earlier=earlier, tasks=tasks)


def figures_of(rows: Sequence[Row], sizes: Sizes) -> dict[str, float]:
    """The figures by name."""
    held = [row for row in rows if row["what"].endswith(": bounds that hold")]
    tight = [x for row in rows if row["what"].endswith(": bound over true error") for x in row["each"]]
    loops, solvers = (values(rows, f"loop, {name}: ", "CPU time [s]") for name in ("guarded network", "solver"))
    plane = sizes.fine[0]
    return {
        "bound_holds_share": float(np.mean([x for row in held for x in row["each"]])),
        "bound_cases": len([x for row in held for x in row["each"]]),
        "median_effectivity": median(tight),
        "cost_share_128": median(values(rows, f"costs, plane strain {plane}^2", "certificate over solve")),
        "loop_speedup": median([a / b for a, b in zip(solvers, loops, strict=True)]),
        "loop_largest_error": max(values(rows, "loop, guarded network: ", "largest true error of an answer [%]")) / 100,
        "poisoned_passed": sum(values(rows, "poisoned, residual: ", "wrong answers passed")),
        **onnx_speed.figures(rows),
    }


if __name__ == "__main__":
    main()
