"""What all benchmarks share: where results go, and what is said about the machine."""

import argparse
import hashlib
import importlib.util
import json
import multiprocessing
import os
import pickle
import platform
import re
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from tabulate import tabulate

RESULTS = Path(__file__).parent / "results"
SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"
PACKAGES = ("genmech_fem", "dolfinx-solver-real", "torch", "onnx", "onnxruntime", "numpy", "scipy")


def arguments(description: str) -> argparse.Namespace:
    """``--quick`` runs the smallest size and leaves the committed results alone."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="smallest size; writes NAME.quick.json")
    return parser.parse_args()


def cpu_seconds() -> float:
    """CPU time of this process and of the children that ended [s]."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in usage)


def example(name: str) -> Any:
    """A script of the folder examples as a module."""
    path = Path(__file__).parents[2] / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def machine() -> dict[str, Any]:
    """The machine and the versions of what was measured."""
    model = next((line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), "unknown")
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version(), "versions": versions}


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


def run(name: str, jobs: Sequence[tuple[Any, ...]], *, quick: bool) -> tuple[list[dict[str, Any]], float]:
    """Run jobs, two at a time, each in a process of its own with one thread.

    A benchmark that was stopped takes up the rows of jobs that had ended, unless their arguments have changed.

    Args:
        name: Name of the benchmark.
        jobs: Functions, each with its arguments behind it, that yield rows.
        quick: As for `write`.

    Returns:
        All rows, sorted, and the CPU seconds of jobs that had ended before.
    """
    folder = _kept(name, quick=quick)
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{job[0].__name__}.{hashlib.sha256(pickle.dumps(job)).hexdigest()[:12]}.json" for job in jobs]
    earlier = sum(json.loads(file.read_text())["cpu_seconds"] for file in files if file.exists())
    waiting = {file: job for file, job in zip(files, jobs, strict=True) if not file.exists()}
    began, failed = time.perf_counter(), []
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn"), max_tasks_per_child=1) as pool:
        running = {pool.submit(_all_rows, file, *job): job for file, job in waiting.items()}
        for number, future in enumerate(as_completed(running), 1):
            function, *arguments = running[future]
            if error := future.exception():  # the other jobs go on
                what = " ".join(["failed:", function.__name__, *map(str, arguments[:1])])
                failed.append({"what": what, "seed": None, "value": str(error)})
            minutes = (time.perf_counter() - began) / 60
            left = minutes * (len(waiting) - number) / number
            progress = f"{number}/{len(waiting)} {function.__name__}, {minutes:.0f} min, {left:.0f} min left"
            print(progress, file=sys.stderr, flush=True)
    rows = [row for file in files if file.exists() for row in json.loads(file.read_text())["rows"]]
    return sorted(rows + failed, key=lambda row: (_numbers_apart(row["what"]), row["seed"] or 0)), earlier


def _numbers_apart(text: str) -> list[str | float]:
    """Text and numbers in turn, so that 2 comes before 10."""
    parts = re.split(r"(\d+(?:\.\d+)?)", text)
    return [float(part) if i % 2 else part for i, part in enumerate(parts)]


def _kept(name: str, *, quick: bool) -> Path:
    """Folder with the rows of ended jobs, until all are written."""
    return Path(__file__).parent / "data" / (f"{name}.quick.rows" if quick else f"{name}.rows")


def _all_rows(file: Path, function: Callable[..., Iterable[dict[str, Any]]], *arguments: Any) -> None:
    import torch

    torch.set_num_threads(1)
    rows = list(function(*arguments))
    file.write_text(json.dumps({"rows": rows, "cpu_seconds": cpu_seconds()}))


def write(
    name: str,
    figures: dict[str, Any],
    rows: list[dict[str, Any]],
    seeds: list[int],
    *,
    quick: bool,
    earlier: float = 0.0,
    tasks: Sequence[str] = (),
) -> None:
    """Write ``results/NAME.json`` and the rows as a Markdown table, and print the table.

    Args:
        name: Name of the benchmark.
        figures: Numbers by name.
        rows: Everything that was measured.
        seeds: Seeds of what was trained.
        quick: Write ``NAME.quick`` instead.
        earlier: CPU seconds [s] that were spent before this process.
        tasks: Get a table each, of their rows "TASK, METHOD: MEASURE".
    """
    stem = f"{name}.quick" if quick else name
    result = {
        "figures": figures,
        "rows": rows,
        "seeds": seeds,
        "cpu_seconds": round(earlier + cpu_seconds(), 1),
        "machine": machine(),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{stem}.json").write_text(json.dumps(result, indent=1) + "\n")
    page = markdown(name, result, tasks)
    (RESULTS / f"{stem}.md").write_text(page)
    if not any(str(row.get("what")).startswith("failed: ") for row in rows):
        shutil.rmtree(_kept(name, quick=quick), ignore_errors=True)
    print(page)


def markdown(name: str, result: dict[str, Any], tasks: Sequence[str] = ()) -> str:
    """The figures, what the seeds have in common, and all rows as Markdown tables."""
    rows = [{key: value for key, value in row.items() if not isinstance(value, list)} for row in result["rows"]]
    tables = {
        "Figures": tabulate(list(result["figures"].items()), ("figure", "value"), tablefmt="github", floatfmt=".4g"),
        **{task: _methods(task, result["rows"]) for task in tasks},
        f"Over the seeds {result['seeds']}": tabulate(
            _over_seeds(result["rows"]), ("measured", "median", "least", "most"), tablefmt="github", floatfmt=".3g"
        ),
        "All rows": tabulate(rows, headers="keys", tablefmt="github", floatfmt=".4g", missingval=""),
    }
    return f"# {name}\n\n" + "\n".join(f"## {title}\n\n{table}\n" for title, table in tables.items())


def _over_seeds(rows: list[dict[str, Any]]) -> list[tuple[str, float, float, float]]:
    """Median, least and greatest value of what every seed measured."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if row.get("seed") is not None:
            values.setdefault(row["what"], []).append(row["value"])
    return [(what, median(found), min(found), max(found)) for what, found in values.items()]


def _methods(task: str, rows: list[dict[str, Any]]) -> str:
    """Measures by methods: the median over the seeds, and the least and the greatest value where they differ."""
    cells: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        if row["what"].startswith(f"{task}, "):
            method, measure = row["what"].removeprefix(f"{task}, ").split(": ", 1)
            cells.setdefault(measure, {}).setdefault(method, []).append(row["value"])
    methods = list(dict.fromkeys(method for found in cells.values() for method in found))
    table = [[measure, *(_spread(found.get(method, [])) for method in methods)] for measure, found in cells.items()]
    return tabulate(table, (task, *methods), tablefmt="github", disable_numparse=True)


def _spread(values: list[float]) -> str:
    if not values:
        return ""
    least, middle, most = (f"{value:.3g}" for value in (min(values), median(values), max(values)))
    return middle if least == most else f"{middle} ({least} to {most})"
