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

DATA = "genmech_fem.cli.data"
TRAIN = "genmech_fem.cli.train"
COMMANDS = {
    ("demo",): ("genmech_fem.cli.demo", "the closed loop: data, training, ONNX, inverse design, verification, report"),
    ("verify", "mechanical-mnist"): ("genmech_fem.cli.mechanical_mnist", "compare DOLFINx with published energies"),
    ("generate",): ("genmech_fem.cli.generate", "generate a data set: sample, solve, store; resumes"),
    ("data", "info"): (DATA, "say what a data set holds"),
    ("data", "check"): (DATA, "compare the files of a data set with their checksums"),
    ("data", "split"): (DATA, "split a data set by content into training, validation and test"),
    ("data", "export"): (DATA, "write a data set for other tools: The Well, VTKHDF, netCDF"),
    ("data", "import"): (DATA, "make a data set of the published files of Mechanical MNIST"),
    ("train",): (TRAIN, "train a surrogate on a data set; writes the model, its ONNX file and its card"),
    ("finetune",): (TRAIN, "train a surrogate further on other samples: all of it, its head, or low-rank updates"),
    ("retrain",): ("genmech_fem.cli.retrain", "train a surrogate further on the solves that it fell back to"),
    ("evaluate",): (
        "genmech_fem.cli.evaluate",
        "score a generator against real images, or a surrogate on solved samples",
    ),
    ("export",): ("genmech_fem.cli.export", "write a trained model as an ONNX file that is compared with torch"),
    ("anomaly",): ("genmech_fem.cli.anomaly", "learn what normal fields look like, and judge others"),
    ("design", "structure"): ("genmech_fem.cli.design_structure", "optimise a topology, mesh it and solve it again"),
    ("design", "cell"): (
        "genmech_fem.cli.design_cell",
        "design cells of a wanted stiffness with the networks of a demo run",
    ),
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
            add_arguments, run = getattr(command, "COMMANDS", {}).get(path) or (command.add_arguments, command.run)
            add_arguments(leaf)
            leaf.set_defaults(run=run)
    return parser
