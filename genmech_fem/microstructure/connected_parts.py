"""Connected parts of phase 1 of one image: their places and shapes, and how they percolate.

Percolation on the torus by winding: Newman and Ziff, Phys. Rev. E 64 (2001), doi:10.1103/PhysRevE.64.016706.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import generate_binary_structure, label

from genmech_fem.microstructure.images import binary_images


@dataclass(frozen=True)
class Components:
    """The connected parts of phase 1 of one image.

    Args:
        labels: Number of the component of each pixel (*grid), from 1; 0 in phase 0.
        sizes: Pixels of each component (components,).
        centroids: Centre of each component (components, dimension) [pixel], within the grid; pixel
            (0, 0) has its centre at 0. Meaningless for a component that percolates on the torus.
        circularity: 1 for a disc or ball, less for any other shape (components,): the second moment
            of the ball of this volume over that of the component; 0 for one that percolates on the torus.
        percolates: Whether each component joins the two ends of each axis (components, dimension): on
            the torus, whether it holds a closed path that winds round that axis.
    """

    labels: np.ndarray
    sizes: np.ndarray
    centroids: np.ndarray
    circularity: np.ndarray
    percolates: np.ndarray


def components(image: np.ndarray, diagonal: bool = False, periodic: bool = True) -> Components:
    """Find the connected parts of one image.

    Args:
        image: Image (*grid), 2D or 3D, taken as phase 1 where above 0.5.
        diagonal: Whether pixels that share only a corner (in 3D also only an edge) are connected.
        periodic: Whether opposite sides are joined.

    Raises:
        ContractError: Not a 2D or 3D image, or not finite.
    """
    binary = binary_images(np.asarray(image)[None])[0]
    structure = generate_binary_structure(binary.ndim, binary.ndim if diagonal else 1)
    pieces, count = label(binary, structure)
    if periodic:
        component, offsets, percolates = _join(count, _seams(pieces, structure), binary.ndim)
    else:
        component, offsets = np.arange(count), np.zeros((count, binary.ndim), dtype=int)
        percolates = _touches_both_ends(pieces, count)
    number = len(percolates)
    pixels = np.argwhere(binary)
    piece = pieces[binary] - 1
    place = pixels + offsets[piece] * binary.shape
    owner = component[piece]
    sizes = np.bincount(owner, minlength=number)
    centroids = np.stack([np.bincount(owner, x, number) for x in place.T], axis=1) / sizes[:, None]
    moment = np.bincount(owner, ((place - centroids[owner]) ** 2).sum(axis=1), number) + binary.ndim / 12 * sizes
    circularity = np.where(periodic & percolates.any(axis=1), 0.0, _moment_of_ball(sizes, binary.ndim) / moment)
    labels = np.zeros(binary.shape, dtype=int)
    labels[binary] = owner + 1
    return Components(labels, sizes, centroids % binary.shape, circularity, percolates)


def _moment_of_ball(volume: np.ndarray, dimension: int) -> np.ndarray:
    """Integral of the squared distance from the centre over the disc or ball of each `volume`."""
    unit = math.pi ** (dimension / 2) / math.gamma(dimension / 2 + 1)
    return dimension / (dimension + 2) * volume * (volume / unit) ** (2 / dimension)


def _seams(pieces: np.ndarray, structure: np.ndarray) -> np.ndarray:
    """Pairs of pieces that meet over the border: rows (piece, other piece, *cells by which the other is moved)."""
    shape, dimension = np.array(pieces.shape), pieces.ndim
    layers = np.zeros(pieces.shape, dtype=bool)
    for axis in range(dimension):
        layers[(slice(None),) * axis + (-1,)] = layers[(slice(None),) * axis + (0,)] = True
    border = np.argwhere(layers & (pieces > 0))
    rows = [np.empty((0, 2 + dimension), dtype=int)]
    for step in np.argwhere(structure) - 1:
        target = border + step
        shift = target // shape
        over = shift.any(axis=1)
        target = target[over] - shift[over] * shape
        second = pieces[tuple(target.T)]
        row = np.column_stack([pieces[tuple(border[over].T)] - 1, second - 1, shift[over]])
        rows.append(row[second > 0])
    return np.unique(np.vstack(rows), axis=0)


def _join(count: int, seams: np.ndarray, dimension: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Component of each piece, its place in cells relative to the first piece, and where components wind."""
    neighbours: list[list[tuple[int, np.ndarray]]] = [[] for _ in range(count)]
    for first, second, *shift in seams:
        neighbours[first].append((int(second), np.array(shift)))
    component, offsets = np.full(count, -1), np.zeros((count, dimension), dtype=int)
    winds: list[np.ndarray] = []
    for start in range(count):
        if component[start] >= 0:
            continue
        component[start] = len(winds)
        winds.append(np.zeros(dimension, dtype=bool))
        waiting = deque([start])
        while waiting:
            piece = waiting.popleft()
            for other, shift in neighbours[piece]:
                place = offsets[piece] + shift
                if component[other] < 0:
                    component[other], offsets[other] = component[start], place
                    waiting.append(other)
                else:
                    winds[-1] |= offsets[other] != place
    return component, offsets, np.array(winds, dtype=bool).reshape(-1, dimension)


def _touches_both_ends(pieces: np.ndarray, count: int) -> np.ndarray:
    result = np.zeros((count, pieces.ndim), dtype=bool)
    for axis in range(pieces.ndim):
        both = np.intersect1d(np.take(pieces, 0, axis), np.take(pieces, -1, axis))
        result[both[both > 0] - 1, axis] = True
    return result
