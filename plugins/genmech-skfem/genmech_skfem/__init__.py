"""A second finite-element back-end for genmech_fem: scikit-fem, without DOLFINx and torch."""

from genmech_skfem.beams import cantilever, mbb_beam
from genmech_skfem.homogenization import pixel_conductivity, pixel_homogenization, pixel_stiffness
from genmech_skfem.pixel_model import PixelModel, Solver
from genmech_skfem.stiffness import Stiffness, pixel_basis
from genmech_skfem.structures import pixel_structure

__all__ = [
    "PixelModel",
    "Solver",
    "Stiffness",
    "cantilever",
    "mbb_beam",
    "pixel_basis",
    "pixel_conductivity",
    "pixel_homogenization",
    "pixel_stiffness",
    "pixel_structure",
]
