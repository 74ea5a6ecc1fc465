"""``genmech evaluate``: the report card of a generator, or the card of a surrogate."""

import argparse
import importlib
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from tqdm import tqdm

from genmech_fem import plugins
from genmech_fem.cli.model_card import assessed, open_part, opened, page, read_fitting, write_card
from genmech_fem.cli.progress import advance, progress_bar
from genmech_fem.datasets import write_atomic
from genmech_fem.forward import ForwardModel
from genmech_fem.metrics import ReportCard, report_card

PHASE = "phase"
DRAWN = 200  # samples of a generator
BATCH = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    where = "folder of a data set (FOLDER:PART for a part of its split), .npy, or .npz"
    parser.add_argument(
        "samples",
        help=f"samples of the generator: {where}, array 'phase'; or the generator itself, or a surrogate, .safetensors",
    )
    parser.add_argument(
        "reference",
        help="real images that the generator has not seen, twice as many; or samples that judge a surrogate: the same",
    )
    parser.add_argument("--training", help="what the generator has learned from, to find copies: the same")
    parser.add_argument(
        "--count", type=int, metavar="N", help=f"use the first N samples (default: all, or {DRAWN} of a generator)"
    )
    parser.add_argument("--solve", action="store_true", help="mesh and homogenise samples and real images in DOLFINx")
    parser.add_argument("--seed", type=int, default=0, help="of the random halves of the reference (default: 0)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write report_card.md, .json and .png here")


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
    print(text)
    if args.out:
        _write(card, text, args.out)
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
    text = page(notes, found, args.reference)
    print(text)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        write_card(args.out, text, notes, found, asked)
    return 0


def read_images(source: str, count: int | None = None) -> np.ndarray:
    """The first `count` images (n, *grid) of a data set or file, or all of them.

    Raises:
        ValueError: It is none of the known kinds, or damaged.
        DatasetError: The data set has no such array or part.
        OSError: It cannot be read.
    """
    folder, colon, _ = source.rpartition(":")
    path = Path(source)
    if path.is_dir() or (colon and Path(folder).is_dir()):
        store, numbers = open_part(source)
        return store.read(numbers[:count], [PHASE])[1][PHASE]
    if path.suffix not in READERS:
        raise ValueError(f"{path}: expected the folder of a data set or a file {', '.join(READERS)}")
    return READERS[path.suffix](path, count)


def _array(path: Path, count: int | None) -> np.ndarray:
    """The array of a .npy file, or the array 'phase' of a .npz file, or its only one."""
    try:
        with path.open("rb") as file:
            loaded = np.load(file)
            if isinstance(loaded, np.ndarray):
                return loaded[:count]
            names = loaded.files
            if PHASE not in names and len(names) != 1:
                raise KeyError(f"no array '{PHASE}' among {names}")
            return loaded[PHASE if PHASE in names else names[0]][:count]
    except (ValueError, EOFError, KeyError, IndexError, BadZipFile) as error:
        raise ValueError(f"{path}: expected an array of images ({error})") from error


def _drawn(path: Path, count: int | None) -> np.ndarray:
    """Images that the generator in a file draws, from the seed 0."""
    import torch

    from genmech_fem.generative import GenerativeModel
    from genmech_fem.training import load_model

    model = load_model(path)[0]
    if not isinstance(model, GenerativeModel) or getattr(model, "shape", (0,))[0] != 1:
        raise ValueError(f"{path}: expected a generator of one phase field, got {type(model).__name__}")
    generator, total = torch.Generator().manual_seed(0), count or DRAWN
    try:
        parts = [model.sample(min(BATCH, total - start), generator=generator)[:, 0] for start in range(0, total, BATCH)]
    except ValueError as error:
        raise ValueError(f"{path}: {error}: draw samples in Python and give them as .npy") from error
    return torch.cat(parts).double().clamp(0, 1).numpy()


# what reads the first images of a file, by its suffix
READERS: dict[str, Callable[[Path, int | None], np.ndarray]] = {
    ".npy": _array,
    ".npz": _array,
    ".safetensors": _drawn,
}


def homogenization(grid: tuple[int, ...]) -> ForwardModel:
    """Solver of the effective stiffness of images on `grid`: conforming meshes in 2D, voxels in 3D.

    Raises:
        ValueError: The cell is no square or cube.
    """
    from genmech_fem.adapters import ConformingHomogenization, pixel_stiffness

    if len(set(grid)) != 1 or len(grid) not in (2, 3):
        raise ValueError(f"--solve: expected images of a square or a cube, got {' x '.join(map(str, grid))} pixels")
    return ConformingHomogenization(grid[0]) if len(grid) == 2 else pixel_stiffness(grid[0], dimension=3)


def _write(card: ReportCard, text: str, folder: Path) -> None:
    from genmech_fem.plotting import report_card_figure, to_png

    page = f"# Report card of {card.size} samples\n\n{text}\n\n![Samples, curves and histograms](report_card.png)\n"
    write_atomic(folder / "report_card.png", to_png(report_card_figure(card)))
    write_atomic(folder / "report_card.json", card.to_json().encode())
    write_atomic(folder / "report_card.md", page.encode())
