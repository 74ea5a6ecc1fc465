"""Places for inclusions that do not overlap.

Random sequential addition: Widom, J. Chem. Phys. 44 (1966), doi:10.1063/1.1726548.
"""

import numpy as np

AT_ONCE = 32  # candidates that are tried together


def add_sequentially(
    generator: np.random.Generator, radii: np.ndarray, gap: float, periodic: bool = True, attempts: int = 400
) -> np.ndarray:
    """Place discs one after the other, each at the first random place where it fits.

    Args:
        generator: Source of the places.
        radii: Radius of each disc, in the order in which they are placed [cell length].
        gap: Least distance between two discs, and from the border where not periodic [cell length].
        periodic: Whether a disc may cross the border and come back on the other side;
            otherwise all lie inside the cell.
        attempts: Number of places that are tried in all.

    Returns:
        Centres (placed, 2) [cell length]; fewer than `radii` where the cell jams.
    """
    places = np.vstack([generator.random((1, 2)), generator.random((attempts, 2))])
    centres = np.empty((0, 2))
    while len(centres) < len(radii) and len(places):
        radius = radii[len(centres)]
        candidates = places[:AT_ONCE]
        if not periodic:
            candidates = radius + gap + (1 - 2 * (radius + gap)) * candidates
        offsets = candidates[:, None] - centres
        if periodic:
            offsets -= np.round(offsets)
        fits = (np.linalg.norm(offsets, axis=2) >= radii[: len(centres)] + radius + gap).all(axis=1)
        first = int(fits.argmax()) if fits.any() else len(fits)
        centres = np.vstack([centres, candidates[first : first + 1]])
        places = places[min(first + 1, len(fits)) :]
    return centres
