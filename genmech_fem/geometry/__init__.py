"""Meshes: the neutral class, mesh files and other codes' solutions, and conforming meshes from images."""

from genmech_fem.geometry.coarsening import coarsen
from genmech_fem.geometry.facets import with_facet_tags
from genmech_fem.geometry.files import read, read_solution, write
from genmech_fem.geometry.images import smooth_image, smooth_labels
from genmech_fem.geometry.mesh import Mesh
from genmech_fem.geometry.meshing import conforming_mesh, multiphase_mesh
from genmech_fem.geometry.pictures import from_rows, read_image, to_rows
from genmech_fem.geometry.solution import Solution
from genmech_fem.geometry.splines import spline_mesh

__all__ = [
    "Mesh",
    "Solution",
    "coarsen",
    "conforming_mesh",
    "from_rows",
    "multiphase_mesh",
    "read",
    "read_image",
    "read_solution",
    "smooth_image",
    "smooth_labels",
    "spline_mesh",
    "to_rows",
    "with_facet_tags",
    "write",
]
