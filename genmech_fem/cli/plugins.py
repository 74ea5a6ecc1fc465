"""``genmech plugins``: what is installed, from where, and what is broken."""

import argparse
import json
import warnings
from dataclasses import asdict

from tabulate import tabulate

from genmech_fem import plugins

HEADERS = ("group", "name", "target", "distribution", "version", "state")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which plugins to list, and how."""
    parser.add_argument("--group", choices=plugins.GROUPS, help="only this group")
    parser.add_argument("--json", action="store_true", help="as JSON, with the folder of each distribution")


def run(args: argparse.Namespace) -> int:
    """Print the table of plugins."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the table shows the errors
        found = plugins.listing((args.group,) if args.group else plugins.GROUPS)
    if args.json:
        print(json.dumps([asdict(plugin) for plugin in found], indent=1))
    else:
        rows = [(p.group, p.name, p.target, p.distribution, p.version, p.error or "works") for p in found]
        print(tabulate(rows, headers=HEADERS))
    return 0
