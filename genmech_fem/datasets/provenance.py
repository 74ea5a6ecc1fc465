"""What made a data set, as JSON data that can be compared: settings of models and samplers, versions of packages."""

import hashlib
import inspect
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np

from genmech_fem.forward import LazyModel

PACKAGES = (
    "genmech_fem",
    "dolfinx-solver-real",
    "fenics-dolfinx",
    "scikit-fem",
    "torch",
    "onnx",
    "onnxruntime",
    "numpy",
    "scipy",
)


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def environment() -> dict[str, Any]:
    """Machine and versions."""
    return {"machine": platform.machine(), "cores": os.cpu_count(), **versions()}


def describe(thing: Any) -> Any:
    """JSON data that is equal for things with equal settings, in every process.

    Dataclasses are described by their fields, functions by their compiled code and the
    values that it uses, arrays by their sha256, and other objects by what their method
    ``description()`` returns, or by their class where there is none.
    """
    match thing:
        case None | bool() | int() | float() | str():
            return thing
        case Mapping():
            return {str(key): describe(value) for key, value in thing.items()}
        case list() | tuple():
            return [describe(value) for value in thing]
        case np.ndarray() | np.generic():
            array = np.ascontiguousarray(thing)
            return {"shape": list(array.shape), "dtype": str(array.dtype), "sha256": _digest(array.tobytes())}
        case LazyModel():
            return describe(thing.model)
        case type():
            return _name(thing)
    return _describe_callable(thing) or _describe_object(thing)


def _describe_callable(thing: Any) -> dict[str, Any]:
    match thing:
        case partial():
            return {"call": describe(thing.func), "with": describe([*thing.args, dict(thing.keywords)])}
        case FunctionType():
            return {"function": _name(thing), "code": _digest(_code(thing.__code__)), "uses": describe(_values(thing))}
        case MethodType():
            return {"method": thing.__name__, "of": describe(thing.__self__)}
    return {}


def _describe_object(thing: Any) -> dict[str, Any]:
    settings = {}
    if callable(getattr(thing, "description", None)):
        settings = describe(thing.description())
    elif is_dataclass(thing):
        settings = {field.name: describe(getattr(thing, field.name)) for field in fields(thing)}
    return {"kind": _name(type(thing)), **settings}


def changes(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """What differs between two descriptions, each as ``model.refine was 1, now 2``."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from changes(old.get(key), new.get(key), f"{path}.{key}" if path else key)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for i, pair in enumerate(zip(old, new, strict=True)):
            yield from changes(*pair, f"{path}[{i}]")
    elif old != new:
        yield f"{path} was {_short(old)}, now {_short(new)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


def _code(code: CodeType) -> bytes:
    constants = [_code(c) if isinstance(c, CodeType) else repr(c).encode() for c in code.co_consts]
    return b"\0".join([code.co_code, *constants, " ".join(code.co_names).encode()])


def _values(function: FunctionType) -> dict[str, Any]:
    """Values from outside that a function uses: defaults, closure and globals; of other functions the code alone."""
    outside = inspect.getclosurevars(function)
    values = {**outside.nonlocals, **outside.globals, "defaults": function.__defaults__}
    return {
        name: _digest(_code(value.__code__)) if isinstance(value, FunctionType) else value
        for name, value in values.items()
        if value is not None and not (inspect.ismodule(value) or inspect.isclass(value) or inspect.isbuiltin(value))
    }


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
