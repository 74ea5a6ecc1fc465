"""The card of a surrogate: what it learned from, and how wrong it is on samples that it has not seen."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tabulate import tabulate

from genmech_fem.datasets import Store, read_splits, write_atomic
from genmech_fem.errors import ContractError, DatasetError
from genmech_fem.fields import FieldSpec, Spec, from_json
from genmech_fem.metrics import quantiles, relative_l2, untrained_predictions

if TYPE_CHECKING:
    from genmech_fem.surrogates import TorchModel

BATCH = 64
WORST = 4  # cases with a picture
SHOWN = 6  # numbers of an output with a picture


type Pairs = tuple[np.ndarray, np.ndarray]
"""Inputs and outputs (samples, ...)."""


def open_part(source: str) -> tuple[Store, np.ndarray]:
    """The store ``FOLDER[:PART]``, and the numbers of its samples.

    Raises:
        DatasetError: There is no such store or part.
    """
    folder, colon, part = source.rpartition(":")
    store = Store.open(folder if colon and Path(folder).is_dir() else source)
    numbers = store.numbers()
    if colon and Path(folder).is_dir():
        parts = read_splits(store)
        if part not in parts:
            raise DatasetError(f"{folder}: expected a part of its split, one of {sorted(parts)}, got '{part}'")
        numbers = np.intersect1d(parts[part], numbers)
    return store, numbers


def read_pairs(store: Store, numbers: np.ndarray, names: Sequence[str], count: int | None = None) -> Pairs:
    """Two arrays of the first of these samples.

    Raises:
        DatasetError: An array is unknown.
    """
    arrays = store.read(numbers[:count], names)[1]
    return arrays[names[0]], arrays[names[1]]


def read_fitting(source: str, specs: Sequence[Spec], count: int | None = None) -> Pairs:
    """The input and the output of a surrogate, by their specs, of the first samples of ``FOLDER[:PART]``.

    Raises:
        DatasetError: There is no such store, part or array.
        ContractError: Its arrays have another grid, other components or another unit than those of the surrogate.
    """
    store, numbers = open_part(source)
    wanted = {spec.name: spec for spec in specs}
    for spec in store.specs:
        if wanted.get(spec.name, spec) != spec:
            raise ContractError(f"{source}: expected {wanted[spec.name]} of the surrogate, got {spec}")
    return read_pairs(store, numbers, list(wanted), count)


def predict(model: "TorchModel", x: np.ndarray) -> tuple[np.ndarray, float]:
    """Outputs for all inputs, and the time of one [s]."""
    (inputs,), (output,) = model.inputs, model.outputs
    began = time.perf_counter()
    parts = [model({inputs.name: x[k : k + BATCH]})[output.name] for k in range(0, len(x), BATCH)]
    return np.concatenate(parts), (time.perf_counter() - began) / len(x)


def opened(path: Path) -> "tuple[TorchModel, dict[str, Any]]":
    """A surrogate that ``genmech train`` wrote, as a ForwardModel, and its notes.

    Raises:
        ContractError: The file is something else.
    """
    from genmech_fem.surrogates import TorchModel
    from genmech_fem.training import load_model

    model, notes = load_model(path)
    if "input" not in notes or "output" not in notes:
        raise ContractError(f"{path}: expected a surrogate written by genmech train, got {type(model).__name__}")
    return TorchModel(model, (from_json(notes["input"]),), (from_json(notes["output"]),)), notes


def assessed(model: "TorchModel", asked: Pairs, known: Pairs | None) -> dict[str, Any]:
    """Relative L2 errors of the surrogate, and of what needs no training where training samples are known."""
    import torch

    x, y = asked
    found, seconds = predict(model, x)
    errors = {"surrogate": relative_l2(found, y)}
    if known is not None:
        errors |= {name: relative_l2(other, y) for name, other in untrained_predictions(known, x).items()}
    outside = np.zeros(len(x))
    ranges = getattr(model.function, "outside", None)
    if ranges is not None:
        channels = torch.as_tensor(x, dtype=torch.float32).reshape(len(x), *model.inputs[0].channel_shape)
        outside = ranges(channels).numpy()
    return {
        "samples": len(x),
        "seconds": seconds,
        "errors": {name: quantiles(values) for name, values in errors.items()},
        "outside": int((outside > 0).sum()),
        "farthest": float(outside.max()),
        "each": errors["surrogate"].tolist(),
        "predicted": found,
    }


def page(notes: Mapping[str, Any], found: Mapping[str, Any], source: str) -> str:
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


def write_card(folder: Path, text: str, notes: Mapping[str, Any], found: Mapping[str, Any], asked: Pairs) -> None:
    """Write card.md, card.json and worst.png, the samples with the largest errors."""
    from genmech_fem.plotting import images, parity, to_png

    x, y = asked
    given, sought = (from_json(notes[key]) for key in ("input", "output"))
    predicted = found["predicted"]
    if isinstance(sought, FieldSpec):
        order = np.argsort(found["each"])[::-1][:WORST]
        rows = [
            [_plane(x[i], given), *(_plane(one, sought) for one in (y[i], predicted[i], predicted[i] - y[i]))]
            for i in order
        ]
        titles = [["input", "truth", f"surrogate, {100 * found['each'][i]:.3g} %", "difference"] for i in order]
        picture = images(rows, titles)
    else:
        shown = slice(SHOWN)
        picture = parity(y[:, shown], predicted[:, shown], [str(k) for k in range(y.shape[1])[shown]], sought.unit)
    write_atomic(folder / "worst.png", to_png(picture))
    record = {"notes": dict(notes), **{key: value for key, value in found.items() if key != "predicted"}}
    write_atomic(folder / "card.json", json.dumps(record, indent=1).encode())
    write_atomic(
        folder / "card.md", f"{text}\n\n![Worst cases, or predicted against true numbers](worst.png)\n".encode()
    )


def _plane(field: np.ndarray, spec: Spec) -> np.ndarray:
    """The first component (nx, ny) of a field, in the middle of a volume."""
    plane: np.ndarray = field.reshape(spec.channel_shape)[0]
    return plane[..., plane.shape[2] // 2] if plane.ndim == 3 else plane


def _described(spec: Spec) -> str:
    shape = " x ".join(map(str, spec.channel_shape))
    return f"{spec.name}, {shape} (channels, then points){f', in {spec.unit}' if spec.unit else ''}"
