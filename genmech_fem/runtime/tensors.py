"""Size of the tensors of an ONNX file, against the data they bring."""

import math
from dataclasses import dataclass

from genmech_fem.runtime.wire import (
    BYTES,
    FIXED,
    FIXED32,
    FIXED64,
    VARINT,
    RefusedError,
    WireError,
    read_fields,
    read_varints,
)

BITS = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16,
    17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8,
}  # fmt: skip
STRING, INT64 = 8, 7
COMPLEX = (14, 15)
DIMS, TYPE, SEGMENT, NAME, RAW, OUTSIDE, PLACE = 1, 2, 3, 8, 9, 13, 14
LISTS = {4: FIXED32, 5: VARINT, 6: BYTES, 7: VARINT, 10: FIXED64, 11: VARINT}  # repeated numbers or texts
FEW = 16  # largest number of axes


@dataclass(frozen=True)
class Tensor:
    """Name of a tensor, and its numbers if it is a short list of whole ones."""

    name: str
    numbers: tuple[int, ...] = ()


def read_tensor(data: memoryview, limit: int) -> Tensor:
    """Compare the shape of a tensor with its data.

    Args:
        data: The message.
        limit: Largest size [byte].

    Raises:
        RefusedError: The data are outside the file, larger than the limit, or not as many as the shape says.
        WireError: It is no tensor.
    """
    dims: list[int] = []
    kind, name, raw, count = 0, "", None, 0
    values: list[int] = []
    for number, wire, value in read_fields(data):
        if number in (OUTSIDE, SEGMENT) or (number == PLACE and value != 0):
            raise RefusedError("it keeps data outside the file")
        if number == DIMS:
            dims += read_varints(wire, value)
        elif number == TYPE and isinstance(value, int):
            kind = value
        elif number == NAME and not isinstance(value, int):
            name = bytes(value).decode(errors="replace")
        elif number == RAW and not isinstance(value, int):
            raw = value
        elif number in LISTS:
            count += _count(LISTS[number], wire, value)
            values += _short(wire, value) if number == INT64 else []
    _check_size(dims, kind, limit, None if raw is None else len(raw), count)
    if kind != INT64 or math.prod(dims) > FEW:
        return Tensor(name)
    return Tensor(name, tuple(memoryview(bytes(raw)).cast("q")) if raw is not None else tuple(values))


def _check_size(dims: list[int], kind: int, limit: int, raw: int | None, count: int) -> None:
    if kind not in BITS and kind != STRING:
        raise WireError(f"a tensor of the unknown type {kind}")
    if min(dims, default=0) < 0 or len(dims) > FEW:
        raise RefusedError(f"it holds a tensor of the shape {dims[:FEW]}")
    entries = math.prod(dims)
    if entries * BITS.get(kind, 8) // 8 > limit:
        raise RefusedError(f"it asks for a tensor of {entries} numbers, more than {limit} bytes")
    if raw is None:
        fits = count == entries * (2 if kind in COMPLEX else 1) and BITS.get(kind, 8) >= 8
    else:
        fits = kind != STRING and not count and raw == -(-entries * BITS[kind] // 8)
    if not fits:
        raise RefusedError(f"it holds a tensor of the shape {dims} whose data do not fit it")


def _count(kind: int, wire: int, value: int | memoryview) -> int:
    """Entries of a repeated field, packed or not."""
    if kind == BYTES or isinstance(value, int) or wire != BYTES:
        return 1
    if kind in FIXED:
        if len(value) % FIXED[kind]:
            raise WireError("numbers that are cut off")
        return len(value) // FIXED[kind]
    return sum(1 for _ in read_varints(wire, value))


def _short(wire: int, value: int | memoryview) -> list[int]:
    """Whole numbers of a list that is short enough for a shape."""
    long = not isinstance(value, int) and len(value) > 10 * FEW
    return [] if long else list(read_varints(wire, value))
