"""``genmech data export`` and ``genmech data import``: give a data set to other tools, take theirs."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genmech_fem.cli import page
from genmech_fem.datasets import Store, read_splits
from genmech_fem.errors import DatasetError


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


def import_(args: argparse.Namespace) -> int:
    """Make a data set of Mechanical MNIST."""
    from genmech_fem.datasets.card import write_card
    from genmech_fem.datasets.mechanical_mnist import import_mechanical_mnist

    store = import_mechanical_mnist(args.source, args.path, part=args.part)
    card = write_card(store)
    page.write_data_page(args.path, args)
    print(f"{len(store.numbers())} samples; see {card}")
    return 0
