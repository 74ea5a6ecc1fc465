"""Refusal of model files that could read other files, run for ever or ask for more memory than they bring."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from genmech_fem.runtime.tensors import FEW, read_tensor
from genmech_fem.runtime.wire import Field, RefusedError, WireError, read_fields, read_varints

LARGEST = 2**31 - 1  # bytes of a protobuf message
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
ENDLESS = ("Loop", "Scan")
SHAPED = {"ConstantOfShape": 0, "Expand": 1, "Tile": 1}  # input that says how large the output is
OPERATORS = 1_000_000
DEPTH = 32  # of graphs inside graphs, and of functions that call functions
WIDEST = 8  # bytes of one number

# messages inside messages: kind, then field number to the kind inside
INSIDE: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "training": {},
    "sparse": {1: "tensor", 2: "tensor"},
}


type Operator = tuple[str, str]
"""Domain and name."""


@dataclass
class _Contents:
    """What a file holds."""

    calls: Counter[Operator] = field(default_factory=Counter)
    functions: dict[Operator, Counter[Operator]] = field(default_factory=dict)
    constants: dict[str, int] = field(default_factory=dict)
    shapes: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class _Part:
    """A message to be read, the function it belongs to, and how many graphs it is inside."""

    kind: str
    data: memoryview
    calls: Counter[Operator]
    depth: int = 0
    name: str = ""


def check_model(data: bytes, limit: int = LARGEST) -> None:
    """Look through the bytes of an ONNX model without running any of it.

    Args:
        data: The whole file.
        limit: Largest size of the file and of each tensor that it asks for [byte].

    Raises:
        RefusedError: It has data outside the file, foreign operators, endless loops, or tensors larger than the limit
            or than their data.
        WireError: It is no ONNX model.
    """
    if len(data) > limit:
        raise RefusedError(f"it has {len(data)} bytes, more than {limit}: raise the limit if you trust it")
    found = _Contents()
    parts = [_Part("model", memoryview(data), found.calls)]
    graphs = 0
    while parts:
        part = parts.pop()
        graphs += part.kind == "graph" and part.depth == 1
        parts.extend(_read(part, found, limit))
    if graphs != 1:
        raise WireError("it holds no graph" if not graphs else "it holds several graphs")
    _check_operators(found)
    for operator, name in found.shapes:
        if found.constants.get(name, 0) * WIDEST > limit:
            raise RefusedError(f"{operator} asks for {found.constants[name]} numbers, more than {limit} bytes")


def _read(part: _Part, found: _Contents, limit: int) -> Iterator[_Part]:
    """Note what one message says, and give the messages inside it."""
    if part.kind == "tensor":
        tensor = read_tensor(part.data, limit)
        _note_numbers(part.name or tensor.name, tensor.numbers, found)
        return
    fields = list(read_fields(part.data))
    name, calls = _noted(part, fields, found, limit)
    for number, _, value in fields:
        kind = INSIDE[part.kind].get(number)
        if kind is None:
            continue
        if isinstance(value, int):
            raise WireError(f"a {kind} that is a number")
        depth = part.depth + (kind == "graph")
        if depth > DEPTH:
            raise RefusedError(f"it has graphs inside graphs, deeper than {DEPTH}")
        yield _Part(kind, value, calls, depth, name)


def _noted(part: _Part, fields: list[Field], found: _Contents, limit: int) -> tuple[str, Counter[Operator]]:
    """Note a message; the name of the constant and the operators of the function that it belongs to."""
    if part.kind == "training":
        raise RefusedError("it holds a training graph")
    if part.kind == "node":
        return _note_node(fields, part.calls, found), part.calls
    if part.kind == "function":
        return "", found.functions.setdefault((_text(fields, 10), _text(fields, 1)), Counter())
    if part.kind == "attribute" and part.name:
        _note_numbers(part.name, _numbers(fields, 3) + _numbers(fields, 8), found)
    elif part.kind == "sparse":
        _check_dims(_numbers(fields, 3), limit)
    return part.name, part.calls


def _note_node(fields: list[Field], calls: Counter[Operator], found: _Contents) -> str:
    """Note an operator; the name of what it returns if that is a constant."""
    inputs, outputs = _texts(fields, 1), _texts(fields, 2)
    domain, kind = _text(fields, 7), _text(fields, 4)
    calls[domain, kind] += 1
    place = SHAPED.get(kind)
    if place is not None and place < len(inputs):
        found.shapes.append((kind, inputs[place]))
    return outputs[0] if kind == "Constant" and outputs else ""


def _note_numbers(name: str, numbers: Sequence[int], found: _Contents) -> None:
    """Note the product of a constant's numbers, which is a size if the constant is a shape."""
    if 0 < len(numbers) <= FEW:
        found.constants[name] = max(found.constants.get(name, 0), math.prod(numbers))


def _check_dims(dims: Sequence[int], limit: int) -> None:
    if len(dims) > FEW or min(dims, default=0) < 0 or math.prod(dims) * WIDEST > limit:
        raise RefusedError(f"it asks for a tensor of the shape {list(dims[:FEW])}, more than {limit} bytes")


def _check_operators(found: _Contents) -> None:
    """Refuse operators that are foreign or endless, and functions that call themselves or grow too large."""
    everywhere = set(found.calls).union(*found.functions.values())
    for domain, kind in sorted(everywhere - set(found.functions)):
        if domain not in DOMAINS:
            raise RefusedError(f"it needs the foreign operator {domain}.{kind}")
        if kind in ENDLESS:
            raise RefusedError(f"it holds the operator {kind}, which may run for ever")
    known: dict[Operator, int] = {}

    def size(calls: Counter[Operator], depth: int) -> int:
        if depth > DEPTH:
            raise RefusedError(f"it has functions that call each other, deeper than {DEPTH}")
        total = 0
        for operator, count in calls.items():
            if operator in found.functions and operator not in known:
                known[operator] = size(found.functions[operator], depth + 1)
            total += count * known.get(operator, 1)
        return total

    if size(found.calls, 0) > OPERATORS:
        raise RefusedError(f"it runs more than {OPERATORS} operators")


def _numbers(fields: list[Field], wanted: int) -> list[int]:
    return [x for number, wire, value in fields if number == wanted for x in read_varints(wire, value)]


def _texts(fields: list[Field], wanted: int) -> list[str]:
    return [bytes(v).decode(errors="replace") for n, _, v in fields if n == wanted and not isinstance(v, int)]


def _text(fields: list[Field], wanted: int) -> str:
    """The last text of this number, which is the one that counts."""
    return (_texts(fields, wanted) or [""])[-1]
