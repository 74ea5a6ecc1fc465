"""Standard structures of topology optimisation as data: the MBB beam, the cantilever and the force inverter.

The half MBB beam with a load on a node is that of Andreassen et al. (2011), doi:10.1007/s00158-010-0594-7; the inverter
that of Sigmund (1997), doi:10.1080/08905459708945415.
"""

from collections.abc import Sequence

from genmech_fem.geometry.structure_parts import Load, Side, Spring, Support
from genmech_fem.geometry.structures import Structure


def mbb_structure(shape: Sequence[int] = (60, 20), patch: float = 0.0) -> Structure:
    """The right half of an MBB beam under a force down on the upper end of its line of symmetry.

    Args:
        shape: Unit cells along the half beam and over its height.
        patch: Length of the loaded part of the upper side, and of the support, over that of the half beam; 0 for nodes.
    """
    load = Load(Side("top", 0.0, patch), (0.0, -1.0), on="facets" if patch else "vertices")
    supports = Support(Side("left"), (0,)), Support(Side("bottom", 1.0 - patch, 1.0), (1,))
    return Structure(tuple(shape), supports, (load,))


def cantilever_structure(shape: Sequence[int] = (60, 20), patch: float = 0.1) -> Structure:
    """A beam held at its left end, under a unit force down on the middle of its right end."""
    force = (0.0, -1.0, 0.0)[: len(shape)]
    load = Load(Side("right", (1 - patch) / 2, (1 + patch) / 2), force)
    return Structure(tuple(shape), (Support(Side("left")),), (load,))


def inverter_structure(shape: tuple[int, int] = (40, 20), spring_in: float = 0.1, spring_out: float = 0.1) -> Structure:
    """The upper half of a force inverter: pushed at its left end, the right end should move to the left.

    The lower side is the line of symmetry, with the ports at its ends; the mechanism is held at the upper left corner,
    over a tenth of its left side.
    """
    left, right = Side("bottom", 0.0, 0.0), Side("bottom", 1.0, 1.0)
    return Structure(
        shape,
        supports=(Support(Side("bottom"), (1,)), Support(Side("left", 0.9))),
        loads=(Load(left, (1.0, 0.0), on="vertices"),),
        springs=(Spring(left, (spring_in, 0.0)), Spring(right, (spring_out, 0.0))),
        ports=(Load(right, (1.0, 0.0), on="vertices"),),
    )
