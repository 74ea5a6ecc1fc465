"""Abaqus input files: nodes, elements, sets and surfaces.

meshio's reader keeps only the last of several ``*NODE`` blocks and knows few element types.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import meshio
import numpy as np

from genmech_fem.geometry.mesh import FACET_TYPES

_SOLIDS = {4: "tetra", 5: "pyramid", 6: "wedge", 8: "hexahedron", 10: "tetra10", 15: "wedge15", 20: "hexahedron20"}
_PLANES = {3: "triangle", 4: "quad", 6: "triangle6", 8: "quad8", 9: "quad9"}
_LINES = {2: "line", 3: "line3"}
_FAMILIES = (
    (re.compile(r"(?:C3D|DC3D|AC3D|SC)(\d+)"), _SOLIDS),
    (re.compile(r"(?:CPS|CPE|CPEG|CAX|CGAX|DC2D|DCAX|AC2D|ACAX|M3D|SFM3D|STRI|S|R3D|DS)(\d)\d?"), _PLANES),
    (re.compile(r"(?:T2D|T3D|DC1D|R2D|RAX)(\d)|B[23](\d)"), _LINES),
)
# Corners of the faces S1, S2, ... of an element.
_FACES = {
    "triangle": ((0, 1), (1, 2), (2, 0)),
    "quad": ((0, 1), (1, 2), (2, 3), (3, 0)),
    "tetra": ((0, 1, 2), (0, 3, 1), (1, 3, 2), (2, 3, 0)),
    "hexahedron": ((0, 1, 2, 3), (4, 7, 6, 5), (0, 4, 5, 1), (1, 5, 6, 2), (2, 6, 7, 3), (3, 7, 4, 0)),
}
_DEPTH = 10


@dataclass
class _Deck:
    """What the file has told so far; sets hold the numbers of the file."""

    nodes: dict[int, list[float]] = field(default_factory=dict)
    elements: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    node_sets: dict[str, list[int]] = field(default_factory=dict)
    element_sets: dict[str, list[int]] = field(default_factory=dict)
    surfaces: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


def read_abaqus(path: Path) -> meshio.Mesh:
    """Read an input file with one part; element sets and surfaces become sets of cells, node sets sets of points.

    Raises:
        ValueError: An element type is unknown, or a number or set is missing or given twice.
    """
    deck = _Deck()
    for keyword, options, lines in _blocks(path, 0):
        _take(deck, keyword, options, lines)
    ids = {number: row for row, number in enumerate(deck.nodes)}
    width = max((len(x) for x in deck.nodes.values()), default=0)
    points = np.array([x + [0.0] * (width - len(x)) for x in deck.nodes.values()])
    blocks: list[tuple[str, np.ndarray]] = []
    rows: dict[int, tuple[int, int]] = {}
    for kind, elements in deck.elements.items():
        for row, number in enumerate(elements):
            rows[number] = (len(blocks), row)
        blocks.append((kind, np.array([[_get(ids, n, "node") for n in nodes] for nodes in elements.values()])))
    sets = {name: _rows(numbers, rows, len(blocks)) for name, numbers in deck.element_sets.items()}
    for name, entries in deck.surfaces.items():
        for corners, faces in _surface(deck, entries, blocks, rows).items():
            sets = {other: [*members, np.zeros(0, dtype=np.int64)] for other, members in sets.items()}
            own = sets.setdefault(name, [np.zeros(0, dtype=np.int64) for _ in range(len(blocks) + 1)])
            own[-1] = np.arange(len(faces))
            blocks.append((FACET_TYPES[corners], np.array(faces)))
    return meshio.Mesh(
        points,
        blocks,
        cell_sets=sets,
        point_sets={name: np.array([_get(ids, n, "node") for n in nodes]) for name, nodes in deck.node_sets.items()},
    )


def _blocks(path: Path, depth: int) -> Iterator[tuple[str, dict[str, str], list[str]]]:
    """Keyword, options and data lines of each block, those of included files at their place."""
    if depth > _DEPTH:
        raise ValueError(f"expected *INCLUDE at most {_DEPTH} deep, got more at {path.name}")
    keyword, options, lines = "", dict[str, str](), list[str]()
    text = iter(path.read_text(encoding="latin-1").splitlines())
    for line in (line.strip() for line in text):
        if not line or line.startswith("**"):
            continue
        if not line.startswith("*"):
            lines.append(line)
            continue
        yield keyword, options, lines
        whole = line
        while whole.endswith(","):
            whole += next(text, " ").strip() or " "
        first, *rest = (part.strip() for part in whole[1:].split(","))
        keyword, lines = first.upper(), []
        options = {key.strip().upper(): value.strip().strip('"') for key, _, value in (p.partition("=") for p in rest)}
        if keyword == "INCLUDE":
            yield from _blocks(path.parent / options["INPUT"], depth + 1)
    yield keyword, options, lines


def _take(deck: _Deck, keyword: str, options: dict[str, str], lines: list[str]) -> None:
    """Enter a block into the deck; blocks of other keywords are passed over."""
    if keyword == "NODE":
        _take_nodes(deck, options, lines)
    elif keyword == "ELEMENT":
        _take_elements(deck, options, lines)
    elif keyword in ("NSET", "ELSET"):
        sets = deck.node_sets if keyword == "NSET" else deck.element_sets
        sets.setdefault(options[keyword], []).extend(_members(lines, "GENERATE" in options, sets))
    elif keyword == "SURFACE" and options.get("TYPE", "ELEMENT").upper() == "ELEMENT":
        pairs = [[part.strip() for part in line.split(",")] for line in lines]
        deck.surfaces.setdefault(options["NAME"], []).extend((p[0], p[1].upper()) for p in pairs if len(p) > 1)


def _take_nodes(deck: _Deck, options: dict[str, str], lines: list[str]) -> None:
    rows = [[part for part in line.split(",") if part.strip()] for line in lines]
    numbers = [int(row[0]) for row in rows]
    if not deck.nodes.keys().isdisjoint(numbers):
        raise ValueError(f"expected one part with every node once, got node {numbers[0]} twice: export one part")
    deck.nodes |= {number: [float(x) for x in row[1:4]] for number, row in zip(numbers, rows, strict=True)}
    if "NSET" in options:
        deck.node_sets.setdefault(options["NSET"], []).extend(numbers)


def _take_elements(deck: _Deck, options: dict[str, str], lines: list[str]) -> None:
    kind = _type(options.get("TYPE", ""))
    values = [int(part) for line in lines for part in line.split(",") if part.strip()]
    width = meshio._common.num_nodes_per_cell[kind] + 1
    if len(values) % width:
        raise ValueError(f"expected {width} numbers for each element of {options['TYPE']}, got {len(values)} in all")
    found = {row[0]: row[1:] for row in (values[i : i + width] for i in range(0, len(values), width))}
    if any(not known.keys().isdisjoint(found) for known in deck.elements.values()):
        raise ValueError(f"expected one part with every element once, got {next(iter(found))} or later twice")
    deck.elements.setdefault(kind, {}).update(found)
    if "ELSET" in options:
        deck.element_sets.setdefault(options["ELSET"], []).extend(found)


def _type(name: str) -> str:
    """Type of an element in meshio's words."""
    for pattern, kinds in _FAMILIES:
        match = pattern.match(name.upper())
        count = int(next(filter(None, match.groups()))) if match else 0
        if pattern is _FAMILIES[2][0] and match and match[2]:
            count += 1  # B31 is the linear beam of 2 nodes
        if count in kinds:
            return kinds[count]
    raise ValueError(f"expected a solid, plane, shell or truss element, got the type {name!r}")


