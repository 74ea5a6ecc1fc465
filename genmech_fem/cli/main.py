"""Arguments of the command ``genmech``; each command is imported only when it runs."""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from genmech_fem import __version__
from genmech_fem.errors import GenmechError

INTERRUPTED = 130
BAD_INPUT = 2

COMMANDS = {
    ("demo",): ("genmech_fem.cli.demo", "the closed loop: data, training, ONNX, inverse design, verification, report"),
    ("verify", "mechanical-mnist"): ("genmech_fem.cli.mechanical_mnist", "compare DOLFINx with published energies"),
    ("mesh",): ("genmech_fem.cli.mesh", "make a conforming mesh from an image"),
    ("plugins",): ("genmech_fem.cli.plugins", "list the plugins of every group"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; bad input gives one line on the standard error and the code 2."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    words = list(sys.argv[1:] if arguments is None else arguments)
    args = _parser(words).parse_args(words)
    try:
        return int(args.run(args))
    except KeyboardInterrupt:
        print("genmech: interrupted; the same command resumes where it was", file=sys.stderr)
        return INTERRUPTED
    except (GenmechError, ValueError, OSError) as error:
        print(f"genmech: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="genmech", description="Finite-element simulation joined with generative AI for computational mechanics."
    )
    parser.add_argument("--version", action="version", version=f"genmech_fem {__version__}")
    groups: dict[tuple[str, ...], Any] = {(): parser.add_subparsers(title="commands", required=True, metavar="COMMAND")}
    for path, (module, summary) in COMMANDS.items():
        for depth in range(1, len(path)):
            if path[:depth] not in groups:
                middle = groups[path[: depth - 1]].add_parser(path[depth - 1], help=f"{path[depth - 1]} ...")
                groups[path[:depth]] = middle.add_subparsers(title="commands", required=True, metavar="COMMAND")
        leaf = groups[path[:-1]].add_parser(path[-1], help=summary, description=summary)
        if tuple(words[: len(path)]) == path:
            command = importlib.import_module(module)
            command.add_arguments(leaf)
            leaf.set_defaults(run=command.run)
    return parser
