"""Comparison of a file with torch before it appears."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx

from genmech_fem.errors import ContractError, one_line
from genmech_fem.export.layout import Case
from genmech_fem.fields import Arrays, Spec, check, take
from genmech_fem.runtime import OnnxModel
from genmech_fem.runtime.session import MissingKernelError, Session

BATCHES = (1, 3)


def comparable(samples: Arrays, specs: tuple[Spec, ...], caller: str) -> dict[str, np.ndarray]:
    """The samples (batch, *spec.shape), if there are as many as the largest batch of a comparison.

    Raises:
        ContractError: There are fewer, or they do not match the specs.
    """
    arrays = check(samples, specs)
    count = min(len(array) for array in arrays.values())
    if count < max(BATCHES):
        raise ContractError(f"{caller}: expected at least {max(BATCHES)} samples to compare on, got {count}")
    return arrays


def sha256(path: Path) -> str:
    """Hash of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def checked(draft: Path, proto: onnx.ModelProto) -> Session:
    """A session on a file that has passed the ONNX checker.

    Raises:
        ContractError: It does not, or ONNX Runtime has no kernel for one of its operators.
    """
    try:
        onnx.checker.check_model(str(draft))
    except onnx.checker.ValidationError as error:
        raise ContractError(f"{draft.name}: {one_line(error, 300)}") from error
    try:
        return Session(draft.read_bytes(), draft)
    except MissingKernelError as error:
        kind = _type_of(error.node, proto)
        raise ContractError(
            f"{draft.name}: ONNX Runtime has no operator {error.operator} for {kind}: write it by others or in float32"
        ) from error


def _type_of(node: str, proto: onnx.ModelProto) -> str:
    """The type of what a node takes, in words."""
    graph = proto.graph
    takes = next((each.input[0] for each in graph.node if each.name == node and each.input), "")
    values = {value.name: value.type.tensor_type.elem_type for value in (*graph.input, *graph.value_info)}
    values |= {tensor.name: tensor.data_type for tensor in graph.initializer}
    known = values.get(takes, onnx.TensorProto.UNDEFINED)
    return str(onnx.TensorProto.DataType.Name(known)).lower() if known else "these types"


def model_differences(draft: Path, case: Case, *, gradients: bool) -> dict[str, float]:
    """Largest difference of each output, or gradient, at batch sizes 1 and 3, relative to its largest value.

    Raises:
        ContractError: The graph works at its own sizes only, or the model does.
    """
    found: dict[str, float] = {}
    model, session = case.model, OnnxModel(draft, shape=case.shape)
    for batch in BATCHES:
        inputs = take(case.arrays, slice(batch))
        name = f"batch {batch}{case.label}"
        try:
            expected = model(inputs)
        except RuntimeError as error:
            raise ContractError(f"the model does not work for {name}: {one_line(error, 200)}") from error
        if gradients:
            generator = np.random.default_rng(0)
            weights = {k: v if v.dtype == bool else generator.standard_normal(v.shape) for k, v in expected.items()}
            expected = model.vjp(inputs, weights)
        try:
            got = session.vjp(inputs, weights) if gradients else session(inputs)
        except ContractError as error:
            raise ContractError(
                f"{draft.name} is static: it does not work for {name}. Python numbers taken from shapes, as in "
                f"float(points) or len(x), freeze them ({error})"
            ) from error
        found |= {f"{key}, {name}": relative(got[key], value) for key, value in expected.items() if value.dtype != bool}
    return found


def relative(got: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference over the largest expected value."""
    return float(np.abs(got - expected).max()) / max(float(np.abs(expected).max()), 1e-12)


def judge(draft: Path, differences: Mapping[str, float], tolerance: float) -> None:
    """Accept a file whose differences to torch are no larger than the tolerance.

    Raises:
        ContractError: One is larger, or not a number.
    """
    worst = max(differences, key=lambda name: (differences[name] != differences[name], differences[name]))
    if not differences[worst] <= tolerance:
        raise ContractError(
            f"{draft.name}: ONNX Runtime differs from torch by {differences[worst]:.1e} ({worst}), more than "
            f"{tolerance:.0e}"
        )
