"""``genmech design structure``: topology optimisation, and the design meshed and solved again; resumable."""

import argparse
import importlib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import numpy as np
from tabulate import tabulate

from genmech_fem.cli import design_report as report
from genmech_fem.cli.demo import Run
from genmech_fem.cli.progress import advance, progress_bar
from genmech_fem.cli.structure_task import INTERPOLATIONS, LOADS, OPTIMIZERS, Settings, Task
from genmech_fem.design import (
    Candidates,
    DesignResult,
    Step,
    Value,
    topology_optimization,
)
from genmech_fem.errors import GenmechError
from genmech_fem.geometry import Design, export_design

COMPLIANCE = Value("compliance")
APART = 0.05  # relative difference of two meshes that is warned of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder; the same command resumes")
    parser.add_argument("--load", choices=LOADS, default="cantilever", help="the structure (default: cantilever)")
    parser.add_argument("--shape", default="60x20", help="grid cells NXxNY, or NXxNYxNZ (default: 60x20)")
    parser.add_argument("--volume", type=float, default=0.5, help="largest solid share of the box (default: 0.5)")
    parser.add_argument("--radius", type=float, default=2.4, help="of the density filter [cell] (default: 2.4)")
    parser.add_argument("--interpolation", choices=tuple(INTERPOLATIONS), default="simp", help="(default: simp)")
    parser.add_argument("--penalty", type=float, help="of the interpolation (default: 3 for simp, 8 for ramp)")
    parser.add_argument(
        "--sharpness",
        nargs="*",
        type=float,
        default=[2.0, 8.0],
        metavar="BETA",
        help="of projections, a loop for each after one without; nothing for that one alone, whose design is grey and "
        "may break where it is thin (default: 2 8)",
    )
    parser.add_argument("--optimizer", choices=tuple(OPTIMIZERS), default="oc", help="(default: oc)")
    parser.add_argument("--iterations", type=int, default=200, help="most solves of each loop (default: 200)")
    parser.add_argument(
        "--min-feature",
        type=float,
        metavar="R",
        help="radius for the figure of features that are too small [cell] (default: half that of the filter, or 1)",
    )
    parser.add_argument(
        "--refine",
        type=int,
        metavar="N",
        help="of the second mesh, 1 for none (default: 2; in 3D, where it is slow, 1)",
    )
    parser.add_argument("--thickness", type=float, metavar="T", help="of the plane design in STL and STEP (default: 1)")
    parser.add_argument("--step", action="store_true", help="write design.step too (needs gmsh)")


def run(args: argparse.Namespace) -> int:
    """Optimise, verify, write, and say what came out."""
    importlib.import_module("genmech_fem.plotting")  # a missing extra is said before the work
    settings = _settings(args)
    task, folder = Task(settings), Run(args.out, cast(Any, settings))
    record = folder.stage("design", lambda run: _design(run, task))
    print(tabulate(_values(record), floatfmt=".5g", missingval="-"))
    print(tabulate(_figures(record, task)))
    for line in _warnings(record):
        print(line)
    print(f"{record['message']}, {record['evaluations']} solves; report: {folder.folder / 'report.html'}")
    return 0


def _settings(args: argparse.Namespace) -> Settings:
    given = {field.name: getattr(args, field.name) for field in fields(Settings)}
    try:
        given["shape"] = tuple(int(cells) for cells in args.shape.split("x"))
    except ValueError:
        raise ValueError(f"--shape: expected cells such as 60x20 or 24x8x8, got {args.shape!r}") from None
    given["sharpness"] = tuple(args.sharpness)
    if args.min_feature is None:
        given["min_feature"] = max(1.0, args.radius / 2)
    if args.refine is None:
        given["refine"] = 2 if len(given["shape"]) == 2 else 1
    return Settings(**given)


def _design(run: Run, task: Task) -> dict[str, Any]:
    """The whole of a run; the design is kept before it is verified, and where the loop was interrupted."""
    loops, interrupted = _optimised(run.folder / "journal", task)
    found, density = loops[-1], loops[-1].outputs["density"]
    record: dict[str, Any] = {
        "message": found.message,
        "predicted": found.value,
        "volume": float(density.mean()),
        "figures": {name: float(term.measure({"density": density})[0]) for name, term in task.terms.items()},
        "evaluations": sum(loop.evaluations for loop in loops),
        "failures": [failure for loop in loops for failure in loop.failures],
        "histories": [loop.history for loop in loops],
    }
    np.save(run.folder / "density.npy", density[0])
    _write(run, record, task)
    if interrupted:
        raise KeyboardInterrupt
    try:
        answer, design = _verified(run, found, task)
    except GenmechError as error:
        _write(run, record | {"unverified": str(error)}, task)
        raise
    record |= {
        "verified": float(answer.values[0]),
        "verified_volume": float(answer.verified["volume"][0, 0]),
        "finer": report.known(answer.finer_values[0]),
        "left_out": {"volume of unsupported parts": design.removed, "thin bridges": design.lost_bridges},
    }
    _write(run, record, task, design)
    return record


