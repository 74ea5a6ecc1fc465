"""A surrogate from samples, for the commands that train one: what may change, what judges, and the files."""

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from genmech_fem.cli.model_card import Pairs, opened, page, write_card
from genmech_fem.cli.passport import passport_of
from genmech_fem.cli.progress import advance, progress_bar
from genmech_fem.fields import Spec, from_json
from genmech_fem.runtime import Domain

if TYPE_CHECKING:
    from torch import nn

    from genmech_fem.surrogates import TorchModel

HELD = 0.1  # share of the samples that judge, unless others are given
LEAST = 3  # of them
UPDATES = ("full", "low_rank", "partial")
HEADS = ("network.head*", "network.norm*", "network.project*", "network.smooth*", "read*")


def add_update_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say what of a trained surrogate may change."""
    parser.add_argument("--how", default=UPDATES[0], choices=UPDATES, help="what may change (default: full)")
    parser.add_argument("--rank", type=int, default=4, help="of low-rank updates (default: 4)")


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of every training."""
    parser.add_argument("--seconds", type=float, default=60.0, help="budget of the training [s] (default: 60)")
    parser.add_argument("--batch-size", type=int, default=16, help="samples of a step (default: 16)")
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="peak of the schedule (default: 0.002)")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write model, file and card")


def held_back(arrays: Pairs, seed: int, source: str) -> tuple[Pairs, Pairs]:
    """Samples that train, and a tenth that judges.

    Raises:
        ValueError: They are too few; `source` says which.
    """
    x, y = arrays
    held = round(HELD * len(x))
    if held < LEAST:
        raise ValueError(f"{source}: expected at least {round(LEAST / HELD)} samples, got {len(x)}")
    order = np.random.default_rng(seed).permutation(len(x))
    learn, judge = order[held:], order[:held]
    return (x[learn], y[learn]), (x[judge], y[judge])


def changeable(args: argparse.Namespace, old: "TorchModel") -> "nn.Module":
    """The network of a surrogate, of which the rest is frozen; it goes on from ``args.seed``."""
    import torch
    from torch import nn

    from genmech_fem.surrogates import low_rank, only

    torch.manual_seed(args.seed)
    model = cast(nn.Module, old.function)
    if args.how == "low_rank":
        low_rank(model, args.rank)
    elif args.how == "partial":
        only(model, HEADS)
    return model


def begun(args: argparse.Namespace, notes: Mapping[str, Any]) -> dict[str, Any]:
    """What the notes of a surrogate say that stays true when it is trained further."""
    kept = {key: notes[key] for key in ("network", "input", "output", "solver") if key in notes}
    return kept | {"begun_with": str(args.model), "how": args.how.replace("_", "-")}


def trained(
    args: argparse.Namespace,
    model: Any,
    about: dict[str, Any],
    known: Pairs,
    *,
    finish: Callable[[Any], None] | None = None,
) -> "tuple[TorchModel, dict[str, Any]]":
    """Train a surrogate on these samples and save it; it and its notes."""
    from genmech_fem.training import Recipe, fit, save_model, training_record

    args.out.mkdir(parents=True, exist_ok=True)
    x, y = (_tensor(array, from_json(about[key])) for array, key in zip(known, ("input", "output"), strict=True))
    recipe = Recipe(
        seconds=args.seconds,
        batch_size=min(args.batch_size, len(x)),
        learning_rate=args.learning_rate,
        seed=args.seed,
        average=0.999,
    )
    began = time.process_time()
    numbers = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    steps = fit(model, {"x": x, "y": y}, recipe, checkpoint=args.out / "training", log=args.out / "training.jsonl")
    with progress_bar(100, "train") as bar:
        for progress in steps:
            advance(bar, int(100 * progress.fraction))
    if finish is not None:
        finish(model)
    notes = {
        **about,
        "training": training_record({"x": x, "y": y}, recipe),
        "samples": len(x),
        "numbers": numbers,
        "cpu_seconds": time.process_time() - began,
    }
    save_model(model, args.out / "model.safetensors", notes)
    return opened(args.out / "model.safetensors")


def written(
    folder: Path,
    forward: "TorchModel",
    notes: Mapping[str, Any],
    found: Mapping[str, Any],
    parts: tuple[Pairs, Pairs],
    source: str,
) -> int:
    """Write the ONNX file, with its passport, and the card of a surrogate, and print the card.

    Args:
        folder: Where.
        forward: The surrogate.
        notes: Its notes.
        found: What `assessed` says.
        parts: Samples that trained, and those that judged.
        source: Where the latter come from.
    """
    from genmech_fem.export import to_onnx

    (x, _), asked = parts
    spec = forward.inputs[0]
    to_onnx(
        forward,
        folder / "model.onnx",
        {spec.name: asked[0][:3]},
        passport=passport_of(notes, {spec.name: Domain.of(x, spec)}, found["errors"]),
        metadata={"training": notes["training"]},
    )
    text = page(notes, found, source)
    print(text)
    write_card(folder, text, notes, found, asked)
    return 0


def _tensor(array: np.ndarray, spec: Spec) -> Any:
    """An array as a training tensor."""
    from genmech_fem.datasets.torch import to_tensors

    return to_tensors({spec.name: array}, (spec,))[spec.name]
