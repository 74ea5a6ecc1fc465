"""Arguments of ``genmech anomaly``."""

import argparse
from pathlib import Path

from genmech_fem.cli.commands import later
from genmech_fem.cli.output import add_json_argument

DETECTORS = ("patches", "autoencoder", "denoising", "vae", "flow")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    where = "folder of a data set (FOLDER:PART for a part of its split), array 'phase'; .npy; or .npz"
    parser.add_argument("normal", help=f"normal fields: {where}")
    parser.add_argument("suspects", help="fields to judge: the same")
    parser.add_argument(
        "--detector",
        default=DETECTORS[0],
        help=f"one of {', '.join(DETECTORS)} (default: {DETECTORS[0]}), or the file detector.onnx of an earlier call",
    )
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="budget of the training [s of wall time] (default: 60)"
    )
    parser.add_argument(
        "--quantile", type=float, default=0.95, help="share of normal fields without an alarm (default: 0.95)"
    )
    parser.add_argument("--anomalous", action="store_true", help="all suspects are known anomalies: print statistics")
    parser.add_argument("--channels", action="store_true", help="axis 1 of the arrays counts components, not points")
    parser.add_argument("--periodic", action="store_true", help="the fields are periodic")
    parser.add_argument("--seed", type=int, default=0, help="of the split and the training (default: 0)")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write report and detector")
    add_json_argument(parser)


run = later("anomaly")
