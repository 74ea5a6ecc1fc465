"""The command ``genmech``: its commands, each imported only when it is asked for, its help and its exit codes."""

import argparse
import importlib
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from genmech_fem import __version__
from genmech_fem.cli.examples import epilog
from genmech_fem.errors import GenmechError, one_line

INTERRUPTED = 130
READER_GONE = 141  # what a shell says of SIGPIPE
BAD_INPUT = 2

HERE = "genmech_fem.cli.commands"
COMMANDS = {
    ("demo",): (f"{HERE}.demo", "the closed loop: data, training, ONNX, inverse design, verification, report"),
    ("mesh",): (f"{HERE}.mesh", "make a conforming mesh from an image"),
    ("generate",): (f"{HERE}.generate", "generate a data set: sample, solve, store; resumes"),
    ("data", "info"): (f"{HERE}.data", "say what a data set holds"),
    ("data", "check"): (f"{HERE}.data", "compare the files of a data set with their checksums"),
    ("data", "split"): (f"{HERE}.data", "split a data set by content into training, validation and test"),
    ("data", "export"): (f"{HERE}.data", "write a data set for other tools: The Well, VTKHDF, netCDF"),
    ("data", "import"): (f"{HERE}.data", "make a data set of the published files of Mechanical MNIST"),
    ("train",): (f"{HERE}.train", "train a surrogate on a data set; writes the model, its ONNX file and its card"),
    ("finetune",): (f"{HERE}.train", "train a surrogate further on other samples: all, its head, or low-rank updates"),
    ("evaluate",): (f"{HERE}.evaluate", "score a generator against real images, or a surrogate on solved samples"),
    ("export",): (f"{HERE}.export", "write a trained model as an ONNX file that is compared with torch"),
    ("design", "structure"): (f"{HERE}.design_structure", "optimise a topology, mesh it and solve it again"),
    ("design", "cell"): (f"{HERE}.design_cell", "design cells of a wanted stiffness with the networks of a demo run"),
    ("explore",): ("genmech_fem.cli.explore", "walk through a run in the browser, and verify cells by a click"),
    ("retrain",): (f"{HERE}.train", "train a surrogate further on the solves that it fell back to"),
    ("anomaly",): (f"{HERE}.anomaly", "learn what normal fields look like, and judge others"),
    ("verify", "mechanical-mnist"): (f"{HERE}.mechanical_mnist", "compare DOLFINx with published energies"),
    ("plugins",): ("genmech_fem.cli.plugins", "list the plugins of every group"),
    ("doctor",): ("genmech_fem.cli.doctor", "check the installation, and say how to repair it"),
    ("completion",): (f"{HERE}.completion", "print the script by which a shell completes commands and options"),
}
GROUPS = {
    "data": "look at a data set, check it, split it, give it to other tools, take theirs",
    "design": "design structures and cells; every design is meshed and solved again",
    "verify": "compare the solvers with published results",
}
ABOUT = """\
Finite-element simulation joined with generative AI for computational mechanics.

The commands below follow the loop: make samples and solve them, look at them, train a surrogate, judge it, write it as
an ONNX file, design with it, learn from the solves that it fell back to. 'genmech demo' goes through it once."""
CODES = """\
exit codes:
  0    all went well
  1    the command ran, and what it checked does not hold: a damaged file, an energy that differs, a broken package
  2    bad input, or a package that is missing: one line says what was expected, and what to do
  130  interrupted by Ctrl-C; the same command goes on where it was
  141  the reader of the output has gone, as after 'genmech ... | head'

'genmech COMMAND --help' shows examples of the command; where there is --json, scripts can read what it found."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; bad input gives one line on the standard error and the code 2."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("PETSC_OPTIONS", "-no_signal_handler")  # PETSc would end in uproar when a reader goes
    try:
        return _run(list(sys.argv[1:] if arguments is None else arguments))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python writes at its end
        return READER_GONE
    except KeyboardInterrupt:
        print("genmech: interrupted; the same command resumes where it was", file=sys.stderr)
        return INTERRUPTED
    except (GenmechError, ImportError, ValueError, OSError) as error:
        hint = ": 'genmech doctor' tells what works" if isinstance(error, ImportError) else ""
        print(f"genmech: {one_line(error)}{hint}", file=sys.stderr)
        return BAD_INPUT


def _run(words: list[str]) -> int:
    """Run the command of these words, and see to it that its output arrives."""
    try:
        args = make_parser([path for path in COMMANDS if tuple(words[: len(path)]) == path]).parse_args(words)
        args.command = shlex.join(["genmech", *words])
        return int(args.run(args))
    finally:
        sys.stdout.flush()


def make_parser(whole: Sequence[tuple[str, ...]]) -> argparse.ArgumentParser:
    """The parser of all commands, of which only those in `whole` know their arguments."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("genmech", description=ABOUT, epilog=CODES, formatter_class=raw)
    parser.add_argument("--version", action="version", version=f"genmech_fem {__version__}")
    groups: dict[tuple[str, ...], Any] = {(): parser.add_subparsers(title="commands", required=True, metavar="COMMAND")}
    for path, (module, summary) in COMMANDS.items():
        name = path[0]
        if len(path) > 1 and path[:1] not in groups:
            middle = groups[()].add_parser(name, help=GROUPS[name], description=GROUPS[name])
            groups[path[:1]] = middle.add_subparsers(title="commands", required=True, metavar="COMMAND")
        leaf = groups[path[:-1]].add_parser(
            path[-1], help=summary, description=summary, epilog=epilog(path), formatter_class=raw
        )
        if path in whole:
            command = importlib.import_module(module)
            add_arguments, run = getattr(command, "COMMANDS", {}).get(path) or (command.add_arguments, command.run)
            add_arguments(leaf)
            leaf.set_defaults(run=run)
    return parser
