"""Meshes: the neutral class, mesh files, and periodic meshes from images."""

from genmech_fem.geometry.files import read, write
from genmech_fem.geometry.mesh import Mesh
from genmech_fem.geometry.stuffing import periodic_mesh

__all__ = ["Mesh", "periodic_mesh", "read", "write"]
