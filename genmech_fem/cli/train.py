"""``genmech train`` and ``genmech finetune``: a surrogate from a data set, with its card and its ONNX file."""

import argparse
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from genmech_fem.cli.model_card import (
    Pairs,
    assessed,
    open_part,
    opened,
    page,
    read_fitting,
    read_pairs,
    write_card,
)
from genmech_fem.cli.progress import advance, progress_bar
from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid, Spec, from_json, to_json

if TYPE_CHECKING:
    from genmech_fem.nn import PaddingMode
    from genmech_fem.surrogates import GridSurrogate, PropertySurrogate

NETWORKS = ("unet", "fourier", "vision_transformer", "point_transformer")
LOSSES = ("l2", "relative_l2", "relative_h1")
HELD = 0.1  # share of the samples that judge, unless others are given
UPDATES = ("full", "low_rank", "partial")
HEADS = ("network.head*", "network.norm*", "network.project*", "network.smooth*", "read*")


def add_arguments(parser: argparse.ArgumentParser, *, anew: bool = True) -> None:
    """Add the arguments of the command train, or of finetune."""
    if anew:
        parser.add_argument("dataset", help="folder of a data set, FOLDER:PART for a part of its split")
        parser.add_argument("--input", required=True, metavar="NAME", help="array that is given: a field on a grid")
        parser.add_argument("--output", required=True, metavar="NAME", help="array that is sought: a field or numbers")
        parser.add_argument("--network", default=NETWORKS[0], choices=NETWORKS, help="for fields (default: unet)")
        parser.add_argument("--loss", default="relative_l2", choices=LOSSES, help="for fields (default: relative_l2)")
        parser.add_argument("--periodic", action="store_true", help="the fields are periodic")
    else:
        parser.add_argument("model", type=Path, help="surrogate to begin with, .safetensors")
        parser.add_argument("dataset", help="folder of a data set, FOLDER:PART for a part of its split")
        parser.add_argument("--how", default=UPDATES[0], choices=UPDATES, help="what may change (default: full)")
        parser.add_argument("--rank", type=int, default=4, help="of low-rank updates (default: 4)")
    parser.add_argument("--test", metavar="DATASET", help="samples that judge (default: a tenth of the data set)")
    parser.add_argument("--count", type=int, metavar="N", help="use the first N samples (default: all)")
    parser.add_argument("--seconds", type=float, default=60.0, help="budget of the training [s] (default: 60)")
    parser.add_argument("--batch-size", type=int, default=16, help="samples of a step (default: 16)")
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="peak of the schedule (default: 0.002)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and split (default: 0)")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write model, file and card")


def run(args: argparse.Namespace) -> int:
    """Train a new surrogate."""
    import torch

    names = args.input, args.output
    store, numbers = open_part(args.dataset)
    arrays = read_pairs(store, numbers, names, args.count)
    given, sought = (next(spec for spec in store.specs if spec.name == name) for name in names)
    torch.manual_seed(args.seed)
    model, name = _new(args, given, sought)
    about = {"network": name, "input": to_json(given), "output": to_json(sought)}
    return _fit(args, model, about, arrays)


