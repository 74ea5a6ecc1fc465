"""Arguments of ``genmech design cell``."""

import argparse
from pathlib import Path

from genmech_fem.cli.commands import later
from genmech_fem.cli.demo_settings import COMPONENTS
from genmech_fem.cli.output import add_json_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="folder of a genmech demo run")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument(
        "--target",
        nargs="+",
        type=float,
        metavar="C",
        help=f"wanted {' '.join(COMPONENTS)} [GPa]: upper triangle of the Mandel matrix, row by row, plane strain",
    )
    target.add_argument(
        "--target-of", type=Path, metavar="IMAGE", help="cell (.npy or a picture) whose stiffness it is"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder; the same command resumes")
    parser.add_argument("--draws", type=int, default=1000, help="cells drawn from the generator (default: 1000)")
    parser.add_argument("--solves", type=int, default=10, help="most promising cells that are solved (default: 10)")
    parser.add_argument(
        "--refine-by-adjoint",
        type=int,
        default=0,
        metavar="N",
        help="then flip pixels of the best ones by the adjoint, with N solves on pixels (default: 0)",
    )
    parser.add_argument(
        "--min-feature", type=float, metavar="R", help="reject cells with features smaller than a disc of R pixels"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")
    add_json_argument(parser)


run = later("design_cell")
