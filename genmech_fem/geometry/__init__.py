"""Meshes: the neutral class, files of many codes, and conforming meshes from images, designs and parametric bodies."""

from genmech_fem.geometry.arrays import mesh_arrays, mesh_of, mesh_specs
from genmech_fem.geometry.bodies import l_bracket, mbb_beam, plate_with_hole
from genmech_fem.geometry.coarsening import coarsen
from genmech_fem.geometry.design_files import export_design
from genmech_fem.geometry.designs import Design, Island, design_mesh
from genmech_fem.geometry.facets import with_facet_tags
from genmech_fem.geometry.files import read, read_solution, write
from genmech_fem.geometry.images import smooth_image, smooth_labels
from genmech_fem.geometry.inclusions import random_inclusions
from genmech_fem.geometry.mesh import Mesh
from genmech_fem.geometry.meshing import conforming_mesh, multiphase_mesh
from genmech_fem.geometry.pictures import from_rows, read_image, to_rows
from genmech_fem.geometry.solution import Solution
from genmech_fem.geometry.splines import spline_mesh
from genmech_fem.geometry.wheels import spoked_disc

__all__ = [
    "Design",
    "Island",
    "Mesh",
    "Solution",
    "coarsen",
    "conforming_mesh",
    "design_mesh",
    "export_design",
    "from_rows",
    "l_bracket",
    "mbb_beam",
    "mesh_arrays",
    "mesh_of",
    "mesh_specs",
    "multiphase_mesh",
    "plate_with_hole",
    "random_inclusions",
    "read",
    "read_image",
    "read_solution",
    "smooth_image",
    "smooth_labels",
    "spline_mesh",
    "spoked_disc",
    "to_rows",
    "with_facet_tags",
    "write",
]
