"""``genmech demo``: the closed loop on periodic fibre-matrix cells, resumable at any point."""

import argparse
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tabulate import tabulate

from genmech_fem import plugins
from genmech_fem.datasets import write_atomic
from genmech_fem.datasets.provenance import environment
from genmech_fem.errors import DatasetError

FREE_BYTES = 200_000_000


@dataclass(frozen=True)
class Settings:
    """What a run does; a run folder holds one set of settings."""

    microstructure: str = "fibres"
    resolution: int = 32
    matrix: tuple[float, float] = (3.5, 0.35)
    inclusion: tuple[float, float] = (70.0, 0.22)
    samples: int = 640
    held_out: float = 0.15
    generator_steps: int = 1150
    surrogate_steps: int = 1150
    targets: int = 3
    candidates: int = 192
    solves: int = 5
    seed: int = 0


QUICK = Settings(samples=64, generator_steps=40, surrogate_steps=40, targets=1, candidates=16, solves=2)


class Run:
    """A run folder: its settings, and what each finished stage found.

    Args:
        folder: Where everything is written.
        settings: What to do.

    Raises:
        DatasetError: The folder holds something else, a run of other settings, or a
            damaged record.
        OSError: The folder cannot be written, or its disk is full.
    """

    def __init__(self, folder: Path, settings: Settings) -> None:
        self.folder, self.settings = folder, settings
        self._file = folder / "run.json"
        if folder.is_dir() and any(folder.iterdir()) and not self._file.exists():
            raise DatasetError(f"{folder} holds files that are not of a run: choose another folder with --out")
        folder.mkdir(parents=True, exist_ok=True)
        self.record: dict[str, Any] = {"settings": _plain(settings), "environment": environment(), "seconds": {}}
        if self._file.exists():
            self.record = self._read()
        elif shutil.disk_usage(folder).free < FREE_BYTES:
            raise OSError(f"{folder}: less than {FREE_BYTES // 10**6} MB are free on this disk: choose another --out")
        self._save()

    def _read(self) -> dict[str, Any]:
        try:
            record = json.loads(self._file.read_text())
            old = record["settings"]
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{self._file} is damaged: choose another folder with --out") from error
        new = _plain(self.settings)
        changed = [f"{key} was {old.get(key)}, now {new[key]}" for key in new if old.get(key) != new[key]]
        if changed:
            raise DatasetError(
                f"{self.folder} holds a run of other settings ({'; '.join(changed)}): "
                "choose another folder with --out or repeat the old settings"
            )
        return dict(record)

    def _save(self) -> None:
        write_atomic(self._file, json.dumps(self.record, indent=1).encode())

    def stage(self, name: str, compute: Callable[["Run"], dict[str, Any]]) -> dict[str, Any]:
        """Return what the stage found, computing it if this run has not yet."""
        if name not in self.record:
            began = time.perf_counter()
            try:
                self.record[name] = compute(self)
            finally:
                self.record["seconds"][name] = self.record["seconds"].get(name, 0.0) + time.perf_counter() - began
                self._save()
        return dict(self.record[name])


def _plain(settings: Settings) -> dict[str, Any]:
    return dict(json.loads(json.dumps(asdict(settings))))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the demo."""
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="run folder (default: runs/demo)")
    parser.add_argument("--quick", action="store_true", help="smallest size: shows that everything runs, learns little")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything random (default: 0)")
    for phase, usual in (("matrix", Settings.matrix), ("inclusion", Settings.inclusion)):
        parser.add_argument(
            f"--{phase}",
            nargs=2,
            type=float,
            default=usual,
            metavar=("E", "NU"),
            help=f"Young's modulus [GPa] and Poisson's ratio of the {phase} (default: {usual[0]} {usual[1]})",
        )
    parser.add_argument(
        "--microstructure", default="fibres", help="sampler by plugin name, see 'genmech plugins' (default: fibres)"
    )


def run(args: argparse.Namespace) -> int:
    """Run all stages that the folder lacks, then print the result."""
    if args.seed < 0:
        raise ValueError(f"--seed: expected a number >= 0, got {args.seed}")
    sampler = plugins.load("microstructures", args.microstructure)()
    if any(spec.place.dimension != 2 for spec in sampler.outputs):
        raise ValueError(f"--microstructure: expected a sampler of images, got '{args.microstructure}' in 3D")
    settings = replace(
        QUICK if args.quick else Settings(),
        seed=args.seed,
        microstructure=args.microstructure,
        matrix=tuple(args.matrix),
        inclusion=tuple(args.inclusion),
    )
    from genmech_fem.cli import demo_evaluation, demo_stages, report

    demo_stages.solver(settings)
    stages = {
        "data": demo_stages.data,
        "learn": demo_stages.learn,
        "export": demo_stages.export,
        "evaluate": demo_evaluation.evaluate,
        "design": demo_stages.design,
        "report": report.write,
    }
    run = Run(args.out, settings)

    for name, compute in stages.items():
        run.stage(name, compute)
    print(summary(run.record))
    print(f"\nreport: {run.folder / 'report.html'}   total: {sum(run.record['seconds'].values()):.0f} s")
    return 0


def design_rows(record: dict[str, Any]) -> list[list[Any]]:
    """Rows of the table of designs: target, then method by method the best verified design."""
    rows: list[list[Any]] = []
    for number, target in enumerate(record["design"]["targets"]):
        rows.append([f"target {number}", "", *target["target"], "", "", ""])
        for method, found in target["methods"].items():
            predicted = found["predicted_error"]
            rows.append(
                [
                    "",
                    method,
                    *found["stiffness"],
                    "" if predicted is None else f"{100 * predicted:.2f}",
                    f"{100 * found['error']:.2f}",
                    found["solves"],
                ]
            )
    return rows


HEADERS = ("", "best design by", "C11", "C12", "C16", "C22", "C26", "C66", "predicted %", "verified %", "solves")


def summary(record: dict[str, Any]) -> str:
    """The final table as text."""
    table = tabulate(design_rows(record), headers=HEADERS, floatfmt=".3f")
    medians = ", ".join(f"{method} {100 * error:.2f} %" for method, error in record["design"]["median_error"].items())
    return (
        f"Effective stiffness C* [GPa, Mandel], error = relative Frobenius distance to the target\n{table}\n"
        f"median verified error: {medians}"
    )
