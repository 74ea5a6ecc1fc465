"""Arguments of ``genmech design structure``."""

import argparse
from pathlib import Path

from genmech_fem.cli.commands import later
from genmech_fem.cli.output import add_json_argument
from genmech_fem.cli.structure_settings import INTERPOLATIONS, LOADS, OPTIMIZERS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="run folder; the same command resumes")
    parser.add_argument("--load", choices=LOADS, default="cantilever", help="the structure (default: cantilever)")
    parser.add_argument("--shape", default="60x20", help="grid cells NXxNY, or NXxNYxNZ (default: 60x20)")
    parser.add_argument("--volume", type=float, default=0.5, help="largest solid share of the box (default: 0.5)")
    parser.add_argument("--radius", type=float, default=2.4, help="of the density filter [cell] (default: 2.4)")
    parser.add_argument("--interpolation", choices=INTERPOLATIONS, default="simp", help="(default: simp)")
    parser.add_argument("--penalty", type=float, help="of the interpolation (default: 3 for simp, 8 for ramp)")
    parser.add_argument(
        "--sharpness",
        nargs="*",
        type=float,
        default=[2.0, 8.0],
        metavar="BETA",
        help="of projections, a loop for each after one without; nothing for that one alone, whose design is grey and "
        "may break where it is thin (default: 2 8)",
    )
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="oc", help="(default: oc)")
    parser.add_argument("--iterations", type=int, default=200, help="most solves of each loop (default: 200)")
    parser.add_argument(
        "--min-feature",
        type=float,
        metavar="R",
        help="radius for the figure of features that are too small [cell] (default: half that of the filter, or 1)",
    )
    parser.add_argument(
        "--refine",
        type=int,
        metavar="N",
        help="of the second mesh, 1 for none (default: 2; in 3D, where it is slow, 1)",
    )
    parser.add_argument("--thickness", type=float, metavar="T", help="of the plane design in STL and STEP (default: 1)")
    parser.add_argument("--step", action="store_true", help="write design.step too (needs gmsh)")
    add_json_argument(parser)


run = later("design_structure")
