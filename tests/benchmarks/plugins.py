"""Plugins: what is installed and works, and what the hosts gain, each beside the strongest simple baselines.

Run it with  uv run python tests/benchmarks/plugins.py [--quick]
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import importlib.util
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

import reporting

PLUGINS = Path(__file__).parents[2] / "plugins"
SEEDS = (0, 1, 2)
ERROR = "external operator, exact law: error of the displacement [1]"
ITERATIONS = "external operator, exact law: Newton iterations"

type Row = dict[str, Any]


def script(plugin: str, name: str) -> ModuleType:
    """A script of the folder of a plugin, which may import those beside it."""
    folder = PLUGINS / f"genmech-{plugin}"
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location(f"{plugin.replace('-', '_')}_{name}", folder / f"{name}.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def installed() -> Iterator[Row]:
    """Entries of all groups that can be imported, built-in ones apart."""
    from genmech_fem import plugins

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the rows say what is broken
        found = plugins.listing()
    for kind, own in (("built in", True), ("of plugins", False)):
        some = [plugin for plugin in found if (plugin.distribution == plugins.BUILT_IN) == own]
        broken = sum(plugin.error is not None for plugin in some)
        for state, value in (("work", len(some) - broken), ("broken", broken)):
            yield {"what": f"entries, {kind}: {state}", "seed": None, "value": value}


def external_operator(seed: int, quick: bool) -> Iterator[Row]:
    """ONNX laws beside UFL's, FE^2, splines and look-ups."""
    example = script("external-operator", "example")
    sizes = example.Sizes(20, 10, 50, (2, 1), (3,)) if quick else example.Sizes()
    for row in example.rows(seed, sizes):
        yield {**row, "what": f"external operator, {row['what']}"}


def petsc(seed: int, quick: bool) -> Iterator[Row]:
    """Networks as preconditioners and initial guesses beside PETSc's own."""
    rows = script("petsc", "petsc_rows")
    yield from rows.rows(seed, rows.QUICK if quick else rows.Sizes())


def second_back_end(quick: bool) -> Iterator[Row]:
    """scikit-fem beside DOLFINx."""
    from genmech_skfem import benchmark

    from genmech_fem.adapters import mbb_beam, pixel_stiffness

    for nx, ny in [(12, 4)] if quick else [(60, 20), (120, 40)]:
        yield from benchmark.rows(nx, ny, 5 if quick else 40, mbb_beam)
    for resolution in [8] if quick else [32, 64]:
        yield from benchmark.cell_rows(resolution, 3 if quick else 20, pixel_stiffness)


def hosts() -> Iterator[Row]:
    """What the other examples return."""
    for plugin in ("pyvista", "paraview"):
        for mesh, numbers in script(plugin, "example").main().items():
            for quantity, value in numbers.items():
                yield {"what": f"{plugin}, {mesh}: {quantity}", "seed": 0, "value": float(value)}
    for quantity, value in script("tesseract", "example").main().items():
        yield {"what": f"tesseract, two conductivities: {quantity}", "seed": 0, "value": float(value)}


def main() -> None:
    """Run all jobs, two at a time, and write the results."""
    args = reporting.arguments(__doc__ or "")
    seeds = list(SEEDS[:1] if args.quick else SEEDS)
    jobs: list[tuple[Any, ...]] = [
        *((job, seed, args.quick) for job in (external_operator, petsc) for seed in seeds),
        (second_back_end, args.quick),
        (hosts,),
        (installed,),
    ]
    rows, earlier = reporting.run("plugins", jobs, quick=args.quick)
    values: dict[str, list[float]] = {}
    for row in rows:
        values.setdefault(row["what"], []).append(row["value"])
    figures = {
        "plugins_healthy": int(values["entries, of plugins: work"][0]),
        "external_operator_error": max(values[ERROR]),
        "external_operator_newton_iterations": median(values[ITERATIONS]),
    }
    tasks = list(dict.fromkeys(row["what"].split(", ", 1)[0] for row in rows))
    reporting.write("plugins", figures, rows, seeds, quick=args.quick, earlier=earlier, tasks=tasks)


if __name__ == "__main__":
    main()
