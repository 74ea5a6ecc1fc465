"""Samplers and descriptors of microstructures on periodic grids."""

from genmech_fem.microstructure.connected_parts import Components, components
from genmech_fem.microstructure.connectivity import (
    circular_share,
    circularity,
    component_count,
    nearest_neighbour_distances,
    percolation,
)
from genmech_fem.microstructure.darcy import DarcyPermeability
from genmech_fem.microstructure.descriptors import (
    chord_length_distribution,
    directional_line,
    lineal_path,
    radial_average,
    seam_mismatch,
    two_point_correlation,
    volume_fraction,
)
from genmech_fem.microstructure.fibres import PeriodicFibres
from genmech_fem.microstructure.minimal_surfaces import MinimalSurface
from genmech_fem.microstructure.minkowski import minkowski_functionals
from genmech_fem.microstructure.phase import (
    phase_at_fraction,
    phase_from_distance,
    phase_from_level,
    phase_grid,
    phase_spec,
    sharpen,
    torus_offsets,
)
from genmech_fem.microstructure.random_fields import GaussianRandomField
from genmech_fem.microstructure.shapes import BasicShapes, Shape
from genmech_fem.microstructure.spinodoid import Spinodoid
from genmech_fem.microstructure.voronoi import Voronoi

__all__ = [
    "BasicShapes",
    "Components",
    "DarcyPermeability",
    "GaussianRandomField",
    "MinimalSurface",
    "PeriodicFibres",
    "Shape",
    "Spinodoid",
    "Voronoi",
    "chord_length_distribution",
    "circular_share",
    "circularity",
    "component_count",
    "components",
    "directional_line",
    "lineal_path",
    "minkowski_functionals",
    "nearest_neighbour_distances",
    "percolation",
    "phase_at_fraction",
    "phase_from_distance",
    "phase_from_level",
    "phase_grid",
    "phase_spec",
    "radial_average",
    "seam_mismatch",
    "sharpen",
    "torus_offsets",
    "two_point_correlation",
    "volume_fraction",
]
