"""Places for inclusions that do not overlap.

Random sequential addition: Widom, J. Chem. Phys. 44 (1966), doi:10.1063/1.1726548.
"""

import numpy as np

from genmech_fem.microstructure.phase import torus_offsets


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
    for place in places:
        if len(centres) == len(radii):
            break
        radius = radii[len(centres)]
        centre = place if periodic else radius + gap + (1 - 2 * (radius + gap)) * place
        offsets = torus_offsets(centres, centre, 1.0) if periodic else centres - centre
        if (np.linalg.norm(offsets, axis=1) >= radii[: len(centres)] + radius + gap).all():
            centres = np.vstack([centres, centre])
    return centres
