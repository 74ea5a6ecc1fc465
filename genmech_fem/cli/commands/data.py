"""Arguments of ``genmech data``."""

import argparse
from pathlib import Path

from genmech_fem.cli.commands import later
from genmech_fem.cli.output import add_json_argument


def add_info_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``genmech data info``."""
    parser.add_argument("path", type=Path, help="folder of the data set")
    add_json_argument(parser)


def add_check_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``genmech data check``."""
    parser.add_argument("path", type=Path, help="folder of the data set")
    parser.add_argument("--quarantine", action="store_true", help="move damaged files to the folder quarantine")
    add_json_argument(parser)


def add_split_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``genmech data split``."""
    parser.add_argument("path", type=Path, help="folder of the data set")
    parser.add_argument("--by", nargs="+", required=True, metavar="ARRAY", help="arrays whose content decides the part")
    parser.add_argument(
        "--shares", nargs="+", default=["train=0.8", "valid=0.1", "test=0.1"], metavar="PART=SHARE", help="of each part"
    )
    parser.add_argument("--periodic", action="store_true", help="keep images that are shifts of each other together")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives another split (default: 0)")
    add_json_argument(parser)


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``genmech data export``."""
    parser.add_argument("path", type=Path, help="folder of the data set")
    parser.add_argument("out", type=Path, help="file or folder to write")
    parser.add_argument(
        "--to",
        choices=("well", "vtkhdf", "netcdf"),
        required=True,
        help="The Well's HDF5 layout (with parts if there are splits), a VTKHDF file a sample, or netCDF by xarray",
    )
    parser.add_argument(
        "--boundary", choices=("WALL", "OPEN", "PERIODIC"), default="WALL", help="of all sides, for The Well (WALL)"
    )
    parser.add_argument("--names", nargs="+", metavar="ARRAY", help="the arrays to write (default: all)")


def add_import_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``genmech data import``."""
    parser.add_argument("source", type=Path, help="folder with the published text files, or .npz, of Mechanical MNIST")
    parser.add_argument("path", type=Path, help="folder of the data set to make")
    parser.add_argument("--part", choices=("train", "test"), default="train", help="of the files (default: train)")


COMMANDS = {
    ("data", "info"): (add_info_arguments, later("data", "info")),
    ("data", "check"): (add_check_arguments, later("data", "check")),
    ("data", "split"): (add_split_arguments, later("data", "split")),
    ("data", "export"): (add_export_arguments, later("data_exchange", "export")),
    ("data", "import"): (add_import_arguments, later("data_exchange", "import_")),
}
