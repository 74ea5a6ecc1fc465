"""A ForwardModel behind the endpoints of a Tesseract."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, cast

import numpy as np
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from genmech_fem.errors import ContractError, GenmechError
from genmech_fem.fields import Arrays
from genmech_fem.forward import DifferentiableForwardModel, ForwardModel, linearize
from genmech_tesseract.schemas import Entry, entries, schema

type PullBack = Callable[[Arrays], Arrays]


class Endpoints:
    """What a Tesseract asks of its API, answered by a model.

    The gradients of the inputs that were evaluated last need no further solve where the model can share it.

    Args:
        model: The model; with `vjp`, its inputs and outputs are differentiable.

    Attributes:
        differentiable: Whether it has `vjp`.

    Raises:
        ContractError: A name of its specs cannot be that of a field of a schema.
    """

    def __init__(self, model: ForwardModel) -> None:
        self.model, self.differentiable = model, isinstance(model, DifferentiableForwardModel)
        self._taken, self._made = entries(model.inputs), entries(model.outputs)
        self.InputSchema = schema("InputSchema", self._taken, differentiable=self.differentiable)
        self.OutputSchema = schema("OutputSchema", self._made, differentiable=self.differentiable)
        self._last: tuple[Arrays, Arrays, PullBack] | None = None

    def apply(self, inputs: BaseModel) -> BaseModel:
        """Evaluate a batch."""
        with _told():
            arrays = _read(inputs, self._taken)
            outputs = self._linearized(arrays)[0] if self.differentiable else self.model(arrays)
        return self.OutputSchema(**{entry.field: outputs[entry.name] for entry in self._made})

    def vector_jacobian_product(
        self, inputs: BaseModel, vjp_inputs: set[str], vjp_outputs: set[str], cotangent_vector: Mapping[str, Any]
    ) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * outputs)`` with respect to some of the inputs."""
        with _told():
            outputs, pull_back = self._linearized(_read(inputs, self._taken))
            cotangents = {name: _like(name, cotangent_vector[name], outputs[name]) for name in vjp_outputs}
            masks = {e.name: outputs[e.name] for e in self._made if e.name.removesuffix(".mask") in vjp_outputs}
            gradients = pull_back(masks | cotangents)
        return {name: gradients[name] for name in vjp_inputs}

    def abstract_eval(self, abstract_inputs: BaseModel) -> dict[str, dict[str, Any]]:
        """Shapes of the outputs from those of the inputs."""
        shapes = [(entry, getattr(abstract_inputs, entry.field).shape) for entry in self._taken]
        with _told():
            batch = _one("samples", [shape[0] for _, shape in shapes])
            points = _one("points", [shape[-1] for entry, shape in shapes if None in entry.shape[1:]] or [0])
        return {entry.field: {"shape": entry.sized(batch, points), "dtype": entry.dtype} for entry in self._made}

    def _linearized(self, arrays: Arrays) -> tuple[Arrays, PullBack]:
        if self._last is None or not all(np.array_equal(self._last[0][name], arrays[name]) for name in arrays):
            self._last = None
            self._last = (arrays, *linearize(cast(DifferentiableForwardModel, self.model), arrays))
        return self._last[1:]


def tesseract_api(model: ForwardModel, *, name: str = "tesseract_api") -> ModuleType:
    """A module for ``Tesseract.from_tesseract_api``: the schemas from the specs, and the endpoints.

    Args:
        model: A solver, a surrogate, an ONNX file or a chain of them; without `vjp` there are no gradients.
        name: Name of the module.

    Raises:
        ContractError: A name of its specs cannot be that of a field of a schema.
    """
    endpoints, module = Endpoints(model), ModuleType(name, "A genmech_fem model as the API of a Tesseract.")
    names = ["InputSchema", "OutputSchema", "apply", "abstract_eval"]
    if endpoints.differentiable:
        names.append("vector_jacobian_product")
    for attribute in names:
        setattr(module, attribute, getattr(endpoints, attribute))
    return module


@contextmanager
def _told() -> Iterator[None]:
    """Let the text of an error reach the client over HTTP too: 400 for its inputs, 500 for the solver."""
    try:
        yield
    except (GenmechError, ValueError) as error:
        raise HTTPException(400 if isinstance(error, ValueError) else 500, str(error)) from error


def _read(inputs: BaseModel, taken: Sequence[Entry]) -> dict[str, np.ndarray]:
    """Copies, since a client may write into its arrays between two calls."""
    return {entry.name: np.array(getattr(inputs, entry.field)) for entry in taken}


def _like(name: str, cotangent: Any, output: np.ndarray) -> np.ndarray:
    if np.shape(cotangent) != output.shape:
        raise ContractError(f"cotangent '{name}': expected shape {output.shape}, got {np.shape(cotangent)}")
    return np.asarray(cotangent)


def _one(what: str, numbers: Sequence[int]) -> int:
    if len(set(numbers)) > 1:
        raise ContractError(f"expected one number of {what} for all inputs, got {list(numbers)}")
    return numbers[0]
