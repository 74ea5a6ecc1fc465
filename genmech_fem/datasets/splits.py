"""Splits of a data set: at random, or by the content of the samples, so that copies never part."""

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genmech_fem.datasets.content import contents, equal, fingerprints, mix
from genmech_fem.datasets.store import Store
from genmech_fem.drafts import write_atomic
from genmech_fem.errors import DatasetError
from genmech_fem.fields import FieldSpec, Grid, Spec

_LISTED = 10  # pairs that an error names


def split(size: int, shares: tuple[float, ...], *, seed: int) -> tuple[np.ndarray, ...]:
    """Split ``range(size)`` at random into one more part than there are `shares`.

    Args:
        size: Number of samples.
        shares: Share of every part but the first, which gets the rest.
        seed: Seed of the permutation.

    Returns:
        Sorted index arrays; the first is the largest in the usual (training) case.

    Raises:
        ValueError: The shares leave nothing for the first part, or a part is empty.
    """
    counts = [round(size * share) for share in shares]
    if min(counts, default=0) < 1 or sum(counts) >= size:
        raise ValueError(f"split: shares {shares} of {size} samples give an empty part; use more samples")
    order = np.random.default_rng(seed).permutation(size)
    first, *rest = np.split(order, np.cumsum([size - sum(counts), *counts])[:-1])
    return tuple(np.sort(part) for part in (first, *rest))


def split_by_hash(
    store: Store, shares: Mapping[str, float], *, by: str | Sequence[str], periodic: bool = False, seed: int = 0
) -> dict[str, np.ndarray]:
    """Split the samples of a store by what they hold.

    The part of a sample depends on its content and on `seed` only: copies land in one
    part, and a set that grows never moves a sample. The shares are met on average; a part
    of a small set can be empty.

    Args:
        store: The data set; it is read once, batch by batch.
        shares: Share of each part by its name; the sum is 1.
        by: Names of the arrays whose content counts, usually the inputs.
        periodic: Keep whole-pixel shifts on the torus together too; then the fields lie
            on the cells of one grid.
        seed: Another seed gives another split.

    Returns:
        Sorted sample numbers of every part.

    Raises:
        ValueError: The shares, the names, the grids or the seed do not fit.
    """
    if not shares or min(shares.values()) <= 0 or not math.isclose(sum(shares.values()), 1.0, abs_tol=1e-9):
        raise ValueError(f"split_by_hash: expected positive shares that add up to 1, got {dict(shares)}")
    if seed < 0:
        raise ValueError(f"split_by_hash: expected a seed >= 0, got {seed}")
    numbers, hashes = _fingerprints(store, None, _specs(store, by, periodic), periodic)
    where = mix(hashes ^ mix(np.array([seed], dtype=np.uint64))) / 2.0**64
    borders = np.cumsum(list(shares.values()))[:-1]
    part = np.searchsorted(borders, where, side="right")
    return {name: np.sort(numbers[part == i]) for i, name in enumerate(shares)}


def write_splits(store: Store, parts: Mapping[str, np.ndarray], rule: Mapping[str, Any]) -> Path:
    """Keep a split with its data set, in ``splits.json``.

    Args:
        store: The data set.
        parts: Sample numbers of each part by its name.
        rule: How it was made, as JSON data.
    """
    file = store.path / "splits.json"
    data = {"rule": rule, "parts": {name: np.asarray(numbers).tolist() for name, numbers in parts.items()}}
    write_atomic(file, json.dumps(data).encode())
    return file


def read_splits(store: Store) -> dict[str, np.ndarray]:
    """The split that `write_splits` kept: sample numbers of each part by its name; empty if there is none.

    Raises:
        DatasetError: The file is damaged.
    """
    file = store.path / "splits.json"
    try:
        parts = json.loads(file.read_text())["parts"]
        return {name: np.array(numbers, dtype=np.int64) for name, numbers in parts.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"{file} is damaged ({error}): split the data set again") from error


