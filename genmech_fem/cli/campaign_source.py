"""The campaign of ``genmech generate``: of plugins and their settings, or one of the user's own."""

import argparse
import ast
import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from dataclasses import is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle

from genmech_fem import plugins
from genmech_fem.datasets import Campaign
from genmech_fem.forward import LazyModel


def campaign_of(args: argparse.Namespace) -> Campaign:
    """The campaign that the arguments describe.

    Raises:
        ValueError: They do not.
    """
    changes = {name: getattr(args, name) for name in ("size", "seed", "title", "licence")}
    changes = {name: value for name, value in changes.items() if value is not None}
    if args.campaign:
        return replace(_own(args.campaign), **changes)
    if not args.problem:
        known = ", ".join(plugins.names("models"))
        raise ValueError(f"expected --problem with one of {known}, or --campaign with your own")
    solver = plugins.load("models", args.problem)
    model = LazyModel(partial(solver, **_settings(solver, ["resolution=" + str(args.resolution), *args.set])))
    sampler = plugins.load("microstructures", args.sampler)
    settings = _settings(sampler, ["resolution=" + str(args.resolution), *args.sampler_set])
    return Campaign(model, sampler(**settings), **{"size": 100, **changes})


def _own(text: str) -> Campaign:
    """The campaign NAME of the script FILE.py, which may also be a function that makes it."""
    file, colon, name = text.rpartition(":")
    if not colon or not Path(file).is_file():
        raise ValueError(f"--campaign: expected FILE.py:NAME with a file that exists, got '{text}'")
    spec = importlib.util.spec_from_file_location(f"campaign_{Path(file).stem}", file)
    if spec is None or spec.loader is None:
        raise ValueError(f"--campaign: expected a Python file, got '{file}'")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    campaign = getattr(module, name, None)
    if callable(campaign):
        campaign = campaign()
    if not isinstance(campaign, Campaign):
        raise ValueError(f"--campaign: expected a Campaign named '{name}' in {file}, got {type(campaign).__name__}")
    cloudpickle.register_pickle_by_value(module)  # other processes do not find the file
    return campaign


def _settings(target: Callable[..., Any], pairs: Sequence[str]) -> dict[str, Any]:
    """Arguments of `target` from KEY=VALUE; a tuple becomes the dataclass of the default."""
    known = inspect.signature(target).parameters
    settings = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or key not in known:
            raise ValueError(f"expected KEY=VALUE with a key of {', '.join(known)}, got '{pair}'")
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
        default: Any = known[key].default
        made = isinstance(value, tuple) and is_dataclass(default)
        settings[key] = type(default)(*value) if made else value
    return settings
