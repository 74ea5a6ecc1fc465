"""The API of a Tesseract whose model the variables GENMECH_MODEL and GENMECH_ARGUMENTS name."""

from pathlib import Path
from typing import Any

from genmech_tesseract import Endpoints, model_from_environment

_endpoints = Endpoints(model_from_environment(Path(__file__).parent))


class InputSchema(_endpoints.InputSchema):  # type: ignore[name-defined, misc]
    """What the model takes."""


class OutputSchema(_endpoints.OutputSchema):  # type: ignore[name-defined, misc]
    """What the model returns."""


def apply(inputs: InputSchema) -> OutputSchema:
    """Evaluate a batch."""
    return OutputSchema(**dict(_endpoints.apply(inputs)))


def vector_jacobian_product(
    inputs: InputSchema, vjp_inputs: set[str], vjp_outputs: set[str], cotangent_vector: dict[str, Any]
) -> dict[str, Any]:
    """Gradient of ``sum(cotangents * outputs)`` with respect to some of the inputs."""
    return _endpoints.vector_jacobian_product(inputs, vjp_inputs, vjp_outputs, cotangent_vector)


def abstract_eval(abstract_inputs: Any) -> dict[str, Any]:
    """Shapes of the outputs from those of the inputs."""
    return _endpoints.abstract_eval(abstract_inputs)


if not _endpoints.differentiable:
    del vector_jacobian_product
