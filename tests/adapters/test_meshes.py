import numpy as np
import pytest
from mpi4py import MPI

from genmech_fem.adapters import dolfinx_mesh, phase_field
from genmech_fem.geometry import Mesh, periodic_mesh
from genmech_fem.microstructure import PeriodicFibres


def test_tags_and_areas_survive_the_way_into_dolfinx():
    from dolfinx import fem
    from ufl import dx

    mesh = periodic_mesh(PeriodicFibres()(np.random.default_rng(0))["phase"][0])
    domain, tags = dolfinx_mesh(mesh)
    inclusion = phase_field(domain, tags, np.array([0.0, 1.0]))
    area = fem.assemble_scalar(fem.form(inclusion * dx))
    assert area == pytest.approx(mesh.measures()[mesh.tags == 1].sum(), abs=1e-13)


@pytest.mark.parametrize(("cell", "corners"), [("quad", 4), ("hexahedron", 8)])
def test_quadrilaterals_and_hexahedra_keep_their_shape(cell, corners):
    from dolfinx import fem
    from ufl import dx

    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float)
    bottom, top = np.c_[square, np.zeros(4)], np.c_[square, np.ones(4)]
    points = square if cell == "quad" else np.vstack([bottom, top])
    mesh = Mesh(points, np.arange(corners)[None], cell, np.zeros(1, dtype=np.int32))
    domain, _ = dolfinx_mesh(mesh, MPI.COMM_SELF)
    assert fem.assemble_scalar(fem.form(fem.Constant(domain, 1.0) * dx)) == pytest.approx(1.0)
