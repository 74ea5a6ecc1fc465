"""The data card: what a data set holds, how it was made and how to read it, for people."""

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genmech_fem.datasets.blocks import Failure
from genmech_fem.datasets.card_picture import picture
from genmech_fem.datasets.failures import by_kind
from genmech_fem.datasets.moments import Statistics, statistics_of
from genmech_fem.datasets.store import Store
from genmech_fem.drafts import write_atomic
from genmech_fem.fields import FieldSpec, Grid, Spec

LOOKED_AT = 256  # samples whose values the table of arrays sums up
DRAWN = 3
LONGEST = 120  # characters of a value in a table


def write_card(store: Store) -> Path:
    """Write ``README.md`` and ``samples.png`` into the folder of a store.

    Returns:
        The card.

    Raises:
        DatasetError: The store holds no samples, or is damaged.
        OSError: The files cannot be written.
    """
    samples = store.samples(verify=False)
    rows = _spread(len(samples), LOOKED_AT)
    drawn = _spread(len(samples), DRAWN)
    values = statistics_of((samples[[row]] for row in rows), store.specs)
    arrays = samples[drawn]
    image = io.BytesIO()
    picture(samples.numbers[drawn].tolist(), arrays, store.specs).save(image, "PNG", optimize=True)
    write_atomic(store.path / "samples.png", image.getvalue())
    dtypes = {name: str(array.dtype) for name, array in arrays.items()}
    parts = [
        _title(store, len(samples)),
        _failures(store.failures()),
        "![Some samples](samples.png)",
        "Colours run from the smallest (dark) to the largest (bright) value of each field, which stand above it; x "
        "points to the right, y upwards. Fields in 3D are shown in their middle slice, rows of numbers as bars.",
        "## Arrays",
        _arrays(store.specs, dtypes, values),
        f"Smallest, mean and largest value are those of {len(rows):,} samples.",
        "## How to read it",
        _recipe(store),
        "## How it was made",
        _table(("setting", "value"), _settings(store.description)),
        "Versions: " + ", ".join(f"{name} {version}" for name, version in store.about.get("versions", {}).items()),
        "## Licence",
        _plain(store.about.get("licence", "not stated")),
    ]
    file = store.path / "README.md"
    write_atomic(file, ("\n\n".join(part for part in parts if part) + "\n").encode())
    return file


def _title(store: Store, count: int) -> str:
    about = store.about
    size = about.get("size", count)
    number = f"{count:,} samples" if size == count else f"{count:,} of {size:,} samples"
    begun = f", begun on {about['created']}" if "created" in about else ""
    source = f" Source: {_plain(about['source'])}." if "source" in about else ""
    return f"# {_plain(about.get('title') or store.path.name)}\n\n{number}{begun}.{source}"


def _failures(failures: Mapping[int, Failure]) -> str:
    """Failed samples by kind, with an example of each."""
    if not failures:
        return ""
    rows = [(kind, str(count), f"{number}: {_code(first.message)}") for kind, count, number, first in by_kind(failures)]
    return f"Failed samples: {len(failures):,}.\n\n" + _table(("failure", "samples", "such as"), rows)


def _arrays(specs: Sequence[Spec], dtypes: Mapping[str, str], values: Mapping[str, Statistics]) -> str:
    rows = []
    for spec in specs:
        one = values[spec.name]
        shape = ", ".join("any" if n == -1 else str(n) for n in spec.shape)
        numbers = (f"{x:.4g}" for x in (one.minimum.min(), one.mean.mean(), one.maximum.max()))
        rows.append((_code(spec.name), f"({shape})", _place(spec), _plain(spec.unit), dtypes[spec.name], *numbers))
    return _table(("array", "shape", "place", "unit", "type", "smallest", "mean", "largest"), rows)


def _place(spec: Spec) -> str:
    if not isinstance(spec, FieldSpec):
        return "-"
    place = spec.place
    if isinstance(place, Grid):
        box = " x ".join(f"[{a:g}, {b:g}]" for a, b in zip(place.lower, place.upper, strict=True))
        return f"{place.at} of a {' x '.join(map(str, place.shape))} grid on {box}"
    return f"points in {place.dimension}D" + (", their number differs by sample" if place.count is None else "")


def _recipe(store: Store) -> str:
    lines = (
        "from genmech_fem.datasets import Store",
        f"store = Store.open({store.path.resolve().name!r})",
        f"numbers, arrays = store.read()  # arrays[{store.specs[0].name!r}] holds one sample a row",
    )
    return "```python\n" + "\n".join(lines) + "\n```"


def _settings(data: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every setting by its path, as ``model.refine`` and its value."""
    if isinstance(data, Mapping):
        for key, value in data.items():
            yield from _settings(value, f"{path}.{key}" if path else str(key))
    elif isinstance(data, list) and any(isinstance(value, Mapping | list) for value in data):
        for i, value in enumerate(data):
            yield from _settings(value, f"{path}[{i}]")
    else:
        yield _code(path), _code(data if isinstance(data, str) else json.dumps(data))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _spread(count: int, most: int) -> np.ndarray:
    """At most `most` of `count` rows, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(int))


def _code(text: str) -> str:
    """Text in one line that Markdown shows as it is, also in a table."""
    line = " ".join(text.split()).replace("`", "'").replace("|", "\\|") or "-"
    return f"`{line if len(line) <= LONGEST else line[: LONGEST - 3] + '...'}`"


def _plain(text: str) -> str:
    """Text in one line whose signs Markdown does not interpret."""
    return re.sub(r"([\\`*<>|#\[\]])", r"\\\1", " ".join(str(text).split()))
