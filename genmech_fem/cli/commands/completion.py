"""``genmech completion``: the script by which a shell completes commands, options and files."""

import argparse
from collections.abc import Iterator
from pathlib import Path

SHELLS = ("bash", "zsh", "fish")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("shell", choices=SHELLS, help="for which shell; keep what is printed where the examples say")


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    import shtab

    from genmech_fem.cli.main import COMMANDS, make_parser

    parser = make_parser(list(COMMANDS))
    for action in _actions(parser):
        if action.type in (None, Path) and action.nargs != 0 and not action.choices:
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    print(shtab.complete(parser, args.shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Actions of a parser and of all its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
