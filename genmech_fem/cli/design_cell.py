"""``genmech design cell``: cells of a wanted stiffness by the networks of a demo run, solved in DOLFINx; resumable."""

import argparse
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from tabulate import tabulate
from tqdm import tqdm

from genmech_fem.cli import cell_page
from genmech_fem.cli.cell_record import tensor_rows, told
from genmech_fem.cli.cell_search import FINER_REFINE, VERIFY_REFINE, Settings, Task
from genmech_fem.cli.cell_source import Kept, Source
from genmech_fem.cli.demo_settings import COMPONENTS, NETWORKS
from genmech_fem.cli.output import tell
from genmech_fem.cli.progress import progress_bar
from genmech_fem.cli.run_folder import Run
from genmech_fem.datasets import Recorder
from genmech_fem.design import verify
from genmech_fem.geometry import read_image


def run(args: argparse.Namespace) -> int:
    """Check the target, draw, rank, verify, write, and say what came out."""
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
    folder = Run(args.out, settings, command=args.command)
    record = folder.stage("design", lambda run: _design(run, task, fractions))
    headers = ("best cell [GPa]", *COMPONENTS, "error %")
    table = tabulate(tensor_rows(record, target), headers=headers, floatfmt=".4f", missingval="-")
    said = f"best of {len(record['cells'])} verified cells, see {folder.folder / 'report.html'}"
    tell(args, f"{table}\n{said}", record)
    return 0


def _target(args: argparse.Namespace, source: Source) -> tuple[float, ...]:
    """The wanted upper triangle [GPa]."""
    if args.target_of is not None:
        image = np.asarray(read_image(args.target_of), dtype=float)
        return tuple(source.solver(FINER_REFINE)({"phase": image[None]})["stiffness"][0].tolist())
    if len(args.target) != len(COMPONENTS):
        raise ValueError(f"--target: expected {len(COMPONENTS)} numbers {' '.join(COMPONENTS)}, got {len(args.target)}")
    return tuple(args.target)


def _design(run: Run, task: Task, fractions: tuple[float, float]) -> dict[str, Any]:
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
                so_far = verify(verifier, cells, task.objective, source.surrogate(cells))
                early, phases = told(task, {"so far": so_far})
                cell_page.write(run, known | early, phases, task)
            raise
        record, phases = told(task, found)
        record |= known | {"finer": finer({"phase": phases[:1]})["stiffness"][0].tolist()}
    cell_page.write(run, record, phases, task)
    return record


@contextmanager
def _kept(run: Run, source: Source, refine: int, bar: "tqdm[Any]") -> Iterator[Kept]:
    """The solver with `refine` cells a pixel, whose answers are kept in the run folder."""
    solver = source.solver(refine)
    folder, title = run.folder / "solves" / f"refine_{refine}", f"Cells solved with {refine} mesh cells a pixel"
    with Recorder(folder, solver.inputs, solver.outputs[:1], title=title) as recorder:
        yield Kept(solver, recorder, bar)
