"""``genmech evaluate``: the report card of a generator, or the card of a surrogate."""

import argparse
import importlib
import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from genmech_fem import plugins
from genmech_fem.cli import page
from genmech_fem.cli.assessment import assessed, opened
from genmech_fem.cli.images import read_images
from genmech_fem.cli.model_card import card_record, card_text, write_card
from genmech_fem.cli.output import tell
from genmech_fem.cli.progress import advance, progress_bar
from genmech_fem.cli.samples import read_fitting
from genmech_fem.forward import ForwardModel
from genmech_fem.metrics import ReportCard, report_card


def run(args: argparse.Namespace) -> int:
    """Score, print the table and write the files."""
    if args.count is not None and args.count < 1:
        raise ValueError(f"--count: expected at least 1, got {args.count}")
    if _is_surrogate(args.samples):
        return _surrogate(args)
    samples = read_images(args.samples, args.count)
    reference = read_images(args.reference)
    training = read_images(args.training) if args.training else None
    if args.out:
        importlib.import_module("genmech_fem.plotting")  # a missing extra is said before the solves
        args.out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        bars: list[tqdm[Any]] = []

        def show(done: int, total: int) -> None:
            if not bars:
                bars.append(stack.enter_context(progress_bar(total, "mesh and solve")))
            advance(bars[0], done)

        card = report_card(
            samples,
            reference,
            training=training,
            solver=homogenization(samples.shape[1:]) if args.solve else None,
            generator=np.random.default_rng(args.seed),
            progress=show,
        )
    text = "\n\n".join([card.table(), "\n".join(f"- {note}" for note in card.notes)])
    tell(args, text, json.loads(card.to_json()))
    if args.out:
        _write(args, card, text)
    return 0


def _is_surrogate(source: str) -> bool:
    """Whether a file holds a model of the group of surrogates."""
    if not source.endswith(".safetensors"):
        return False
    from genmech_fem.training import load_weights

    names = {target.rpartition(":")[2] for _, target in plugins.targets("surrogates")}
    return load_weights(Path(source))[0].get("model") in names


def _surrogate(args: argparse.Namespace) -> int:
    """The card of a surrogate on the samples of the reference."""
    model, notes = opened(Path(args.samples))
    specs = *model.inputs, *model.outputs
    asked = read_fitting(args.reference, specs, args.count)
    known = read_fitting(args.training, specs) if args.training else None
    found = assessed(model, asked, known)
    text = card_text(notes, found, args.reference)
    tell(args, text, card_record(notes, found))
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        write_card(args, text, notes, found, asked)
    return 0


def homogenization(grid: tuple[int, ...]) -> ForwardModel:
    """Solver of the effective stiffness of images on `grid`: conforming meshes in 2D, voxels in 3D.

    Raises:
        ValueError: The cell is no square or cube.
    """
    from genmech_fem.adapters import ConformingHomogenization, pixel_stiffness

    if len(set(grid)) != 1 or len(grid) not in (2, 3):
        raise ValueError(f"--solve: expected images of a square or a cube, got {' x '.join(map(str, grid))} pixels")
    return ConformingHomogenization(grid[0]) if len(grid) == 2 else pixel_stiffness(grid[0], dimension=3)


def _write(args: argparse.Namespace, card: ReportCard, text: str) -> None:
    from genmech_fem.plotting import report_card_figure, to_png

    picture = ("report_card", "Samples, curves and histograms", to_png(report_card_figure(card)))
    whole = f"# Report card of {card.size} samples\n\n{text}"
    page.write_report(args, "report_card", whole, card.to_json(), picture)
