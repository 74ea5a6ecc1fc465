"""``genmech plugins``: what is installed, and what is broken."""

import argparse
import warnings

from tabulate import tabulate

from genmech_fem import plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command takes no arguments."""
    del parser


def run(args: argparse.Namespace) -> int:
    """Print the table of plugins."""
    del args
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the table shows the errors
        rows = [(p.group, p.name, p.target, p.distribution, p.error or "works") for p in plugins.listing()]
    print(tabulate(rows, headers=("group", "name", "target", "distribution", "state")))
    return 0
