"""Write a torch model as one ONNX file that carries its specs, checked against torch before it counts."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genmech_fem.errors import ContractError, MissingExtraError
from genmech_fem.fields import Arrays, check, take, to_json
from genmech_fem.runtime import METADATA_KEY, OnnxModel
from genmech_fem.surrogates import TorchModel

try:
    import onnx
    import onnxscript  # noqa: F401  (torch.onnx needs it)
except ImportError as error:
    raise MissingExtraError("onnx and onnxscript", "learn") from error

import torch
from torch import Tensor, nn

OPSET = 20


@dataclass(frozen=True)
class ExportReport:
    """What was written, and how far it is from torch.

    Attributes:
        path: The ONNX file.
        size: Its size [byte].
        differences: Largest difference to torch for each output and tried batch size,
            relative to the largest absolute value of that output.
    """

    path: Path
    size: int
    differences: Mapping[str, float]


class _AtSpecs(nn.Module):
    """The module with the array layout of the specs in place of channels."""

    def __init__(self, model: TorchModel) -> None:
        super().__init__()
        self.function = model.function
        self.inputs, self.outputs = model.inputs, model.outputs

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        pairs = zip(arrays, self.inputs, strict=True)
        results = self.function(*(a.reshape(a.shape[0], *spec.channel_shape) for a, spec in pairs))
        results = results if isinstance(results, tuple) else (results,)
        return tuple(r.reshape(r.shape[0], *spec.shape) for r, spec in zip(results, self.outputs, strict=True))


def to_onnx(
    model: TorchModel,
    path: Path | str,
    samples: Arrays,
    *,
    metadata: Mapping[str, Any] | None = None,
    tolerance: float = 1e-5,
) -> ExportReport:
    """Export `model` with a dynamic batch size; the file's arrays are those of the specs.

    Before the file appears at `path` it passes the ONNX checker, and ONNX Runtime must
    agree with torch on `samples` at batch sizes 1 and 3.

    Args:
        model: The model in evaluation mode.
        path: Where to write (``.onnx``).
        samples: At least 3 samples of real inputs.
        metadata: JSON data to carry beside the specs.
        tolerance: Largest accepted difference, relative to the largest output.

    Raises:
        ContractError: The samples do not fit, or ONNX Runtime disagrees with torch.
        OSError: The file cannot be written.
    """
    arrays = check(samples, model.inputs)
    if min(len(array) for array in arrays.values()) < 3:
        raise ContractError("to_onnx: expected at least 3 samples to compare on")
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(_proto(model, arrays, metadata or {}).SerializeToString())
        onnx.checker.check_model(str(part))
        differences = _differences(model, OnnxModel(part), arrays)
        worst = max(differences, key=lambda name: differences[name])
        if not differences[worst] <= tolerance:
            raise ContractError(
                f"{path}: ONNX Runtime differs from torch by {differences[worst]:.1e} ({worst}), "
                f"more than {tolerance:.0e}"
            )
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return ExportReport(path, path.stat().st_size, differences)


def _proto(model: TorchModel, arrays: Arrays, metadata: Mapping[str, Any]) -> onnx.ModelProto:
    names = [spec.name for spec in model.inputs]
    example = tuple(torch.as_tensor(arrays[name][:2], dtype=torch.float32) for name in names)
    with _quiet():
        program = torch.onnx.export(
            _AtSpecs(model).eval(),
            example,
            dynamo=True,
            opset_version=OPSET,
            input_names=names,
            output_names=[spec.name for spec in model.outputs],
            dynamic_shapes=(tuple({0: torch.export.Dim.DYNAMIC} for _ in names),),
            verbose=False,
        )
    if program is None:
        raise ContractError("torch.onnx.export returned nothing")
    proto = program.model_proto
    described = {
        "version": 1,
        **metadata,
        "inputs": [to_json(spec) for spec in model.inputs],
        "outputs": [to_json(spec) for spec in model.outputs],
    }
    onnx.helper.set_model_props(proto, {METADATA_KEY: json.dumps(described)})
    return proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what torch.onnx says of its own internals."""
    logger = logging.getLogger("torch.onnx")
    children = [logging.getLogger(name) for name in logging.root.manager.loggerDict if name.startswith("torch.onnx")]
    levels = [(each, each.level) for each in (logger, *children)]
    for each, _ in levels:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for each, level in levels:
            each.setLevel(level)


def _differences(model: TorchModel, session: OnnxModel, arrays: Arrays) -> dict[str, float]:
    differences = {}
    for batch in (1, 3):
        inputs = take(arrays, slice(batch))
        expected, got = model(inputs), session(inputs)
        for name, value in expected.items():
            scale = max(float(np.abs(value).max()), 1e-12)
            differences[f"{name}, batch {batch}"] = float(np.abs(got[name] - value).max()) / scale
    return differences
