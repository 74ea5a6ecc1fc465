"""A trained surrogate as a model, and how wrong it is."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genmech_fem.cli.samples import Pairs
from genmech_fem.errors import ContractError
from genmech_fem.fields import from_json
from genmech_fem.metrics import quantiles, relative_l2, untrained_predictions

if TYPE_CHECKING:
    from genmech_fem.surrogates import TorchModel

BATCH = 64


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
