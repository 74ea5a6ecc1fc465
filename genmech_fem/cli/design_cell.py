"""``genmech design cell``: cells of a wanted stiffness by the networks of a demo run, solved in DOLFINx; resumable."""

import argparse
import hashlib
import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from tabulate import tabulate
from tqdm import tqdm

from genmech_fem.adapters import pixel_homogenization
from genmech_fem.cli import demo
from genmech_fem.cli import design_report as report
from genmech_fem.cli.cell_source import NETWORKS, Kept, Source
from genmech_fem.cli.progress import progress_bar
from genmech_fem.datasets import Recorder
from genmech_fem.design import Candidates, TensorTarget, inverse_design, verify
from genmech_fem.design.diversity import Diversity
from genmech_fem.design.manufacturability import MinimumFeature
from genmech_fem.design.novelty import Novelty
from genmech_fem.design.pixel_flips import PixelFlips
from genmech_fem.design.refinement import refine_cell
from genmech_fem.fields import Arrays
from genmech_fem.forward import ForwardModel, FunctionModel, compose
from genmech_fem.geometry import read_image, write
from genmech_fem.microstructure import sharpen, volume_fraction

VERIFY_REFINE = 2  # mesh cells per pixel of the verification
FINER_REFINE = 4  # and of the second one
TOO_SMALL = 0.01  # share of pixels in features below the smallest size that is let pass
ENTRIES = demo.HEADERS[2:8]
SHOWN = 8  # cells with a picture


