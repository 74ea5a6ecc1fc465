"""Where the CPU time of the usual work goes: to the solver, to torch, or to genmech_fem itself.

One thread, and all that is compiled or allocated once is done before. The profiler slows Python down and not what is
compiled, so the shares of Python are upper bounds; times are taken without it.

Run it with  uv run python tests/benchmarks/profiles.py [--quick]
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cProfile
import pstats
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import reporting

SEEDS = (0, 1, 2)
PARTS = {
    "MUMPS and PETSc": ("genmech_fem/problems/engines.py",),
    "DOLFINx": ("/dolfinx/", "/ufl/", "/basix/", "/ffcx/", "/cffi/"),
    "torch": ("/torch/", "built-in method torch", "of 'torch"),
    "NumPy and SciPy": ("/numpy/", "/scipy/", "built-in method numpy", "of 'numpy"),
    "genmech_fem": ("/genmech_fem/",),
}
"""Where a function counts, by what its file or, if it is compiled, its name contains; the first match counts."""
OTHER = "files, pictures, Python"


def campaign(seed: int) -> Callable[[int], None]:
    """Samples of a campaign: fibre cells of 32 x 32 pixels, drawn, homogenised and stored."""
    from genmech_fem.adapters import pixel_stiffness
    from genmech_fem.datasets import Campaign, generate
    from genmech_fem.forward import LazyModel
    from genmech_fem.microstructure import PeriodicFibres

    model = LazyModel(partial(pixel_stiffness, 32))

    def work(count: int) -> None:
        with TemporaryDirectory() as folder:
            generate(Campaign(model, PeriodicFibres(32), count, seed), Path(folder) / "store")

    return work


def verification(seed: int) -> Callable[[int], None]:
    """Cells of 32 x 32 pixels, meshed along their interfaces and solved, as designs are verified."""
    import numpy as np

    from genmech_fem.adapters import ConformingHomogenization
    from genmech_fem.microstructure import PeriodicFibres

    solver, draw, generator = ConformingHomogenization(32, refine=4), PeriodicFibres(32), np.random.default_rng(seed)

    def work(count: int) -> None:
        for _ in range(count):
            solver(draw(generator))

    return work


def design(seed: int) -> Callable[[int], None]:
    """Iterations of topology optimisation: SIMP with a density filter on the half MBB beam of 120 x 40 cells."""
    from genmech_fem.adapters import mbb_beam
    from genmech_fem.design import Densities, DensityFilter, topology_optimization
    from genmech_fem.fields import Grid

    beam, densities = mbb_beam(120, 40), Densities(DensityFilter(Grid((120, 40), (0.0, 0.0), (120.0, 40.0)), 4.8))

    def work(count: int) -> None:
        topology_optimization(beam, densities, 0.5, iterations=count)

    return work


def flow(seed: int) -> Any:
    """The generator of the demo, and random images for it."""
    import torch

    from genmech_fem.generative import FlowMatching

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    return FlowMatching((1, 32, 32), bounds=(0.0, 1.0)), {"x": torch.rand(256, 1, 32, 32)}


def training(seed: int) -> Callable[[int], None]:
    """Steps of training of the demo's generator with batches of 32."""
    from genmech_fem.training import Recipe, fit

    model, data = flow(seed)

    def work(count: int) -> None:
        for _ in fit(model, data, Recipe(steps=count, batch_size=32)):
            pass

    return work


def sampling(seed: int) -> Callable[[int], None]:
    """Images of 32 x 32 pixels from the demo's generator."""
    import torch

    model, data = flow(seed)
    model.prepare(data)
    model.eval()

    def work(count: int) -> None:
        model.sample(count, generator=torch.Generator().manual_seed(seed))

    return work


WORKS = {
    campaign: ("sample of a campaign", 200),
    verification: ("conforming mesh and its solve", 20),
    training: ("step of training", 20),
    sampling: ("generated image", 64),
    design: ("iteration of topology optimisation", 60),
}
"""Names of one unit of each kind of work, and how many are done."""


def rows(kind: Callable[[int], Callable[[int], None]], seed: int, quick: bool) -> Iterator[dict[str, Any]]:
    """CPU time of one unit, and the share of each part."""
    import genmech_fem.problems  # noqa: F401  (loads DOLFINx in the order that its wheel needs)

    name, count = WORKS[kind]
    count = count // 5 if quick else count
    work = kind(seed)
    work(count)
    began = time.process_time()
    work(count)
    yield {"what": f"CPU time, in all [ms]: {name}", "seed": seed, "value": 1e3 * (time.process_time() - began) / count}
    profile = cProfile.Profile(time.process_time)
    profile.runcall(work, count)
    for part, value in shares(profile).items():
        yield {"what": f"CPU time, {part} [%]: {name}", "seed": seed, "value": 100 * value}


def shares(profile: cProfile.Profile) -> dict[str, float]:
    """Share of each part in the time of its own functions."""
    found: dict[str, float] = dict.fromkeys([*PARTS, OTHER], 0.0)
    for (file, _, function), (_, _, own, _, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        found[part_of(function if file == "~" else file)] += own
    return {part: value / sum(found.values()) for part, value in found.items()}


def part_of(place: str) -> str:
    """Where a function counts."""
    return next((part for part, signs in PARTS.items() if any(sign in place for sign in signs)), OTHER)


def main() -> None:
    """Profile each kind of work and write the results."""
    args = reporting.arguments(__doc__ or "")
    seeds = SEEDS[:1] if args.quick else SEEDS
    jobs: list[tuple[Any, ...]] = [(rows, kind, seed, args.quick) for kind in WORKS for seed in seeds]
    found, earlier = reporting.run("profiles", jobs, quick=args.quick)
    figures = {f"{kind.__name__}_own_share": own_share(found, name) for kind, (name, _) in WORKS.items()}
    reporting.write("profiles", figures, found, list(seeds), quick=args.quick, earlier=earlier, tasks=("CPU time",))


def own_share(found: list[dict[str, Any]], name: str) -> float:
    """Share of Python code of genmech_fem, the median over the seeds."""
    return median(row["value"] for row in found if row["what"] == f"CPU time, genmech_fem [%]: {name}") / 100


if __name__ == "__main__":
    main()
