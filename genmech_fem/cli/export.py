"""``genmech export``: a trained model as an ONNX file, compared with torch, with its passport and a report."""

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np
from tabulate import tabulate

from genmech_fem import plugins
from genmech_fem.cli.assessment import assessed, opened
from genmech_fem.cli.output import tell
from genmech_fem.cli.passport import card_metrics, known_domain, passport_of
from genmech_fem.cli.samples import read_fitting
from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec, Spec
from genmech_fem.runtime import Domain

if TYPE_CHECKING:
    from genmech_fem.export import ExportReport
    from genmech_fem.surrogates import TorchModel

EXAMPLES = 3  # as many as an export compares on


def run(args: argparse.Namespace) -> int:
    """Export the model and print what the file is worth."""
    from genmech_fem.training import load_model

    if args.out.suffix != ".onnx":
        raise ValueError(f"--out: expected a file .onnx, got {args.out}")
    model = load_model(args.model)[0]
    generators = {target.rpartition(":")[2] for _, target in plugins.targets("generative")}
    report = _generator(args, model) if type(model).__name__ in generators else _surrogate(args)
    files = (report.path, *([report.gradients] if report.gradients else []), *report.write())
    tell(args, "\n".join([_text(report), *map(str, files)]), report.to_json())
    return 0


def _text(report: "ExportReport") -> str:
    """Differences to torch, errors if they are known, and the size."""
    rows = [(name, f"{value:.1e}") for name, value in report.rows()]
    parts = [tabulate(rows, headers=["compared with torch", "relative difference"], disable_numparse=True)]
    metrics = report.metadata.get("passport", {}).get("metrics", {})
    if metrics:
        columns = list(dict.fromkeys(key for row in metrics.values() for key in row))
        errors = [
            (name, *(f"{row[key]:.4g}" if key in row else "" for key in columns)) for name, row in metrics.items()
        ]
        parts.append(tabulate(errors, headers=["relative L2 error", *columns], disable_numparse=True))
    parts.append(f"{report.size} bytes, grids: {report.metadata['sizes']}, {report.metadata['precision']}")
    return "\n\n".join(parts)


def _surrogate(args: argparse.Namespace) -> "ExportReport":
    from genmech_fem.export import to_onnx

    model, notes = opened(args.model)
    metrics, given = card_metrics(args.model), model.inputs[0]
    if args.data:
        asked = read_fitting(args.data, (*model.inputs, *model.outputs))
        domain = {given.name: Domain.of(asked[0], given)}
        metrics = {**metrics, **assessed(model, asked, None)["errors"]}
        samples = asked[0][:EXAMPLES]
    else:
        domain = known_domain(model)
        samples = _drawn(model, domain)
    return to_onnx(
        model,
        args.out,
        {given.name: samples},
        passport=passport_of(notes, domain, metrics),
        metadata={"training": notes["training"]},
        sizes=args.sizes,
        half=args.half,
        vjp=args.vjp,
    )


def _drawn(model: "TorchModel", domain: dict[str, Domain]) -> np.ndarray:
    """Random inputs inside the range of the training data.

    Raises:
        ContractError: The model has not kept it.
    """
    given = model.inputs[0]
    if given.name not in domain:
        raise ContractError(f"the model has not kept the range of '{given.name}': give samples by --data")
    axes = [1] * (len(given.channel_shape) - 1)
    low, high = (np.reshape(bound, (-1, *axes)) for bound in (domain[given.name].low, domain[given.name].high))
    drawn = low + (high - low) * np.random.default_rng(0).random((EXAMPLES, *given.channel_shape))
    return drawn.reshape(EXAMPLES, *given.shape)


def _generator(args: argparse.Namespace, model: Any) -> "ExportReport":
    """Export a part of a generator, whose samples are taken to be a field on the unit square or cube.

    Raises:
        ContractError: The arguments are those of surrogates, or its condition is no vector.
    """
    from genmech_fem.export import generator_to_onnx

    if args.vjp or args.half or args.sizes or args.data:
        raise ContractError("--vjp, --half, --sizes and --data are for surrogates: use export.to_onnx in Python")
    kind, size = (getattr(getattr(model, "conditioning", None), "config", None) or (None, 0))[:2]
    if kind not in (None, "scalars") or not hasattr(model, "shape"):
        raise ContractError(
            f"{args.model}: its condition is of the kind {kind}: use export.generator_to_onnx in Python"
        )
    channels, *grid = model.shape
    value_shape = () if channels == 1 else (channels,)
    field = FieldSpec("field", Grid(tuple(grid), (0.0,) * len(grid), (1.0,) * len(grid)), value_shape)
    condition: Spec | None = None if kind is None else ScalarSpec("condition", int(size))
    generator = np.random.default_rng(0)
    specs = [field, *([condition] if condition else [])]
    samples = {spec.name: generator.uniform(0, 1, (EXAMPLES, *spec.shape)) for spec in specs}
    return generator_to_onnx(model, args.out, field=field, condition=condition, part=args.part, samples=samples)
