"""The arrays of a ForwardModel as a schema of Tesseract."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, Field, create_model
from tesseract_core.runtime import Array, Differentiable

from genmech_fem.errors import ContractError
from genmech_fem.fields import Spec


@dataclass(frozen=True)
class Entry:
    """One array: its name in the schema and in the model, and what it is.

    Args:
        field: Name in the schema.
        name: Name in the model.
        shape: Shape, None for any number; the first axis is the batch.
        dtype: ``"float64"``, or ``"bool"`` for a mask.
        about: Unit and place.
    """

    field: str
    name: str
    shape: tuple[int | None, ...]
    dtype: str
    about: str

    def sized(self, batch: int, points: int) -> tuple[int, ...]:
        """The shape in a batch of so many samples of so many points."""
        first, *others = self.shape
        return (batch if first is None else first, *(points if n is None else n for n in others))


def entries(specs: Sequence[Spec]) -> tuple[Entry, ...]:
    """All arrays that specs ask for; a field that varies in size is followed by its mask ``<field>_mask``.

    Raises:
        ContractError: A name cannot be that of a field of a schema.
    """
    found = tuple(entry for spec in specs for entry in _entries(spec))
    names = [entry.field for entry in found]
    for name in names:
        if not name.isidentifier() or name.startswith("_") or hasattr(BaseModel, name) or names.count(name) > 1:
            raise ContractError(
                f"expected names that are Python identifiers without a leading underscore, unique and none of "
                f"pydantic's own, got '{name}' among {names}: rename it in the spec"
            )
    return found


def _entries(spec: Spec) -> Iterator[Entry]:
    shape = (None, *(None if n == -1 else n for n in spec.shape))
    yield Entry(spec.name, spec.name, shape, "float64", f"[{spec.unit}] {getattr(spec, 'place', 'numbers')}")
    if None in shape[1:]:
        yield Entry(f"{spec.name}_mask", f"{spec.name}.mask", (None, None), "bool", "true on the points that count")


def schema(name: str, found: Sequence[Entry], *, differentiable: bool) -> type[BaseModel]:
    """A schema with one field for each array; masks are never differentiable."""
    fields: dict[str, Any] = {}
    for entry in found:
        array = Array[entry.shape, entry.dtype]
        with_gradient = differentiable and entry.dtype == "float64"
        fields[entry.field] = (Differentiable[array] if with_gradient else array, Field(description=entry.about))
    return create_model(name, **fields)
