"""Arguments of ``genmech train``, ``genmech finetune`` and ``genmech retrain``."""

import argparse
from pathlib import Path

from genmech_fem.cli.commands import later
from genmech_fem.cli.output import add_json_argument

NETWORKS = ("unet", "fourier", "vision_transformer", "point_transformer")
LOSSES = ("l2", "relative_l2", "relative_h1")
UPDATES = ("full", "low_rank", "partial")


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``genmech train``."""
    parser.add_argument("dataset", help="folder of a data set, FOLDER:PART for a part of its split")
    parser.add_argument("--input", required=True, metavar="NAME", help="array that is given: a field on a grid")
    parser.add_argument("--output", required=True, metavar="NAME", help="array that is sought: a field or numbers")
    parser.add_argument("--network", default=NETWORKS[0], choices=NETWORKS, help="for fields (default: unet)")
    parser.add_argument("--loss", default="relative_l2", choices=LOSSES, help="for fields (default: relative_l2)")
    parser.add_argument("--periodic", action="store_true", help="the fields are periodic")
    _add_sample_arguments(parser)
    _add_recipe_arguments(parser)


def add_finetune_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``genmech finetune``."""
    parser.add_argument("model", type=Path, help="surrogate to begin with, .safetensors")
    parser.add_argument("dataset", help="folder of a data set, FOLDER:PART for a part of its split")
    _add_update_arguments(parser)
    _add_sample_arguments(parser)
    _add_recipe_arguments(parser)


def add_retrain_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``genmech retrain``."""
    parser.add_argument("model", type=Path, help="surrogate that was guarded, .safetensors")
    parser.add_argument("fallbacks", help="folder of the solves that were recorded")
    parser.add_argument("datasets", nargs="+", metavar="dataset", help="what the surrogate has learned from")
    _add_update_arguments(parser)
    parser.add_argument(
        "--seed", type=int, help="of order and split (default: that of the model, so that the same samples are held)"
    )
    _add_recipe_arguments(parser)


def _add_update_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--how", default=UPDATES[0], choices=UPDATES, help="what may change (default: full)")
    parser.add_argument("--rank", type=int, default=4, help="of low-rank updates (default: 4)")


def _add_sample_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--test", metavar="DATASET", help="samples that judge (default: a tenth of the data set)")
    parser.add_argument("--count", type=int, metavar="N", help="use the first N samples (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order and split (default: 0)")


def _add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=60.0, help="budget of the training [s] (default: 60)")
    parser.add_argument("--batch-size", type=int, default=16, help="samples of a step (default: 16)")
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="peak of the schedule (default: 0.002)")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write model, file and card")
    add_json_argument(parser)


COMMANDS = {
    ("train",): (add_train_arguments, later("train")),
    ("finetune",): (add_finetune_arguments, later("train", "finetune")),
    ("retrain",): (add_retrain_arguments, later("retrain")),
}
