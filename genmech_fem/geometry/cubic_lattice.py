"""The body-centred cubic lattice in a box, cut off by its faces: nodes, tetrahedra and the keys of their edges."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

SLOTS = 11  # edges that a node owns: to the next of its kind along 3 axes, and from a centre to 8 corners


@dataclass(frozen=True, eq=False)
class Tetrahedra:
    """Tetrahedra of the lattice of one orientation in space.

    Their corners (4, n) are two neighbouring centres and two neighbouring corners of cubes; of
    both pairs the lower node comes first. `slots` (6,) tell the edges of a node apart;
    `mirrored` tells a negative volume.
    """

    corners: np.ndarray
    slots: np.ndarray
    mirrored: int


@dataclass(frozen=True, eq=False)
class Lattice:
    """Body-centred cubic lattice in a box, with nodes at the centres of the squares on its faces.

    Args:
        kinds: Nodes at the corners of cubes, at their centres, and on the faces of the box: the
            coordinates of their tensor grids along each axis in half cubes.
        images: The node (nodes,) that each node is a periodic image of.
        frozen: Axes (nodes, 3) along which a node of the border must not move.
        groups: The tetrahedra.
    """

    kinds: list[list[np.ndarray]]
    images: np.ndarray
    frozen: np.ndarray
    groups: list[Tetrahedra]

    def points(self, lower: Sequence[float], upper: Sequence[float]) -> np.ndarray:
        """Coordinates (nodes, 3) of the nodes in a box [length]."""
        ends = [len(corners) for corners in self.kinds[0]]
        lines = [np.linspace(a, b, 2 * n - 1) for a, b, n in zip(lower, upper, ends, strict=True)]
        return np.concatenate([_product([x[i] for x, i in zip(lines, kind, strict=True)]) for kind in self.kinds])


def make_lattice(shape: Sequence[int], periodic: bool) -> Lattice:
    """The lattice of a box of cubes.

    Args:
        shape: Cubes along each axis.
        periodic: Whether nodes on opposite faces are images of each other.
    """
    even, odd = ([np.arange(first, 2 * n + 1, 2) for n in shape] for first in (0, 1))
    faces = [
        [np.array([side * 2 * shape[axis]]) if k == axis else odd[k] for k in range(3)]
        for axis, side in itertools.product(range(3), (0, 1))
    ]
    kinds = [even, odd, *faces]
    shapes = [[len(x) for x in kind] for kind in kinds]
    starts = np.cumsum([0, *map(np.prod, shapes)])
    images = np.arange(starts[-1], dtype=np.int32)
    corners, centres, *borders = (
        images[a:][: np.prod(n)].reshape(n).copy() for a, n in zip(starts, shapes, strict=False)
    )
    groups = []
    for axis, along in itertools.permutations(range(3), 2):
        chain = np.concatenate([borders[2 * axis], centres, borders[2 * axis + 1]], axis=axis)
        for side, line in enumerate(_ends(corners, 3 - axis - along)):
            nodes = [*_ends(chain, axis), *_ends(line, along)]
            groups.append(_group(np.stack([n.ravel() for n in nodes]), axis, along, side))
    if periodic:
        images[corners] = np.pad(corners[:-1, :-1, :-1], (0, 1), mode="wrap")
        for low, high in zip(borders[::2], borders[1::2], strict=True):
            images[high] = low
    places = np.concatenate([_product(kind) for kind in kinds])
    return Lattice(kinds, images, (places == 0) | (places == np.multiply(shape, 2)), groups)


def _ends(nodes: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The lower and the upper nodes of the pairs along an axis."""
    n = nodes.shape[axis]
    return nodes.take(range(n - 1), axis=axis), nodes.take(range(1, n), axis=axis)


def _group(corners: np.ndarray, axis: int, along: int, side: int) -> Tetrahedra:
    """Tetrahedra between centres along `axis` and corners along `along`, on one side along the third axis."""
    place = np.zeros((4, 3))
    place[:2, axis] = place[2:, along] = -1, 1
    place[2:, 3 - axis - along] = 2 * side - 1
    octants = (place[2:] - place[:2, None] > 0) @ [1, 2, 4] + 3
    slots = np.array([axis, *octants.ravel(), along])
    return Tetrahedra(corners, slots, int(np.linalg.det(place[1:] - place[0]) < 0))


def _product(axes: Sequence[np.ndarray]) -> np.ndarray:
    """Points (n, dimension) of a tensor grid."""
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