def _members(lines: list[str], generate: bool, sets: dict[str, list[int]]) -> Iterator[int]:
    for line in lines:
        parts = [part.strip().strip('"') for part in line.split(",") if part.strip()]
        if generate:
            first, last, step = (*map(int, parts), 1)[:3]
            yield from range(first, last + 1, step)
            continue
        for part in parts:
            if part.isdecimal():
                yield int(part)
            else:
                yield from _get(sets, part, "set")


def _get[K, V](table: dict[K, V], key: K, what: str) -> V:
    if key not in table:
        raise ValueError(f"expected a {what} of the file, got {key!r}, which it does not define")
    return table[key]


def _rows(numbers: list[int], rows: dict[int, tuple[int, int]], count: int) -> list[np.ndarray]:
    """Rows in each block of the elements with the given numbers."""
    found = np.array([rows[n] for n in numbers if n in rows], dtype=np.int64).reshape(-1, 2)
    return [np.unique(found[found[:, 0] == block, 1]) for block in range(count)]


def _surface(
    deck: _Deck, entries: list[tuple[str, str]], blocks: list[tuple[str, np.ndarray]], rows: dict[int, tuple[int, int]]
) -> dict[int, list[np.ndarray]]:
    """Corners of the faces of a surface by their number."""
    faces: dict[int, list[np.ndarray]] = {}
    for where, face in entries:
        if not re.fullmatch(r"[SE][1-6]", face):
            continue  # SPOS and SNEG are the sides of shells
        numbers = [int(where)] if where.isdecimal() else _get(deck.element_sets, where, "set")
        for number in numbers:
            block, row = _get(rows, number, "element")
            kind = re.sub(r"\d+$", "", blocks[block][0])
            if kind in _FACES:
                corners = blocks[block][1][row][list(_FACES[kind][int(face[1]) - 1])]
                faces.setdefault(len(corners), []).append(corners)
    return faces
