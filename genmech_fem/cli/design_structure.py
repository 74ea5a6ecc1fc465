"""``genmech design structure``: topology optimisation, and the design meshed and solved again; resumable."""

import argparse
from dataclasses import fields
from typing import Any, cast

from tabulate import tabulate

from genmech_fem.cli import page, structure_page
from genmech_fem.cli.output import tell
from genmech_fem.cli.progress import progress_bar
from genmech_fem.cli.run_folder import Run
from genmech_fem.cli.structure_loops import optimised
from genmech_fem.cli.structure_settings import Settings
from genmech_fem.cli.structure_task import Task
from genmech_fem.design import Candidates, DesignResult, Value
from genmech_fem.errors import GenmechError
from genmech_fem.geometry import Design, export_design

COMPLIANCE = Value("compliance")


def run(args: argparse.Namespace) -> int:
    """Optimise, verify, write, and say what came out."""
    settings = _settings(args)
    task, folder = Task(settings), Run(args.out, settings, command=args.command)
    record = folder.stage("design", lambda run: _design(run, task))
    lines = [
        tabulate(structure_page.values(record), floatfmt=".5g", missingval="-"),
        tabulate(structure_page.figures(record, task)),
        *structure_page.warnings(record),
        f"{record['message']}, {record['evaluations']} solves; report: {folder.folder / 'report.html'}",
    ]
    tell(args, "\n".join(lines), record)
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
    loops, interrupted = optimised(run.folder / "journal", task)
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
    page.write_array(run.folder / "density.npy", density[0])
    structure_page.write(run, record, task)
    if interrupted:
        raise KeyboardInterrupt
    try:
        answer, design = _verified(run, found, task)
    except GenmechError as error:
        structure_page.write(run, record | {"unverified": str(error)}, task)
        raise
    record |= {
        "verified": float(answer.values[0]),
        "verified_volume": float(answer.verified["volume"][0, 0]),
        "finer": page.known(answer.finer_values[0]),
        "left_out": {"volume of unsupported parts": design.removed, "thin bridges": design.lost_bridges},
    }
    structure_page.write(run, record, task, design)
    return record


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
