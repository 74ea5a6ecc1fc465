"""``genmech retrain``: a surrogate learns from the samples for which the solver had to stand in."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from genmech_fem.cli.assessment import assessed, opened, predict
from genmech_fem.cli.fitting import begun, changeable, held_back, trained, written
from genmech_fem.cli.samples import Pairs, read_fitting
from genmech_fem.metrics import quantiles, relative_l2

if TYPE_CHECKING:
    from genmech_fem.surrogates import TorchModel

PARTS = "surrogate", "surrogate on the original data"


def run(args: argparse.Namespace) -> int:
    """Train further on both, and judge before and after on a held tenth of each."""
    from genmech_fem.surrogates import merge

    old, notes = opened(args.model)
    if args.seed is None:
        args.seed = int(notes["training"]["recipe"]["seed"])
    specs = *old.inputs, *old.outputs
    parts = [held_back(read_fitting(s, specs), args.seed, s) for s in (args.fallbacks, *args.datasets)]
    new, asked = parts[0]
    original, others = (_joined([part[k] for part in parts[1:]]) for k in (0, 1))
    times = max(1, round(len(original[0]) / len(new[0])))
    before = _errors(", before", old, asked, others)
    source = f"{' and '.join(args.datasets)}, and {times} times each of {len(new[0])} of {args.fallbacks}"
    about = begun(args, notes) | {"dataset": source}
    known = _joined([original, *[new] * times])
    forward, notes = trained(args, changeable(args, old), about, known, finish=merge)
    found = assessed(forward, asked, known)
    found["errors"] |= before | _errors("", forward, asked, others)
    remarks = [_change(name, found["errors"]) for name in PARTS]
    judged = f"{args.fallbacks}, held back"
    return written(args, forward, notes, found, (known, asked), source=judged, remarks=remarks)


def _change(name: str, errors: Mapping[str, Mapping[str, float]]) -> str:
    earlier, now = (errors[f"{name}{when}"]["median"] for when in (", before", ""))
    return f"{name}: {'better' if now < earlier else 'WORSE'}, median error {now:.4g} after {earlier:.4g}"


def _errors(when: str, model: "TorchModel", *parts: Pairs) -> dict[str, dict[str, float]]:
    """Quantiles of the relative L2 error on held fallbacks, and on held samples of the original data."""
    return {
        f"{name}{when}": quantiles(relative_l2(predict(model, x)[0], y))
        for name, (x, y) in zip(PARTS, parts, strict=True)
    }


def _joined(parts: list[Pairs]) -> Pairs:
    x, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return x, y
