"""How the interface cuts a tetrahedron, by the signs of the level at its corners."""

import itertools
from functools import cache

import numpy as np

EDGES = np.array(list(itertools.combinations(range(4), 2)))
"""The two corners of each edge (6, 2)."""


@cache
def cut_patterns() -> tuple[np.ndarray, np.ndarray]:
    """How tetrahedra are cut, by the code sum of (sign + 1) 3^corner.

    Returns:
        The number of pieces (81,), and their local nodes (mirrored, 81, pieces, 4): 0 to 3 are the
        corners, 4 to 9 the cuts of the `EDGES`.
    """
    counts = np.zeros(81, dtype=np.int64)
    pieces = np.zeros((2, 81, 6, 4), dtype=np.int64)
    corners = np.concatenate([np.zeros((1, 3)), np.eye(3)])
    places = np.concatenate([corners, corners[EDGES].mean(axis=1)])
    for code in range(81):
        found = np.array(_pieces(code // 3 ** np.arange(4) % 3 - 1))
        turned = np.linalg.det(places[found[:, 1:]] - places[found[:, :1]]) < 0
        counts[code] = len(found)
        for mirrored in (0, 1):
            swapped = (turned != mirrored)[:, None]
            pieces[mirrored, code, : len(found)] = np.where(swapped, found[:, [1, 0, 2, 3]], found)
    return counts, pieces


def _local(a: int, b: int) -> int:
    """Local number of the cut between two corners."""
    return 4 + EDGES.tolist().index(sorted((a, b)))


def _pieces(signs: np.ndarray) -> list[tuple[int, ...]]:
    """Local nodes of the pieces of a tetrahedron.

    Of two corners on one side, the first gets the diagonal of the face: neighbours agree. The
    diagonal ac to bd on the interface leaves the largest angles in the worst case.
    """
    zero, minus, plus = (np.flatnonzero(signs == sign).tolist() for sign in (0, -1, 1))
    if not minus or not plus:
        return [(0, 1, 2, 3)]
    if len(minus) == len(plus) == 2:
        (a, b), (c, d) = minus, plus
        ac, ad, bc, bd = (_local(*pair) for pair in ((a, c), (a, d), (b, c), (b, d)))
        halves = (ac, ad, bd), (ac, bd, bc)
        return [(a, b, bc, bd), (c, d, ad, bd), *((corner, *half) for corner in (a, c) for half in halves)]
    lone, rest = (minus, plus) if len(minus) == 1 else (plus, minus)
    # a prism between the far corners a, b, c and the cuts p, q, r; on the interface both are one
    a, b, c = zero + rest
    p, q, r = (k if k in zero else _local(lone[0], k) for k in (a, b, c))
    pieces = [(lone[0], p, q, r), (a, p, q, r), (a, b, q, r), (a, b, c, r)]
    return [piece for piece in pieces if len(set(piece)) == 4]
