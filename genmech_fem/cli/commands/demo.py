"""Arguments of ``genmech demo``."""

import argparse
from pathlib import Path

from genmech_fem.cli.commands import later
from genmech_fem.cli.demo_settings import Settings
from genmech_fem.cli.output import add_json_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the demo."""
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="run folder (default: runs/demo)")
    parser.add_argument("--quick", action="store_true", help="smallest size: shows that everything runs, learns little")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything random (default: 0)")
    for phase, usual in (("matrix", Settings.matrix), ("inclusion", Settings.inclusion)):
        parser.add_argument(
            f"--{phase}",
            nargs=2,
            type=float,
            default=usual,
            metavar=("E", "NU"),
            help=f"Young's modulus [GPa] and Poisson's ratio of the {phase} (default: {usual[0]} {usual[1]})",
        )
    parser.add_argument(
        "--microstructure", default="fibres", help="sampler by plugin name, see 'genmech plugins' (default: fibres)"
    )
    add_json_argument(parser)


run = later("demo")
