"""``genmech demo``: the closed loop on periodic fibre-matrix cells, resumable at any point."""

import argparse
from dataclasses import replace
from typing import Any

from tabulate import tabulate

from genmech_fem import plugins
from genmech_fem.cli.demo_settings import COMPONENTS, QUICK, Settings
from genmech_fem.cli.output import tell
from genmech_fem.cli.run_folder import Run

HEADERS = ("", "best design by", *COMPONENTS, "predicted %", "verified %", "solves")


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
    from genmech_fem.cli import demo_design, demo_evaluation, demo_learning, demo_report, demo_stages

    demo_stages.solver(settings)
    stages = {
        "data": demo_stages.data,
        "learn": demo_learning.learn,
        "export": demo_stages.export,
        "evaluate": demo_evaluation.evaluate,
        "design": demo_design.design,
        "report": demo_report.write,
    }
    run = Run(args.out, settings, command=args.command)

    for name, compute in stages.items():
        run.stage(name, compute)
    total = f"report: {run.folder / 'report.html'}   total: {sum(run.record['seconds'].values()):.0f} s"
    tell(args, f"{summary(run.record)}\n\n{total}", run.record)
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


def summary(record: dict[str, Any]) -> str:
    """The final table as text."""
    table = tabulate(design_rows(record), headers=HEADERS, floatfmt=".3f")
    medians = ", ".join(f"{method} {100 * error:.2f} %" for method, error in record["design"]["median_error"].items())
    return (
        f"Effective stiffness C* [GPa, Mandel], error = relative Frobenius distance to the target\n{table}\n"
        f"median verified error: {medians}"
    )