def check_leakage(
    store: Store, parts: Mapping[str, np.ndarray], *, by: str | Sequence[str], periodic: bool = False
) -> None:
    """Make sure that no sample of one part is a copy of a sample of another part.

    Args:
        store: The data set; it is read once, batch by batch.
        parts: Sample numbers of every part by its name.
        by: Names of the arrays that are compared, exactly.
        periodic: Whole-pixel shifts on the torus are copies too.

    Raises:
        DatasetError: Parts share samples or copies; it names the pairs.
        ValueError: The names or the grids do not fit.
    """
    part: dict[int, str] = {}
    for name, members in parts.items():
        for number in np.asarray(members).tolist():
            if part.setdefault(number, name) != name:
                raise DatasetError(f"sample {number} is in '{part[number]}' and in '{name}': split the set again")
    specs = _specs(store, by, periodic)
    numbers, hashes = _fingerprints(store, np.array(sorted(part), dtype=np.int64), specs, periodic)
    groups = defaultdict(list)
    for number, key in zip(numbers.tolist(), hashes.tolist(), strict=True):
        groups[key].append(number)
    suspects = [group for group in groups.values() if len({part[number] for number in group}) > 1]
    pairs = list(_copies(store, suspects, part, specs, periodic))
    if pairs:
        named = ", ".join(f"{a} ({part[a]}) and {b} ({part[b]})" for a, b in pairs[:_LISTED])
        more = f" and {len(pairs) - _LISTED} more" if len(pairs) > _LISTED else ""
        raise DatasetError(
            f"pairs of equal samples in different parts: {len(pairs)}, namely {named}{more}; "
            f"split_by_hash(..., by={[spec.name for spec in specs]}, periodic={periodic}) keeps copies together"
        )


def _specs(store: Store, by: str | Sequence[str], periodic: bool) -> tuple[Spec, ...]:
    """Specs of the arrays that count, in the order of the store."""
    names = {by} if isinstance(by, str) else set(by)
    specs = tuple(spec for spec in store.specs if spec.name in names)
    if not names or len(specs) < len(names):
        raise ValueError(f"by: expected names among {[spec.name for spec in store.specs]}, got {sorted(names)}")
    places = {spec.place for spec in specs if isinstance(spec, FieldSpec)}
    if periodic and not (len(places) == 1 and all(isinstance(p, Grid) and p.at == "cells" for p in places)):
        raise ValueError(f"periodic: expected fields on the cells of one grid, got {sorted(map(str, places))}")
    return specs


def _contents(
    store: Store, numbers: np.ndarray | None, specs: tuple[Spec, ...], periodic: bool
) -> Iterator[tuple[int, np.ndarray]]:
    for batch, arrays in store.batches(numbers=numbers, names=[spec.name for spec in specs]):
        yield from zip(batch.tolist(), contents(arrays, specs, periodic=periodic), strict=True)


def _fingerprints(
    store: Store, numbers: np.ndarray | None, specs: tuple[Spec, ...], periodic: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Sample numbers and fingerprints (samples,)."""
    pairs = [
        (number, fingerprints(content[None], periodic=periodic, value_axes=1)[0])
        for number, content in _contents(store, numbers, specs, periodic)
    ]
    return np.array([n for n, _ in pairs], dtype=np.int64), np.array([h for _, h in pairs], dtype=np.uint64)


def _copies(
    store: Store, groups: list[list[int]], part: Mapping[int, str], specs: tuple[Spec, ...], periodic: bool
) -> Iterator[tuple[int, int]]:
    """Pairs of equal samples of a group in different parts, each with the first sample of its kind."""
    group_of = {number: i for i, group in enumerate(groups) for number in group}
    kinds: list[tuple[int, np.ndarray]] = []
    for number, content in _contents(store, np.array(list(group_of), dtype=np.int64), specs, periodic):
        kinds = [kind for kind in kinds if group_of[kind[0]] == group_of[number]]
        first = next((n for n, other in kinds if equal(other, content, periodic=periodic)), None)
        if first is None:
            kinds.append((number, content))
        elif part[first] != part[number]:
            yield first, number
