"""Arrays of a store as The Well has them, and their statistics."""

import json
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genmech_fem.datasets.moments import statistics_of
from genmech_fem.fields import Arrays, FieldSpec, Points, Spec

SMALLEST_STD = 1e-4
"""The Well divides fields that vary less by this, not by their standard deviation."""


@dataclass(frozen=True)
class WellArray:
    """One array of a file: an array of a store, or one component of it, divided by a scale.

    Args:
        name: Name in the file.
        spec: The array of the store.
        component: Which component it is; () where the kind of tensor is kept.
        order: Order of the tensor.
        steps: Number of times; 0 is constant in time.
        scale: What the values are divided by.
    """

    name: str
    spec: Spec
    component: tuple[int, ...]
    order: int
    steps: int
    scale: float

    @property
    def grid(self) -> tuple[int, ...]:
        """Shape of the grid, () of scalars."""
        return self.spec.place.shape if isinstance(self.spec, FieldSpec) else ()

    @property
    def group(self) -> str:
        """Group of the file."""
        return f"t{self.order}_fields" if self.grid else "scalars"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample (steps, *grid, *tensor)."""
        return (*((self.steps,) if self.steps else ()), *self.grid, *(len(self.grid),) * self.order)

    def values(self, arrays: Arrays) -> np.ndarray:
        """Values (samples, *shape) of a batch of the store."""
        first = 2 if self.steps else 1
        array = arrays[self.spec.name][(slice(None),) * first + self.component] / self.scale
        return np.moveaxis(array, range(first, first + self.order), range(array.ndim - self.order, array.ndim))


def well_arrays(spec: Spec, dimension: int, steps: int, scale: float) -> Iterator[WellArray]:
    """Arrays that hold one of a store: itself, or each of its components as a scalar."""
    shape = (spec.value_shape if isinstance(spec, FieldSpec) else spec.shape)[1 if steps else 0 :]
    tensor = isinstance(spec, FieldSpec) and len(shape) <= 2 and set(shape) <= {dimension}
    if tensor or set(shape) <= {1}:
        yield WellArray(spec.name, spec, () if tensor else (0,) * len(shape), len(shape) * tensor, steps, scale)
        return
    for index in np.ndindex(shape):
        yield WellArray("_".join([spec.name, *map(str, index)]), spec, index, 0, steps, scale)


def statistics_of_fields(batches: Iterable[Arrays], fields: Sequence[WellArray]) -> dict[str, dict[str, Any]]:
    """Moments of fields, and of their changes from step to step, under the names of The Well."""
    rows = [(field, kind) for field in fields for kind in ("", "_delta")[: 2 if field.steps else 1]]
    specs = [FieldSpec(str(i), Points(1), (len(field.grid) ** field.order,)) for i, (field, _) in enumerate(rows)]

    def columns(values: Arrays) -> Arrays:
        """Values (samples, components, times and points)."""
        changed = [np.diff(values[field.name], axis=1) if kind else values[field.name] for field, kind in rows]
        return {
            spec.name: np.moveaxis(array.reshape(len(array), -1, *spec.value_shape), 1, 2)
            for spec, array in zip(specs, changed, strict=True)
        }

    found = statistics_of(map(columns, batches), specs)
    table: dict[str, dict[str, Any]] = {f"{m}{kind}": {} for kind in ("", "_delta") for m in ("mean", "std", "rms")}
    for spec, (field, kind) in zip(specs, rows, strict=True):
        mean, std, shape = found[spec.name].mean, found[spec.name].std, (len(field.grid),) * field.order
        for moment, value in {"mean": mean, "std": std, "rms": np.hypot(mean, std)}.items():
            table[f"{moment}{kind}"][field.name] = value.reshape(shape).tolist()
    return table


def write_statistics(path: Path, table: dict[str, dict[str, Any]]) -> None:
    """Write the statistics of fields as ``stats.yaml``.

    Warns:
        UserWarning: A component varies, but by `SMALLEST_STD` or less.
    """
    path.write_text(_yaml(table) + "\n")
    spreads = [(name, np.array(std)) for kind in ("std", "std_delta") for name, std in table[kind].items()]
    low = {name for name, std in spreads if ((std > 0) & (std <= SMALLEST_STD)).any()}
    if low:
        warnings.warn(
            f"{sorted(low)} vary by {SMALLEST_STD:g} or less in a component, too little for The Well to normalise: "
            "divide them by their size with scales={name: size}",
            stacklevel=3,
        )


def _yaml(data: Any) -> str:
    """YAML in flow style; PyYAML reads 1e-05, as JSON has it, as a text."""
    if isinstance(data, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {_yaml(value)}" for key, value in data.items()) + "}"
    return "[" + ", ".join(map(_yaml, data)) + "]" if isinstance(data, list) else f"{data:.9e}"
