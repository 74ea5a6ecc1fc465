"""``genmech data info``, ``check`` and ``split``: look at a data set, check it, split it."""

import argparse
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tabulate import tabulate

from genmech_fem.cli.output import tell
from genmech_fem.datasets import Store, read_splits, split_by_hash, write_splits
from genmech_fem.datasets.failures import failure_table
from genmech_fem.fields import FieldSpec, Grid, Spec, to_json

DAMAGED = 1


def info(args: argparse.Namespace) -> int:
    """Say what a data set holds."""
    store = Store.open(args.path)
    splits = {name: len(numbers) for name, numbers in read_splits(store).items()}
    record = {
        "samples": len(store.numbers()),
        "bytes": sum(file.stat().st_size for file in store.files()),
        "failures": dict(Counter(failure.kind for failure in store.failures().values())),
        "arrays": [to_json(spec) for spec in store.specs],
        "splits": splits,
        "about": store.about,
        "description": store.description,
    }
    tell(args, _info(store, record), record)
    return 0


def _info(store: Store, record: Mapping[str, Any]) -> str:
    rows = [(spec.name, str(spec.shape), _place(spec), spec.unit) for spec in store.specs]
    failures = store.failures()
    return "\n".join(
        [
            f"{store.about.get('title') or store.path}: {record['samples']} samples, {record['bytes'] / 1e6:.1f} MB",
            tabulate(rows, headers=("array", "shape", "place", "unit")),
            f"seed {store.description.get('seed')}, licence {store.about.get('licence', 'not stated')}",
            *(f"split {name}: {count} samples" for name, count in record["splits"].items()),
            *([f"{len(failures)} samples failed:\n{failure_table(failures)}"] if failures else []),
        ]
    )


def _place(spec: Spec) -> str:
    if not isinstance(spec, FieldSpec):
        return ""
    if isinstance(spec.place, Grid):
        return f"{spec.place.at} on {spec.place.lower} to {spec.place.upper}"
    return "points"


def check(args: argparse.Namespace) -> int:
    """Compare all files with their checksums; 1 if one is damaged and stays."""
    store = Store.open(args.path)
    if args.quarantine:
        moved = store.quarantine()
        lines = [f"{file.name} is damaged: moved to {file.parent}" for file in moved]
        end = "the campaign makes their samples again when it is repeated" if moved else "nothing is damaged"
        tell(args, "\n".join([*lines, end]), {"moved": moved})
        return 0
    damaged, files = [str(error) for error in store.check()], len(store.files())
    samples = None if damaged else len(store.numbers())
    whole = f"{args.path}: {files} files with {samples} samples, all as they were written"
    tell(args, "\n".join(damaged) or whole, {"files": files, "samples": samples, "damaged": damaged})
    return DAMAGED if damaged else 0


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
    counts = {name: len(numbers) for name, numbers in parts.items()}
    lines = [f"{name}: {count} samples" for name, count in counts.items()]
    lines.append(f"written to {file}; copies{' and shifts' if args.periodic else ''} share a part")
    tell(args, "\n".join(lines), {"file": file, "samples": counts})
    return 0
