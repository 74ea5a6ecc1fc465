"""Faults brought about for real (tests/faults), what they cost, and what a newcomer meets first.

Run it with  uv run python tests/benchmarks/faults.py [--quick]
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import importlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import reporting

ROOT = Path(__file__).parents[2]
MODULES = ("kills", "disks", "damage", "malice", "bad_numbers", "fuzzing", "endurance", "commands")


def brought_about(module: str, quick: bool) -> Iterator[dict[str, Any]]:
    """Rows of all faults of a module."""
    sys.path.insert(0, str(ROOT / "tests" / "faults"))
    import genmech_fem.problems  # noqa: F401  isort: skip

    import commands
    import endurance
    import faults
    import fuzzing
    import kills

    importlib.import_module(module)
    if not quick:
        kills.KILLS, fuzzing.INPUTS, endurance.SOLVES, endurance.MESHES = 8, 10_000, 1000, 100
        commands.POINTS, commands.ALONE = 3, True
    for name, fault in faults.FAULTS.items():
        if fault_module(fault) != module:
            continue
        with TemporaryDirectory() as folder:
            began = time.perf_counter()
            outcome = fault(Path(folder))
            seconds, note = time.perf_counter() - began, outcome.note.replace(f"{folder}/", "")
        values = {"survived": float(outcome.survived), "samples lost": outcome.lost, "time [s]": seconds}
        for quantity, value in values.items():
            yield {"what": f"fault, {quantity}: {name}", "seed": None, "value": value, "note": note}


def fault_module(fault: Any) -> str:
    """Where a fault comes from."""
    return str(getattr(fault, "func", fault).__module__)


def first_steps(quick: bool) -> Iterator[dict[str, Any]]:
    """Time of ``genmech --help``, number of examples, warnings of the documentation."""
    seconds = []
    for _ in range(3 if quick else 15):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "genmech_fem.cli", "--help"], check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - began)
    yield {"what": "first steps, genmech: --help [s]", "seed": None, "value": median(seconds)}
    examples = len(list((ROOT / "examples").glob("*.py"))) + len(list((ROOT / "plugins").glob("*/example.py")))
    yield {"what": "first steps, genmech: examples", "seed": None, "value": examples}
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", folder]
        quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
        text = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, check=True).stderr
    yield {"what": "first steps, genmech: warnings of the documentation", "seed": None, "value": text.count("WARNING")}


def main() -> None:
    """Bring all faults about, two modules at a time, and write the results."""
    args = reporting.arguments(__doc__ or "")
    jobs: list[tuple[Any, ...]] = [(brought_about, module, args.quick) for module in MODULES]
    rows, earlier = reporting.run("faults", [*jobs, (first_steps, args.quick)], quick=args.quick)
    values = {row["what"]: row["value"] for row in rows}
    tried = [name for name in values if name.startswith("fault, survived: ")]
    figures = {
        "faults_tried": len(tried),
        "faults_survived": int(sum(values[name] for name in tried)),
        "samples_lost": int(sum(value for name, value in values.items() if name.startswith("fault, samples lost: "))),
        "help_seconds": values["first steps, genmech: --help [s]"],
        "examples": values["first steps, genmech: examples"],
        "docs_warnings": values["first steps, genmech: warnings of the documentation"],
    }
    tasks = ("fault", "first steps")
    reporting.write("faults", figures, rows, [0], quick=args.quick, earlier=earlier, tasks=tasks)


if __name__ == "__main__":
    main()
