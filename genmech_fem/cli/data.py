"""``genmech data``: look at a data set, check it, split it, give it to other tools, take theirs."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tabulate import tabulate

from genmech_fem.datasets import Store, read_splits, split_by_hash, write_splits
from genmech_fem.datasets.campaign import failure_table
from genmech_fem.errors import DatasetError
from genmech_fem.fields import FieldSpec, Grid, Spec

DAMAGED = 1


def add_info_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``genmech data info``."""
    parser.add_argument("path", type=Path, help="folder of the data set")


def info(args: argparse.Namespace) -> int:
    """Say what a data set holds."""
    store = Store.open(args.path)
    failures = store.failures()
    size = sum(file.stat().st_size for file in store.files())
    print(f"{store.about.get('title') or args.path}: {len(store.numbers())} samples, {size / 1e6:.1f} MB")
    rows = [(spec.name, str(spec.shape), _place(spec), spec.unit) for spec in store.specs]
    print(tabulate(rows, headers=("array", "shape", "place", "unit")))
    print(f"seed {store.description.get('seed')}, licence {store.about.get('licence', 'not stated')}")
    for name, numbers in read_splits(store).items():
        print(f"split {name}: {len(numbers)} samples")
    if failures:
        print(f"{len(failures)} samples failed:\n{failure_table(failures)}")
    return 0


def _place(spec: Spec) -> str:
    if not isinstance(spec, FieldSpec):
        return ""
    if isinstance(spec.place, Grid):
        return f"{spec.place.at} on {spec.place.lower} to {spec.place.upper}"
    return "points"


def add_check_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``genmech data check``."""
    parser.add_argument("path", type=Path, help="folder of the data set")
    parser.add_argument("--quarantine", action="store_true", help="move damaged files to the folder quarantine")


def check(args: argparse.Namespace) -> int:
    """Compare all files with their checksums; 1 if one is damaged and stays."""
    store = Store.open(args.path)
    if args.quarantine:
        moved = store.quarantine()
        for file in moved:
            print(f"{file.name} is damaged: moved to {file.parent}")
        if moved:
            print("the campaign makes their samples again when it is repeated")
        return 0
    damaged = store.check()
    for error in damaged:
        print(error)
    if not damaged:
        print(f"{args.path}: {len(store.files())} files with {len(store.numbers())} samples, all as they were written")
    return DAMAGED if damaged else 0


def add_split_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``genmech data split``."""
    parser.add_argument("path", type=Path, help="folder of the data set")
    parser.add_argument("--by", nargs="+", required=True, metavar="ARRAY", help="arrays whose content decides the part")
    parser.add_argument(
        "--shares", nargs="+", default=["train=0.8", "valid=0.1", "test=0.1"], metavar="PART=SHARE", help="of each part"
    )
    parser.add_argument("--periodic", action="store_true", help="keep images that are shifts of each other together")
    parser.add_argument("--seed", type=int, default=0, help="another seed gives another split (default: 0)")


def split(args: argparse.Namespace) -> int:
    """Split by content, and write ``splits.json`` into the data set."""
    store = Store.open(args.path)
    shares = {}
    for pair in args.shares:
        name, _, share = pair.partition("=")
        try:
            shares[name] = float(share)
        except ValueError as error:
            raise ValueError(f"--shares: expected PART=SHARE such as train=0.8, got '{pair}'") from error
    rule: dict[str, Any] = {"by": args.by, "periodic": args.periodic, "seed": args.seed}
    parts = split_by_hash(store, shares, **rule)
    file = write_splits(store, parts, {"shares": shares, **rule})
    for name, numbers in parts.items():
        print(f"{name}: {len(numbers)} samples")
    print(f"written to {file}; copies{' and shifts' if args.periodic else ''} share a part")
    return 0


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


def export(args: argparse.Namespace) -> int:
    """Write a data set in a format of others."""
    store = Store.open(args.path)
    parts = read_splits(store)
    if args.to == "well":
        from genmech_fem.datasets.well import write_well

        numbers = _well_parts(parts) or None
        print(_written(write_well(store, args.out, boundary=args.boundary, numbers=numbers, names=args.names)))
    elif args.to == "vtkhdf":
        from genmech_fem.datasets.vtkhdf import write_vtkhdf

        print(_written(write_vtkhdf(store, args.out, names=args.names)))
    else:
        from genmech_fem.datasets.xarray import to_xarray

        to_xarray(store, names=args.names).to_netcdf(args.out)
        print(_written([args.out]))
    return 0


def _well_parts(parts: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(parts) - {"train", "valid", "test"})
    if unknown:
        raise DatasetError(f"The Well knows the parts train, valid and test, the split has {unknown}: split again")
    return {name: numbers for name, numbers in parts.items() if len(numbers)}


def _written(files: list[Path]) -> str:
    return f"{len(files)} files, {sum(file.stat().st_size for file in files) / 1e6:.1f} MB: {files[0]}, ..."


def add_import_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``genmech data import``."""
    parser.add_argument("source", type=Path, help="folder with the published text files, or .npz, of Mechanical MNIST")
    parser.add_argument("path", type=Path, help="folder of the data set to make")
    parser.add_argument("--part", choices=("train", "test"), default="train", help="of the files (default: train)")


def import_(args: argparse.Namespace) -> int:
    """Make a data set of Mechanical MNIST."""
    from genmech_fem.datasets.card import write_card
    from genmech_fem.datasets.mechanical_mnist import import_mechanical_mnist

    store = import_mechanical_mnist(args.source, args.path, part=args.part)
    print(f"{len(store.numbers())} samples; see {write_card(store)}")
    return 0


COMMANDS = {
    ("data", "info"): (add_info_arguments, info),
    ("data", "check"): (add_check_arguments, check),
    ("data", "split"): (add_split_arguments, split),
    ("data", "export"): (add_export_arguments, export),
    ("data", "import"): (add_import_arguments, import_),
}
