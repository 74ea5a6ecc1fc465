"""Arguments of ``genmech evaluate``."""

import argparse
from pathlib import Path

from genmech_fem.cli.commands import later
from genmech_fem.cli.output import add_json_argument

DRAWN = 200  # samples of a generator


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    where = "folder of a data set (FOLDER:PART for a part of its split), .npy, or .npz"
    parser.add_argument(
        "samples",
        help=f"samples of the generator: {where}, array 'phase'; or the generator itself, or a surrogate, .safetensors",
    )
    parser.add_argument(
        "reference",
        help="real images that the generator has not seen, twice as many; or samples that judge a surrogate: the same",
    )
    parser.add_argument("--training", help="what the generator has learned from, to find copies: the same")
    parser.add_argument(
        "--count", type=int, metavar="N", help=f"use the first N samples (default: all, or {DRAWN} of a generator)"
    )
    parser.add_argument("--solve", action="store_true", help="mesh and homogenise samples and real images in DOLFINx")
    parser.add_argument("--seed", type=int, default=0, help="of the random halves of the reference (default: 0)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write report.html and the card here")
    add_json_argument(parser)


run = later("evaluate")
