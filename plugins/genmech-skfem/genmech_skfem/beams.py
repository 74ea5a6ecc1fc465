"""The beams of `genmech_fem.adapters`, solved by scikit-fem: moduli of unit Q1 cells -> compliance.

The half MBB beam is that of Andreassen et al. (2011), doi:10.1007/s00158-010-0594-7.
"""

from collections.abc import Sequence

import numpy as np
from skfem import ElementQuad1, ElementVector, LinearForm

from genmech_fem.fields import Grid
from genmech_skfem.pixel_model import PixelModel
from genmech_skfem.stiffness import pixel_basis
from genmech_skfem.structures import pixel_structure


def mbb_beam(nx: int = 60, ny: int = 20, *, outputs: Sequence[str] = ("compliance",)) -> PixelModel:
    """The right half of an MBB beam under a unit force down on its upper left node.

    The left side moves vertically only, the lower right node horizontally only.

    Args:
        nx: Cells along the half beam; they are unit squares.
        ny: Cells over its height.
        outputs: As of `pixel_structure`.

    Raises:
        ValueError: There are no cells, or an output is unknown.
    """
    basis = pixel_basis(Grid((nx, ny), (0.0, 0.0), (nx, ny)), ElementVector(ElementQuad1()))
    (x, y), (along, across) = basis.mesh.p, basis.nodal_dofs
    load = np.zeros(basis.N)
    load[across[(x == 0) & (y == ny)]] = -1.0
    return pixel_structure(basis, np.append(along[x == 0], across[(x == nx) & (y == 0)]), load, outputs=outputs)


def cantilever(
    shape: tuple[int, int] = (60, 20), patch: float = 0.1, *, outputs: Sequence[str] = ("compliance",)
) -> PixelModel:
    """A beam held at its left end, under a unit force down on the middle of its right end.

    Args:
        shape: Unit cells along the length and the height.
        patch: Height of the loaded patch over that of the beam.
        outputs: As of `pixel_structure`.

    Raises:
        ValueError: There are no cells, the patch holds the middle of none of them, or an output is unknown.
    """
    basis = pixel_basis(Grid(shape, (0.0, 0.0), shape), ElementVector(ElementQuad1()))
    nx, ny = shape
    facets = basis.mesh.facets_satisfying(lambda x: (x[0] == nx) & (np.abs(x[1] / ny - 0.5) <= patch / 2 + 1e-9))
    if not len(facets):
        raise ValueError(f"patch: expected a share of the height that holds the middle of a cell, got {patch}")
    load = LinearForm(lambda v, _: -v[1] / len(facets)).assemble(basis.boundary(facets))
    return pixel_structure(basis, basis.nodal_dofs[:, basis.mesh.p[0] == 0].ravel(), load, outputs=outputs)
