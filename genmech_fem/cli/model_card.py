"""The card of a surrogate: what it learned from, and how wrong it is on samples that it has not seen."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from genmech_fem.cli import page
from genmech_fem.cli.assessment import BATCH
from genmech_fem.cli.samples import Pairs
from genmech_fem.fields import FieldSpec, Spec, from_json

WORST = 4  # cases with a picture
SHOWN = 6  # numbers of an output with a picture


def card_text(notes: Mapping[str, Any], found: Mapping[str, Any], source: str) -> str:
    """The card as Markdown."""
    training, (given, sought) = notes["training"], (from_json(notes[key]) for key in ("input", "output"))
    budget = {key: value for key, value in training["recipe"].items() if value is not None}
    lines = [
        f"# {notes['network']}: {given.name} to {sought.name}",
        f"- input: {_described(given)}",
        f"- output: {_described(sought)}",
        f"- learned from {notes['samples']} samples of {notes['dataset']} (sha256 of the tensors: "
        f"{training['data'][:16]}), {notes['numbers']} trained numbers, {notes['cpu_seconds']:.0f} CPU-s",
        f"- recipe: {', '.join(f'{key} {value}' for key, value in budget.items())}",
        *([f"- begun with {notes['begun_with']}, {notes['how']} updates"] if "begun_with" in notes else []),
        f"- judged on {found['samples']} samples of {source}; {found['outside']} of them leave the range of the "
        f"training inputs, by at most {found['farthest']:.2g} of its width",
        f"- one prediction: {1e3 * found['seconds']:.3g} ms in a batch of {BATCH}",
        "",
        "Relative L2 error of a sample:",
        "",
        tabulate(
            [(name, *(f"{value:.4g}" for value in row.values())) for name, row in found["errors"].items()],
            headers=["", *found["errors"]["surrogate"]],
            tablefmt="github",
            disable_numparse=True,
        ),
    ]
    return "\n".join(lines)


def card_record(notes: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """The card as JSON data."""
    return {"notes": dict(notes), **{key: value for key, value in found.items() if key != "predicted"}}


def write_card(
    args: argparse.Namespace, text: str, notes: Mapping[str, Any], found: Mapping[str, Any], asked: Pairs
) -> None:
    """Write card.md, card.json, worst.png, the samples with the largest errors, and report.html."""
    from genmech_fem.plotting import to_png

    record, course = json.dumps(card_record(notes, found), indent=1), _course(args.out / "training.jsonl")
    picture = ("worst", "Worst cases, or predicted against true numbers", to_png(_picture(notes, found, asked)))
    page.write_report(args, "card", text, record, picture, course)


def _picture(notes: Mapping[str, Any], found: Mapping[str, Any], asked: Pairs) -> Any:
    """Worst fields, or predicted against true numbers."""
    from genmech_fem.plotting import images, parity

    x, y = asked
    given, sought = (from_json(notes[key]) for key in ("input", "output"))
    predicted = found["predicted"]
    if not isinstance(sought, FieldSpec):
        shown = slice(SHOWN)
        return parity(y[:, shown], predicted[:, shown], [str(k) for k in range(y.shape[1])[shown]], sought.unit)
    order = np.argsort(found["each"])[::-1][:WORST]
    rows = [
        [_plane(x[i], given), *(_plane(one, sought) for one in (y[i], predicted[i], predicted[i] - y[i]))]
        for i in order
    ]
    return images(rows, [["input", "truth", f"surrogate, {100 * found['each'][i]:.3g} %", "difference"] for i in order])


def _course(log: Path) -> list[str]:
    """The loss over the steps of a training, if there was one."""
    from genmech_fem.plotting import histories
    from genmech_fem.training import read_log

    lines = read_log(log) if log.exists() else []
    if not lines:
        return []
    curve = [(line["step"], sum(line["losses"].values())) for line in lines]
    return [page.heading("Training"), page.picture("loss", histories({"training": curve}, "step", "loss"))]


def _plane(field: np.ndarray, spec: Spec) -> np.ndarray:
    """The first component (nx, ny) of a field, in the middle of a volume."""
    from genmech_fem.plotting.figures import middle_slice

    return middle_slice(field.reshape(spec.channel_shape)[0])


def _described(spec: Spec) -> str:
    shape = " x ".join(map(str, spec.channel_shape))
    return f"{spec.name}, {shape} (channels, then points){f', in {spec.unit}' if spec.unit else ''}"