def _new(args: argparse.Namespace, given: Spec, sought: Spec) -> "tuple[GridSurrogate | PropertySurrogate, str]":
    """An untrained surrogate between these specs, and what to call it.

    Raises:
        ContractError: There is none for them.
    """
    from genmech_fem.surrogates import GridSurrogate, PropertySurrogate

    if not isinstance(given, FieldSpec) or not isinstance(given.place, Grid):
        raise ContractError(f"--input {given.name}: expected a field on a grid, got {given}")
    padding: PaddingMode = "circular" if args.periodic else "zeros"
    if not isinstance(sought, FieldSpec):
        return PropertySurrogate(given.channel_shape, sought.size, padding_mode=padding), "property surrogate"
    if not isinstance(sought.place, Grid):
        raise ContractError(f"--output {sought.name}: expected a field on a grid, or numbers, got {sought}")
    points = sought.place.shape
    margin = 0 if args.periodic else max(2, max(points) // 8)
    settings: dict[str, dict[str, Any]] = {
        "unet": {"padding_mode": padding},
        "fourier": {"padding": margin, "modes": min(16, (min(points) + margin - 1) // 2 * 2)},
    }
    model = GridSurrogate(
        given.channel_shape[0],
        sought.channel_shape,
        network=args.network,
        settings=settings.get(args.network),
        loss=args.loss,
        coordinates=not args.periodic,
    )
    return model, args.network


def finetune(args: argparse.Namespace) -> int:
    """Train a surrogate further, on other samples."""
    import torch
    from torch import nn

    from genmech_fem.surrogates import low_rank, merge, only

    old, notes = opened(args.model)
    model = cast(nn.Module, old.function)
    arrays = read_fitting(args.dataset, (*old.inputs, *old.outputs), args.count)
    torch.manual_seed(args.seed)
    if args.how == "low_rank":
        low_rank(model, args.rank)
    elif args.how == "partial":
        only(model, HEADS)
    about = {key: notes[key] for key in ("network", "input", "output")}
    about |= {"begun_with": str(args.model), "how": args.how.replace("_", "-")}
    return _fit(args, model, about, arrays, finish=merge)


def _fit(
    args: argparse.Namespace,
    model: Any,
    about: dict[str, Any],
    arrays: Pairs,
    *,
    finish: Callable[[Any], None] | None = None,
) -> int:
    """Train, judge, print the card and write the files."""
    from genmech_fem.export import to_onnx
    from genmech_fem.training import Recipe, fit, save_model, training_record

    args.out.mkdir(parents=True, exist_ok=True)
    known, asked, source = _parts(args, arrays, about)
    x, y = (_tensor(array, from_json(about[key])) for array, key in zip(known, ("input", "output"), strict=True))
    recipe = Recipe(
        seconds=args.seconds,
        batch_size=min(args.batch_size, len(x)),
        learning_rate=args.learning_rate,
        seed=args.seed,
        average=0.999,
    )
    began = time.process_time()
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    steps = fit(model, {"x": x, "y": y}, recipe, checkpoint=args.out / "training", log=args.out / "training.jsonl")
    with progress_bar(100, "train") as bar:
        for progress in steps:
            advance(bar, int(100 * progress.fraction))
    if finish is not None:
        finish(model)
    notes = {
        **about,
        "training": training_record({"x": x, "y": y}, recipe),
        "dataset": args.dataset,
        "samples": len(x),
        "numbers": trained,
        "cpu_seconds": time.process_time() - began,
    }
    save_model(model, args.out / "model.safetensors", notes)
    forward, notes = opened(args.out / "model.safetensors")
    to_onnx(
        forward,
        args.out / "model.onnx",
        {forward.inputs[0].name: asked[0][:3]},
        metadata={"training": notes["training"]},
    )
    found = assessed(forward, asked, known)
    text = page(notes, found, source)
    print(text)
    write_card(args.out, text, notes, found, asked)
    return 0


def _parts(args: argparse.Namespace, arrays: Pairs, about: Mapping[str, Any]) -> tuple[Pairs, Pairs, str]:
    """Samples that train, those that judge, and where these come from.

    Raises:
        ValueError: They are too few.
        ContractError: Those that judge have another grid or unit.
    """
    x, y = arrays
    if args.test:
        specs = [from_json(about[key]) for key in ("input", "output")]
        return arrays, read_fitting(args.test, specs), str(args.test)
    held = round(HELD * len(x))
    if held < 3:
        raise ValueError(f"{args.dataset}: expected at least 30 samples, or --test, got {len(x)}")
    order = np.random.default_rng(args.seed).permutation(len(x))
    learn, judge = order[held:], order[:held]
    return (x[learn], y[learn]), (x[judge], y[judge]), f"{args.dataset}, held back"


def _tensor(array: np.ndarray, spec: Spec) -> Any:
    """An array as a training tensor."""
    from genmech_fem.datasets.torch import to_tensors

    return to_tensors({spec.name: array}, (spec,))[spec.name]


COMMANDS = {
    ("train",): (add_arguments, run),
    ("finetune",): (partial(add_arguments, anew=False), finetune),
}
