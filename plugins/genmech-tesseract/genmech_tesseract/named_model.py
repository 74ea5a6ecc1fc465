"""A model by its name, for a Tesseract in a process or a container of its own."""

import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from genmech_fem import plugins
from genmech_fem.forward import ForwardModel
from genmech_fem.runtime import OnnxModel

MODEL, ARGUMENTS = "GENMECH_MODEL", "GENMECH_ARGUMENTS"


def named_model(name: str, arguments: Mapping[str, Any] | None = None, *, folder: Path | str = ".") -> ForwardModel:
    """Make a model.

    Args:
        name: Name of a plugin of `genmech_fem.models`, ``package.module:factory``, or an ONNX file.
        arguments: What the factory is called with.
        folder: Where the ONNX file lies, if its path is relative.

    Raises:
        ValueError: There is no such plugin, module or factory, it does not take these arguments, or makes no model.
        FileNotFoundError: There is no such ONNX file.
    """
    given = dict(arguments or {})
    try:
        model = _factory(name, Path(folder))(**given)
    except TypeError as error:
        raise ValueError(f"{name} cannot be called with the arguments {given}: {error}") from error
    if not isinstance(model, ForwardModel):
        raise ValueError(f"{name}: expected a factory of ForwardModels, it made {type(model).__name__}")
    return model


def model_from_environment(folder: Path | str = ".") -> ForwardModel:
    """The model that the variables GENMECH_MODEL and GENMECH_ARGUMENTS (JSON) name; see `named_model`.

    Raises:
        ValueError: A variable is missing, or not what it should be.
    """
    name, text = os.environ.get(MODEL), os.environ.get(ARGUMENTS, "{}")
    if not name:
        raise ValueError(
            f"{MODEL} is not set: expected a plugin of genmech_fem.models, package.module:factory, or a file"
        )
    try:
        arguments = dict(json.loads(text))
    except (ValueError, TypeError) as error:
        raise ValueError(f'{ARGUMENTS}: expected a JSON object such as {{"resolution": 32}}, got {text!r}') from error
    return named_model(name, arguments, folder=folder)


def _factory(name: str, folder: Path) -> Callable[..., Any]:
    if name.endswith(".onnx"):
        return partial(OnnxModel, folder / name)
    if ":" not in name:
        return plugins.load("models", name)
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"expected package.module:factory that can be imported, got {name!r}: {error}") from error