def _optimised(journal: Path, task: Task) -> tuple[list[DesignResult], bool]:
    """The results of the loops, each of which goes on where the one before ended, and whether Ctrl-C ended them."""
    s, loops = task.settings, list[DesignResult]()
    with progress_bar(s.iterations * len(task.densities), "1 optimise (DOLFINx)") as bar:
        for number, densities in enumerate(task.densities):

            def show(step: Step, done: int = number * s.iterations) -> None:
                bar.set_postfix(compliance=f"{step.value:.5g}", refresh=False)
                advance(bar, done + step.iteration)

            try:
                found = topology_optimization(
                    task.model,
                    densities,
                    s.volume,
                    optimizer=task.optimizer,
                    start=loops[-1].last["variables"][0] if loops else None,
                    iterations=s.iterations,
                    journal=journal / str(number),
                    progress=show,
                )
            except KeyboardInterrupt:
                if not loops:
                    raise
                return loops, True
            loops.append(found)
            if isinstance(found.stopped, KeyboardInterrupt):
                return loops, True
    return loops, False


def _verified(run: Run, found: DesignResult, task: Task) -> tuple[Candidates, Design]:
    """The design solved on conforming meshes, the first of which is written."""
    s, verifier, density = task.settings, task.solid(), found.outputs["density"][0]
    with progress_bar(2, "2 mesh and verify") as bar:
        design = verifier.mesh(density)
        thickness = (s.thickness or 1.0) if s.plane else None
        for suffix in ("msh", "stl", *(["step"] if s.step else [])):
            export_design(design, run.folder / f"mesh.{suffix}", thickness=thickness)
        verifier.write(density, run.folder / "mesh.vtu")
        bar.update()
        found = found.verified(verifier, COMPLIANCE, finer=task.solid(s.refine) if s.refine > 1 else None)
        bar.update()
    return cast(Candidates, found.candidates), design


def _values(record: Mapping[str, Any]) -> list[tuple[str, float | None]]:
    return [
        ("compliance predicted on grey cells", record["predicted"]),
        ("compliance verified on a mesh of the solid", record.get("verified")),
        ("compliance on a finer mesh", record.get("finer")),
        ("volume of the grey cells", record["volume"]),
        ("volume of the mesh", record.get("verified_volume")),
    ]


def _warnings(record: Mapping[str, Any]) -> list[str]:
    """What makes the verified value doubtful."""
    finer, verified = record.get("finer"), record.get("verified")
    if finer is None or abs(finer / verified - 1) <= APART:
        return []
    return [
        f"The two meshes differ by {abs(finer / verified - 1):.1%}: a thin or grey part breaks on one of them; "
        "take a larger --sharpness or --radius."
    ]


def _figures(record: Mapping[str, Any], task: Task) -> list[tuple[str, str]]:
    return [(task.meanings[name], f"{share:.2%}") for name, share in record["figures"].items()]


def _write(run: Run, record: Mapping[str, Any], task: Task, design: Design | None = None) -> None:
    """Write ``design.json`` and the page."""
    from genmech_fem.plotting.design import density_picture, history_curve, solid_picture

    whole = {**{name: run.record[name] for name in ("settings", "environment")}, **record}
    report.write_record(run.folder / "design.json", whole)
    histories = record["histories"]
    curve = history_curve(
        [value for history in histories for value in history], "compliance", stages=[len(h) for h in histories]
    )
    verified = (
        [
            report.picture("mesh of the solid", solid_picture(design.mesh)),
            report.table([*record["left_out"].items()], ("left out of the mesh", "")),
        ]
        if design
        else [report.note(f"Not verified: {record.get('unverified', 'interrupted, the same command goes on')}.")]
    )
    parts = [
        report.table(_values(record), ("unit loads, Young's modulus 1, Poisson's ratio 0.3", "")),
        *map(report.note, _warnings(record)),
        report.picture("density", density_picture(np.load(run.folder / "density.npy"))),
        *verified,
        report.heading("Can it be made?"),
        report.table(_figures(record, task), ("of the cells with a density above 0.5", "share")),
        report.heading("Course"),
        report.picture("history", curve),
        report.note(f"{record['message']}; {record['evaluations']} solves, {len(record['failures'])} failures"),
        report.heading("Not verified"),
        report.note(
            "Strength, buckling, fatigue, contact and large displacements: the answer is that of linear elasticity"
            f"{' in plane stress' if task.settings.plane else ''} under the loads of the structure."
        ),
        *report.about(whole),
    ]
    report.write_page(run.folder / "report.html", f"Design: {task.settings.load}", parts)
