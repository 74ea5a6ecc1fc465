"""The closed loop as a user runs it, and Mechanical MNIST.

Run it with  uv run python tests/benchmarks/demo.py [--quick]
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import reporting

SEEDS = (0, 1, 2)
MNIST = reporting.SHARED_DATA / "mechanical_mnist_uniaxial.npz"
METHODS = {"verified": "generator + surrogate", "nearest": "nearest in training set", "random": "random search"}


def genmech(*words: object) -> None:
    """Run the command and let its progress through."""
    subprocess.run([sys.executable, "-m", "genmech_fem.cli", *map(str, words)], check=True)


def demo(folder: Path, seed: int, *, quick: bool) -> tuple[float, dict[str, Any]]:
    """Seconds of the whole command and the record of its run."""
    began = time.perf_counter()
    genmech("demo", "--out", folder, "--seed", seed, *(["--quick"] if quick else []))
    return time.perf_counter() - began, json.loads((folder / "run.json").read_text())


def mechanical_mnist(folder: Path, *, quick: bool) -> tuple[float | None, list[dict[str, Any]]]:
    """Largest relative difference from d = 0.5 on, and a row for every step."""
    if not MNIST.exists():
        return None, [{"part": "Mechanical MNIST", "what": "no data in ../shared/data: not measured"}]
    genmech(
        "verify", "mechanical-mnist", MNIST, "--samples", "0:2" if quick else "0:20", "--json", folder / "mnist.json"
    )
    result = json.loads((folder / "mnist.json").read_text())
    rows = [
        {
            "part": "Mechanical MNIST",
            "what": f"d = {row['displacement']:g}, relative difference of the energy (median, largest) [%]",
            "value": 100 * row["median"],
            "largest": 100 * row["maximum"],
        }
        for row in result["rows"]
        if row["median"] is not None
    ]
    rows.append({"part": "Mechanical MNIST", "what": "seconds a sample", "value": result["seconds_per_sample"]})
    return result["maximum"], rows


def demo_rows(seed: int, seconds: float, record: dict[str, Any]) -> list[dict[str, Any]]:
    """All that one run measured."""

    def row(what: str, value: float, largest: float | None = None) -> dict[str, Any]:
        return {"part": "demo", "seed": seed, "what": what, "value": value, "largest": largest}

    rows = [row("whole command [s]", seconds)]
    rows += [row(f"stage {name} [s]", value) for name, value in record["seconds"].items()]
    for number, target in enumerate(record["design"]["targets"]):
        for method, found in target["methods"].items():
            what = (
                f"target {number}, {method}: verified error of the best, of the worst of {found['solves']} solves [%]"
            )
            rows.append(row(what, 100 * found["error"], 100 * max(found["all_errors"])))
            if found["predicted_error"] is not None:
                rows.append(row(f"target {number}, {method}: predicted error [%]", 100 * found["predicted_error"]))
    for name, errors in record["evaluate"]["accuracy"].items():
        rows += [row(f"{name}: median error of {field} [%]", 100 * error) for field, error in errors.items()]
    times = record["evaluate"]["milliseconds"]
    rows += [row(f"{name} [ms a sample]", value) for name, value in times.items()]
    spent = 1000 * (record["seconds"]["data"] + record["seconds"]["learn"])
    for name in (name for name in times if name.startswith("solver")):
        saved = times[name] - times["surrogate (ONNX), batch 1"]
        rows.append(row(f"calls that pay back data and training, against the {name}", spent / saved))
    rows += [row(name, value) for name, value in record["evaluate"]["generator"].items()]
    return rows


def main() -> None:
    """Run the seeds one after the other, then Mechanical MNIST."""
    args = reporting.arguments("the closed loop and Mechanical MNIST")
    seeds = list(SEEDS[:1] if args.quick else SEEDS)
    rows: list[dict[str, Any]] = []
    seconds, errors = [], {name: [] for name in METHODS}
    with tempfile.TemporaryDirectory() as scratch:
        for seed in seeds:
            taken, record = demo(Path(scratch) / f"demo-{seed}", seed, quick=args.quick)
            seconds.append(taken)
            rows += demo_rows(seed, taken, record)
            for name, method in METHODS.items():
                errors[name] += [target["methods"][method]["error"] for target in record["design"]["targets"]]
        largest, mnist_rows = mechanical_mnist(Path(scratch), quick=args.quick)
    figures = {
        "demo_seconds": median(seconds),
        "mnist_max_rel_diff": largest,
        **{f"design_error_{name}": median(values) for name, values in errors.items()},
    }
    reporting.write("demo", figures, rows + mnist_rows, seeds, quick=args.quick)


if __name__ == "__main__":
    main()
