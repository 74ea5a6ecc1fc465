"""Arguments of ``genmech export``."""

import argparse
from pathlib import Path

from genmech_fem.cli.commands import later
from genmech_fem.cli.output import add_json_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("model", type=Path, help="trained model, .safetensors: a surrogate of train, or a generator")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.onnx", help="where to write")
    parser.add_argument("--vjp", action="store_true", help="write FILE.vjp.onnx too: gradients without torch")
    parser.add_argument("--half", action="store_true", help="store weights in half precision")
    parser.add_argument("--data", metavar="DATASET", help="real samples to compare on: they give range and errors too")
    parser.add_argument(
        "--sizes", type=_sizes, default=(), metavar="64x64,...", help="other grids on which the file must work as well"
    )
    parser.add_argument("--part", default="decoder", help="of a generator (default: decoder)")
    add_json_argument(parser)


def _sizes(text: str) -> tuple[tuple[int, ...], ...]:
    """Grids such as 64x64,128x96."""
    try:
        return tuple(tuple(int(points) for points in shape.split("x")) for shape in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected grids such as 64x64,128x96, got {text!r}") from None


run = later("export")
