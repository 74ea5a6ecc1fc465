"""Samplers and descriptors of microstructures on periodic grids."""

from genmech_fem.microstructure.descriptors import circular_share, two_point_correlation, volume_fraction
from genmech_fem.microstructure.fibres import PeriodicFibres
from genmech_fem.microstructure.phase import phase_from_distance, phase_grid, phase_spec, sharpen, torus_offsets

__all__ = [
    "PeriodicFibres",
    "circular_share",
    "phase_from_distance",
    "phase_grid",
    "phase_spec",
    "sharpen",
    "torus_offsets",
    "two_point_correlation",
    "volume_fraction",
]
