"""``genmech train`` and ``genmech finetune``: a surrogate from a data set, with its card and its ONNX file."""

import argparse
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from genmech_fem.cli.assessment import assessed, opened
from genmech_fem.cli.fitting import begun, changeable, held_back, trained, written
from genmech_fem.cli.passport import solver_of
from genmech_fem.cli.samples import Pairs, open_part, read_fitting, read_pairs
from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid, Spec, from_json, to_json

if TYPE_CHECKING:
    from genmech_fem.nn import PaddingMode
    from genmech_fem.surrogates import GridSurrogate, PropertySurrogate


def run(args: argparse.Namespace) -> int:
    """Train a new surrogate."""
    import torch

    names = args.input, args.output
    store, numbers = open_part(args.dataset)
    arrays = read_pairs(store, numbers, names, args.count)
    given, sought = (next(spec for spec in store.specs if spec.name == name) for name in names)
    torch.manual_seed(args.seed)
    model, name = _new(args, given, sought)
    about = {"network": name, "input": to_json(given), "output": to_json(sought), "dataset": args.dataset}
    about["solver"] = solver_of(store)
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
    from genmech_fem.surrogates import merge

    old, notes = opened(args.model)
    arrays = read_fitting(args.dataset, (*old.inputs, *old.outputs), args.count)
    return _fit(args, changeable(args, old), begun(args, notes) | {"dataset": args.dataset}, arrays, finish=merge)


def _fit(
    args: argparse.Namespace,
    model: Any,
    about: dict[str, Any],
    arrays: Pairs,
    *,
    finish: Callable[[Any], None] | None = None,
) -> int:
    """Train, judge, print the card and write the files."""
    known, asked, source = _parts(args, arrays, about)
    forward, notes = trained(args, model, about, known, finish=finish)
    return written(args, forward, notes, assessed(forward, asked, known), (known, asked), source=source)


def _parts(args: argparse.Namespace, arrays: Pairs, about: Mapping[str, Any]) -> tuple[Pairs, Pairs, str]:
    """Samples that train, those that judge, and where these come from.

    Raises:
        ValueError: They are too few to hold some back.
        ContractError: Those that judge have another grid or unit.
    """
    if args.test:
        specs = [from_json(about[key]) for key in ("input", "output")]
        return arrays, read_fitting(args.test, specs), str(args.test)
    known, asked = held_back(arrays, args.seed, f"{args.dataset}, without --test")
    return known, asked, f"{args.dataset}, held back"
