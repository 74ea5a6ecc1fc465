"""The arguments of each command, without the packages that its work needs: help is there at once."""

import argparse
from collections.abc import Callable
from importlib import import_module


def later(module: str, function: str = "run") -> Callable[[argparse.Namespace], int]:
    """A function of a module of `genmech_fem.cli`, which is imported when the function is called."""

    def run(args: argparse.Namespace) -> int:
        return int(getattr(import_module(f"genmech_fem.cli.{module}"), function)(args))

    return run
