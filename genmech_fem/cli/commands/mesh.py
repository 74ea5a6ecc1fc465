"""Arguments of ``genmech mesh``."""

import argparse
from pathlib import Path

from genmech_fem.cli.commands import later
from genmech_fem.cli.output import add_json_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("image", type=Path, help="picture (PNG, TIFF, JPEG), stack of pictures, or .npy (nx, ny[, nz])")
    parser.add_argument("mesh", type=Path, help="mesh to write: .msh, .vtu, .vtk or .xdmf")
    parser.add_argument("--width", type=float, default=1.0, help="extent along x [length] (default: 1)")
    parser.add_argument("--threshold", type=float, default=0.5, help="grey value on the interface (default: 0.5)")
    parser.add_argument(
        "--smooth", type=float, default=0.0, metavar="PIXELS", help="width of the smoothing filter (default: 0)"
    )
    parser.add_argument("--refine", type=int, default=1, metavar="N", help="cells along a pixel (default: 1)")
    parser.add_argument("--periodic", action="store_true", help="opposite sides match point for point")
    parser.add_argument("--coarsen", action="store_true", help="larger cells away from the interface (needs mmgpy)")
    add_json_argument(parser)


run = later("mesh")
