"""Arguments of ``genmech verify mechanical-mnist``."""

import argparse
from pathlib import Path

from genmech_fem.cli.commands import later

TOLERANCE_PERCENT = 0.15


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "file", type=Path, help="npz with bitmap (n, 28, 28), strain_energy (n, steps), displacement (steps)"
    )
    parser.add_argument("--samples", default="0:20", metavar="A:B", help="samples A to B - 1 (default: 0:20)")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=TOLERANCE_PERCENT,
        metavar="PERCENT",
        help=f"largest relative difference that counts as agreement (default: {TOLERANCE_PERCENT})",
    )
    parser.add_argument(
        "--json", type=Path, metavar="OUT", help="also write all figures to this file, and OUT.report.html beside it"
    )


run = later("mechanical_mnist")
