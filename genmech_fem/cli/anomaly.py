"""``genmech anomaly``: train a detector on normal fields, and judge others by it."""

import argparse
import importlib
from pathlib import Path

import numpy as np

from genmech_fem.cli import anomaly_report
from genmech_fem.cli.anomaly_judges import opened, trained
from genmech_fem.cli.images import read_images
from genmech_fem.cli.output import tell


def run(args: argparse.Namespace) -> int:
    """Train, judge, print the report and write the files."""
    importlib.import_module("genmech_fem.plotting")  # a missing extra is said before the training
    normal, suspects = (_fields(source, channels=args.channels) for source in (args.normal, args.suspects))
    if normal.shape[1:] != suspects.shape[1:]:
        raise ValueError(
            f"{args.suspects}: expected fields of the shape {normal.shape[1:]} of {args.normal}, got "
            f"{suspects.shape[1:]} (channels, *grid)"
        )
    args.out.mkdir(parents=True, exist_ok=True)
    if args.detector.endswith(".onnx"):
        judges, held = opened(Path(args.detector)), normal
    else:
        judges, held = trained(args, normal)
    scores = {
        name: {"normal": judge(held)["score"][:, 0], "suspects": judge(suspects)["score"][:, 0]}
        for name, judge in judges.items()
    }
    name, judge = next(iter(judges.items()))
    text, record = anomaly_report.text_and_record(args, name, scores, judge.threshold)
    picture = anomaly_report.picture(judge, suspects, scores[name], judge.threshold)
    anomaly_report.write(args, text, record, picture)
    tell(args, text, record)
    return 0


def _fields(source: str, *, channels: bool) -> np.ndarray:
    """Fields (n, channels, *grid)."""
    found = np.asarray(read_images(source), dtype=float)
    found = found if channels else found[:, None]
    if found.ndim not in (4, 5) or not len(found):
        axes = "(n, channels, *grid)" if channels else "(n, *grid)"
        raise ValueError(f"{source}: expected fields {axes} in two or three dimensions, got an array {found.shape}")
    wrong = np.flatnonzero(~np.isfinite(found).reshape(len(found), -1).all(axis=1)).tolist()
    if wrong:
        raise ValueError(f"{source}: expected finite fields, got NaN or infinity in {wrong[:10]}")
    return found
