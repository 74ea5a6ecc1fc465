"""What all benchmarks share: where results go, and what is said about the machine."""

import argparse
import importlib.util
import json
import os
import platform
import resource
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


def write(name: str, figures: dict[str, Any], rows: list[dict[str, Any]], seeds: list[int], *, quick: bool) -> None:
    """Write ``results/NAME.json`` and the rows as a Markdown table, and print the table."""
    stem = f"{name}.quick" if quick else name
    result = {
        "figures": figures,
        "rows": rows,
        "seeds": seeds,
        "cpu_seconds": round(cpu_seconds(), 1),
        "machine": machine(),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{stem}.json").write_text(json.dumps(result, indent=1) + "\n")
    page = markdown(name, result)
    (RESULTS / f"{stem}.md").write_text(page)
    print(page)


def markdown(name: str, result: dict[str, Any]) -> str:
    """The figures, what the seeds have in common, and all rows as Markdown tables."""
    tables = {
        "Figures": tabulate(list(result["figures"].items()), ("figure", "value"), tablefmt="github", floatfmt=".4g"),
        f"Over the seeds {result['seeds']}": tabulate(
            _over_seeds(result["rows"]), ("measured", "median", "least", "most"), tablefmt="github", floatfmt=".3g"
        ),
        "All rows": tabulate(result["rows"], headers="keys", tablefmt="github", floatfmt=".4g", missingval=""),
    }
    return f"# {name}\n\n" + "\n".join(f"## {title}\n\n{table}\n" for title, table in tables.items())


def _over_seeds(rows: list[dict[str, Any]]) -> list[tuple[str, float, float, float]]:
    """Median, least and greatest value of what every seed measured."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if row.get("seed") is not None:
            values.setdefault(row["what"], []).append(row["value"])
    return [(what, median(found), min(found), max(found)) for what, found in values.items()]
