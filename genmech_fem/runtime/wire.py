"""Fields of protobuf messages, read from bytes that nobody vouches for: https://protobuf.dev/programming-guides/encoding."""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
FIXED = {FIXED64: 8, FIXED32: 4}
LONGEST = 10  # bytes of a 64-bit varint

type Field = tuple[int, int, int | memoryview]
"""Number, wire type, and the number or the bytes."""


class WireError(ValueError):
    """The bytes are no protobuf message."""


class RefusedError(ValueError):
    """The bytes are readable, but not safe to use."""


def read_fields(data: memoryview) -> Iterator[Field]:
    """Fields of one message in their order; messages inside it stay bytes.

    Raises:
        WireError: The message is torn, or uses wire types that ONNX does not.
    """
    position = 0
    while position < len(data):
        key, position = read_varint(data, position)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, position = read_varint(data, position)
            yield number, kind, value
            continue
        if kind == BYTES:
            length, position = read_varint(data, position)
        elif kind in FIXED:
            length = FIXED[kind]
        else:
            raise WireError(f"unknown wire type {kind}")
        if number == 0 or length > len(data) - position:
            raise WireError("it is cut off or damaged")
        yield number, kind, data[position : position + length]
        position += length


def read_varint(data: memoryview, position: int) -> tuple[int, int]:
    """An unsigned number of at most 64 bits, and the position after it.

    Raises:
        WireError: It is torn or too long.
    """
    value = 0
    for k in range(LONGEST):
        if position + k >= len(data):
            raise WireError("it is cut off or damaged")
        byte = data[position + k]
        value |= (byte & 127) << 7 * k
        if byte < 128:
            return value & (2**64 - 1), position + k + 1
    raise WireError("it is cut off or damaged")


def signed(value: int) -> int:
    """The 64-bit number that an unsigned one stands for."""
    return value - 2**64 if value >= 2**63 else value


def read_varints(kind: int, value: int | memoryview) -> Iterator[int]:
    """Signed numbers of a repeated field, packed or not.

    Raises:
        WireError: They are torn.
    """
    if isinstance(value, int):
        yield signed(value)
        return
    if kind != BYTES:
        raise WireError("numbers of the wrong wire type")
    position = 0
    while position < len(value):
        number, position = read_varint(value, position)
        yield signed(number)
