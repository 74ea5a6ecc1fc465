"""A surrogate from samples, for the commands that train one: what may change, what judges, and the files."""

import argparse
import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from genmech_fem.cli.assessment import opened
from genmech_fem.cli.model_card import card_record, card_text, write_card
from genmech_fem.cli.output import tell
from genmech_fem.cli.passport import passport_of
from genmech_fem.cli.samples import Pairs
from genmech_fem.cli.training_bar import fit_with_bar
from genmech_fem.fields import Spec, from_json
from genmech_fem.runtime import Domain

if TYPE_CHECKING:
    from torch import nn

    from genmech_fem.surrogates import TorchModel

HELD = 0.1  # share of the samples that judge, unless others are given
LEAST = 3  # of them
HEADS = ("network.head*", "network.norm*", "network.project*", "network.smooth*", "read*")


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
    from genmech_fem.training import Recipe, save_model, training_record

    importlib.import_module("genmech_fem.plotting")  # a missing extra is said before the training
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
    fit_with_bar(model, {"x": x, "y": y}, recipe, args.out)
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
    args: argparse.Namespace,
    forward: "TorchModel",
    notes: Mapping[str, Any],
    found: Mapping[str, Any],
    parts: tuple[Pairs, Pairs],
    *,
    source: str,
    remarks: Sequence[str] = (),
) -> int:
    """Write the ONNX file, with its passport, and the card of a surrogate, and print the card.

    Args:
        args: The arguments of the command; ``args.out`` says where.
        forward: The surrogate.
        notes: Its notes.
        found: What `assessed` says.
        parts: Samples that trained, and those that judged.
        source: Where the latter come from.
        remarks: Lines to print below the card.
    """
    from genmech_fem.export import to_onnx

    (x, _), asked = parts
    spec = forward.inputs[0]
    to_onnx(
        forward,
        args.out / "model.onnx",
        {spec.name: asked[0][:3]},
        passport=passport_of(notes, {spec.name: Domain.of(x, spec)}, found["errors"]),
        metadata={"training": notes["training"]},
    )
    text = card_text(notes, found, source)
    write_card(args, text, notes, found, asked)
    tell(args, "\n".join([text, *remarks]), card_record(notes, found))
    return 0


def _tensor(array: np.ndarray, spec: Spec) -> Any:
    """An array as a training tensor."""
    from genmech_fem.datasets.torch import to_tensors

    return to_tensors({spec.name: array}, (spec,))[spec.name]
