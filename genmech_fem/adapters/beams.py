"""Ready-made solvers of topology optimisation: moduli of unit Q1 cells -> compliance, Poisson's ratio 0.3.

The half MBB beam with a load on a node is that of Andreassen et al. (2011), doi:10.1007/s00158-010-0594-7.
"""

from collections.abc import Sequence

from genmech_fem.adapters.pixel_structure import pixel_structure
from genmech_fem.adapters.problem_model import ProblemModel
from genmech_fem.geometry.standard_structures import cantilever_structure, mbb_structure


def mbb_beam(nx: int = 60, ny: int = 20, *, outputs: Sequence[str] = ("compliance",)) -> ProblemModel:
    """The right half of an MBB beam in plane stress, under a unit force down on its upper left node.

    The left side moves vertically only, the lower right node horizontally only. Input ``youngs_modulus``
    (batch, nx, ny), output ``compliance`` (batch, 1), the work of the force.

    Args:
        nx: Cells along the half beam; they are unit squares.
        ny: Cells over its height.
        outputs: As of `pixel_structure`.

    Raises:
        ValueError: There are no cells, or an output is unknown.
    """
    return pixel_structure(mbb_structure((nx, ny)), outputs)


def cantilever(
    shape: Sequence[int] = (60, 20), patch: float = 0.1, *, outputs: Sequence[str] = ("compliance",)
) -> ProblemModel:
    """A beam held at its left end, under a unit force down on the middle of its right end; in 2D in plane stress.

    Input ``youngs_modulus`` (batch, *shape), output ``compliance`` (batch, 1), the work of the force.

    Args:
        shape: Unit cells along the length, the height and in 3D the width.
        patch: Height of the loaded patch over that of the beam; it is as wide as the beam.
        outputs: As of `pixel_structure`.

    Raises:
        ValueError: There are no cells, they are not 2D or 3D, the patch holds the middle of none of them, or an output
            is unknown.
    """
    return pixel_structure(cantilever_structure(shape, patch), outputs)