@dataclass(frozen=True)
class Settings:
    """What a run does."""

    networks: tuple[str, ...]
    phases: tuple[tuple[float, float], ...]
    target: tuple[float, ...]
    draws: int
    solves: int
    refine_by_adjoint: int
    min_feature: float | None
    seed: int

    def __post_init__(self) -> None:
        if min(self.draws, self.solves) < 1 or min(self.refine_by_adjoint, self.seed) < 0:
            raise ValueError(
                "expected --draws and --solves >= 1, --refine-by-adjoint and --seed >= 0, got "
                f"{self.draws}, {self.solves}, {self.refine_by_adjoint} and {self.seed}"
            )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="folder of a genmech demo run")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--target",
        nargs="+",
        type=float,
        metavar="C",
        help=f"wanted {' '.join(ENTRIES)} [GPa]: upper triangle of the Mandel matrix, row by row, plane strain",
    )
    target.add_argument(
        "--target-of", type=Path, metavar="IMAGE", help="cell (.npy or a picture) whose stiffness it is"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder; the same command resumes")
    parser.add_argument("--draws", type=int, default=1000, help="cells drawn from the generator (default: 1000)")
    parser.add_argument("--solves", type=int, default=10, help="most promising cells that are solved (default: 10)")
    parser.add_argument(
        "--refine-by-adjoint",
        type=int,
        default=0,
        metavar="N",
        help="then flip pixels of the best ones by the adjoint, with N solves on pixels (default: 0)",
    )
    parser.add_argument(
        "--min-feature", type=float, metavar="R", help="reject cells with features smaller than a disc of R pixels"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")


def run(args: argparse.Namespace) -> int:
    """Check the target, draw, rank, verify, write, and say what came out."""
    importlib.import_module("genmech_fem.plotting")  # a missing extra is said before the work
    source = Source(args.run_folder)
    target = _target(args, source)
    fractions = source.check(target)
    settings = Settings(
        tuple(hashlib.sha256(source.file(name).read_bytes()).hexdigest()[:16] for name in NETWORKS),
        (source.settings.matrix, source.settings.inclusion),
        target,
        args.draws,
        args.solves,
        args.refine_by_adjoint,
        args.min_feature,
        args.seed,
    )
    task = Task(source, settings)
    folder = demo.Run(args.out, cast(Any, settings))
    record = folder.stage("design", lambda run: _design(run, task, fractions))
    headers = ("best cell [GPa]", *ENTRIES, "error %")
    print(tabulate(_tensors(record, target), headers=headers, floatfmt=".4f", missingval="-"))
    print(f"best of {len(record['cells'])} verified cells, see {folder.folder / 'report.html'}")
    return 0


def _target(args: argparse.Namespace, source: Source) -> tuple[float, ...]:
    """The wanted upper triangle [GPa]."""
    if args.target_of is not None:
        image = np.asarray(read_image(args.target_of), dtype=float)
        return tuple(source.solver(FINER_REFINE)({"phase": image[None]})["stiffness"][0].tolist())
    if len(args.target) != len(ENTRIES):
        raise ValueError(f"--target: expected {len(ENTRIES)} numbers {' '.join(ENTRIES)}, got {len(args.target)}")
    return tuple(args.target)


class Task:
    """The search of a run, and how its answers are judged.

    Args:
        source: Networks and solver.
        settings: What to do.

    Raises:
        ValueError: A setting is out of its range.
    """

    def __init__(self, source: Source, settings: Settings) -> None:
        self.source, self.settings = source, settings
        self.objective = TensorTarget(np.array(settings.target))
        size = settings.min_feature
        self.feature = None if size is None else MinimumFeature(size, name="phase")

    @cached_property
    def training(self) -> dict[str, np.ndarray]:
        """What the networks have learned from."""
        return self.source.training()

    @cached_property
    def novelty(self) -> Novelty:
        """Distance to the training set."""
        return Novelty(self.training["phase"], name="phase")

    def accepted(self, arrays: Arrays) -> np.ndarray:
        """Whether cells have no features that are too small (batch,)."""
        if self.feature is None:
            return np.ones(len(arrays["phase"]), dtype=bool)
        return np.asarray(self.feature.measure(arrays) <= TOO_SMALL)

    def search(self, verifier: ForwardModel, finer: ForwardModel, bar: "tqdm[Any]") -> Candidates:
        """The most promising of the generator's cells, verified."""
        s, flow = self.settings, self.source.flow

        def clean(arrays: Arrays) -> Arrays:
            bar.update(len(arrays["phase"]))
            return {"phase": sharpen(arrays["phase"])}

        decoder = compose(flow, FunctionModel(clean, flow.outputs, flow.outputs))
        noise = np.random.default_rng(s.seed).standard_normal((s.draws, *flow.inputs[0].shape))
        draws = {"noise": noise, "stiffness": np.repeat(self.objective.target[None], s.draws, axis=0)}
        return inverse_design(
            decoder,
            self.source.surrogate,
            verifier,
            self.objective,
            draws,
            solves=s.solves,
            accept=self.accepted,
            finer=finer,
        )

    def refined(self, found: Candidates, verifier: ForwardModel, finer: ForwardModel) -> dict[str, Candidates]:
        """The best cells with pixels flipped by the adjoint on pixels, verified; nothing where it is not accepted.

        Pixels are stiffer than a mesh: the wanted stiffness is moved by the difference of the best cell.
        """
        s = self.source.settings
        pixels, moduli = pixel_homogenization(s.resolution, s.matrix[1]), (s.matrix[0], s.inclusion[0])
        starts = found.designs["phase"] > 0.5
        meshed = verifier({"phase": starts[:1].astype(float)})["stiffness"][0]
        excess = pixels({"youngs_modulus": np.where(starts[:1], *moduli[::-1])})["stiffness"][0] - meshed
        end = refine_cell(
            pixels,
            self.objective.target + excess,
            starts,
            PixelFlips(moduli),
            solves=self.settings.refine_by_adjoint,
        )
        cell = {"phase": end.phase[None].astype(float)}
        if not self.accepted(cell).all():
            return {}
        predicted = {"stiffness": (end.tensor - excess)[None]}
        return {"refined": verify(verifier, cell, self.objective, predicted, finer=finer)}

    def record(self, found: Mapping[str, Candidates]) -> tuple[dict[str, Any], np.ndarray]:
        """What is told of verified cells, and these (cells, nx, ny), the best first."""
        phases = np.concatenate([one.designs["phase"] for one in found.values()])
        novelty = self.novelty.measure({"phase": phases})
        rows = [row for by, one in found.items() for row in _rows(by, one)]
        small = novelty * np.nan if self.feature is None else self.feature.measure({"phase": phases})
        for row, new, share, phase in zip(rows, novelty, small, phases, strict=True):
            row |= {"volume_fraction": float(volume_fraction(phase[None])[0]), "novelty": float(new)}
            row |= {"too_small": report.known(share)}
        order = np.argsort([row["error"] for row in rows], kind="stable")
        told = {
            "cells": [rows[i] for i in order],
            "diversity": float(Diversity(name="phase").measure({"phase": phases})[0]),
            "failures": [reason for one in found.values() for reason in one.failures.values()],
            "nearest_training_error": float(self.objective.error(self.training).min()),
        }
        return told, phases[order]


def _rows(by: str, found: Candidates) -> list[dict[str, Any]]:
    """Tensors and relative errors of verified cells."""
    errors = {"error": found.values, "predicted_error": found.predicted_values, "finer_error": found.finer_values}
    return [
        {
            "by": by,
            **{name: report.known(values[i] ** 0.5) for name, values in errors.items()},
            "stiffness": found.verified["stiffness"][i].tolist(),
            "predicted_stiffness": found.predicted["stiffness"][i].tolist(),
        }
        for i in range(len(found.values))
    ]


def _design(run: demo.Run, task: Task, fractions: tuple[float, float]) -> dict[str, Any]:
    """The whole of a run; what was verified before Ctrl-C is written too."""
    s, source, _ = task.settings, task.source, task.novelty
    known = {"run": str(source.folder), "volume_fractions": list(fractions)}
    with (
        progress_bar(s.draws, "1 draw (ONNX)") as drawn,
        progress_bar(2 * s.solves + 3 * (s.refine_by_adjoint > 0), "2 mesh and verify", position=1) as solved,
        _kept(run, source, VERIFY_REFINE, solved) as verifier,
        _kept(run, source, FINER_REFINE, solved) as finer,
    ):
        try:
            found = {"generator": task.search(verifier, finer, drawn)}
            if s.refine_by_adjoint:
                found |= task.refined(found["generator"], verifier, finer)
        except KeyboardInterrupt:
            if verifier.done:
                cells = {"phase": np.stack(verifier.done)}
                told, phases = task.record({"so far": verify(verifier, cells, task.objective, source.surrogate(cells))})
                _write(run, known | told, phases, task)
            raise
        told, phases = task.record(found)
        record = known | told | {"finer": finer({"phase": phases[:1]})["stiffness"][0].tolist()}
    _write(run, record, phases, task)
    return record


@contextmanager
def _kept(run: demo.Run, source: Source, refine: int, bar: "tqdm[Any]") -> Iterator[Kept]:
    """The solver with `refine` cells a pixel, whose answers are kept in the run folder."""
    solver = source.solver(refine)
    folder, title = run.folder / "solves" / f"refine_{refine}", f"Cells solved with {refine} mesh cells a pixel"
    with Recorder(folder, solver.inputs, solver.outputs[:1], title=title) as recorder:
        yield Kept(solver, recorder, bar)


def _tensors(record: Mapping[str, Any], target: Sequence[float]) -> list[list[Any]]:
    """Rows of the table of tensors: their name, entries and errors in percent."""
    best = record["cells"][0]
    rows: list[list[Any]] = [["target", *target, None]]
    for name, tensor, error in (
        ("predicted", best["predicted_stiffness"], best["predicted_error"]),
        ("verified", best["stiffness"], best["error"]),
        ("finer", record.get("finer"), best["finer_error"]),
    ):
        if tensor is not None:
            rows.append([name, *tensor, 100 * error])
    return rows


def _write(run: demo.Run, record: Mapping[str, Any], phases: np.ndarray, task: Task) -> None:
    """Write ``design.json``, the cells, the mesh of the best one, and the page."""
    from genmech_fem.plotting import images, mesh_picture
    from genmech_fem.plotting.design import tensor_picture

    whole = {**{name: run.record[name] for name in ("settings", "environment")}, **record}
    report.write_record(run.folder / "design.json", whole)
    np.savez_compressed(run.folder / "cells.npz", phase=phases)
    mesh = task.source.solver(VERIFY_REFINE).mesh(phases[0])
    for suffix in ("msh", "vtu"):
        write(mesh, run.folder / f"cell.{suffix}")
    cells, tensors = record["cells"], _tensors(record, task.settings.target)
    titles = [[f"{row['by']}\n{100 * row['error']:.2f} %" for row in cells[:SHOWN]]]
    columns = {"error": 100, "predicted_error": 100, "finer_error": 100, "volume_fraction": 1, "novelty": 1}
    rows = [[row["by"], *(None if row[c] is None else k * row[c] for c, k in columns.items())] for row in cells]
    parts = [
        *([] if "finer" in record else [report.note("Interrupted: the same command goes on.")]),
        report.table(tensors, ("best cell [GPa]", *ENTRIES, "error %")),
        report.picture("tensors", tensor_picture({row[0]: np.array(row[1:-1]) for row in tensors}, "GPa")),
        report.picture("mesh of the best cell", mesh_picture(mesh, f"verified on {len(mesh.cells)} triangles")),
        report.heading("Verified cells"),
        report.picture("verified cells", images([list(phases[:SHOWN])], titles, colours="gray_r", limits=(0, 1))),
        report.table(rows, ("by", "error %", "predicted %", "finer %", "phase 1", "novelty")),
        report.note(
            f"{task.settings.draws} cells drawn, {len(cells)} verified, {len(record['failures'])} failed. Diversity of "
            f"the verified ones (Vendi score): {record['diversity']:.3g}. Novelty is the distance to the nearest "
            "training cell over that between neighbours there. The nearest stiffness in the training set is "
            f"{100 * record['nearest_training_error']:.2f} % off. The bounds leave the stiff phase a volume fraction "
            "of {:.3f} to {:.3f}.".format(*record["volume_fractions"])
        ),
        report.heading("Not verified"),
        report.note("Cells that were drawn and not solved; anything beyond linear elasticity in plane strain."),
        *report.about(whole),
    ]
    report.write_page(run.folder / "report.html", "Design: cell of a wanted stiffness", parts)
