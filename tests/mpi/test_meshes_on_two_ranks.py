"""Tags and fields of a mesh file on all ranks; run with ``mpiexec -n 2 python -m pytest -n 0 tests/mpi``."""

from pathlib import Path

import numpy as np
import pytest
import ufl
from mpi4py import MPI

from genmech_fem.adapters.meshes import dolfinx_mesh, mesh_tags, solution_functions
from genmech_fem.geometry import read
from genmech_fem.geometry.facets import with_facet_tags
from genmech_fem.geometry.solution import Solution

COMM = MPI.COMM_WORLD


def test_named_facets_and_fields_are_spread_over_the_ranks():
    from dolfinx import fem

    mesh = with_facet_tags(read(Path(__file__).parents[2] / "meshes" / "unit_cell_fibre.msh"))
    domain, _ = dolfinx_mesh(mesh, COMM)
    tags = mesh_tags(domain, mesh)

    def integral(form):
        return COMM.allreduce(fem.assemble_scalar(fem.form(form)))

    ds = ufl.Measure("ds", domain, subdomain_data=tags.facets)
    dS = ufl.Measure("dS", domain, subdomain_data=tags.facets)
    one = fem.Constant(domain, 1.0)
    ends = mesh.points[mesh.facets[mesh.facet_tags == mesh.names["interface_0_1"]]]
    for side in ("left", "right", "bottom", "top"):
        assert integral(one * ds(tags.names[side])) == pytest.approx(1.0)
    length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).sum()
    assert integral(one("+") * dS(tags.names["interface_0_1"])) == pytest.approx(length)

    solution = Solution(mesh, {"x": mesh.points}, {"stress": np.arange(4.0 * len(mesh.cells)).reshape(-1, 2, 2)})
    functions = solution_functions(domain, solution)
    away = functions["x"] - ufl.SpatialCoordinate(domain)
    assert integral(ufl.inner(away, away) * ufl.dx) == pytest.approx(0.0, abs=1e-28)
    expected = (np.abs(mesh.measures()) * solution.cell_data["stress"][:, 1, 0]).sum()
    assert integral(functions["stress"][1, 0] * ufl.dx) == pytest.approx(expected)
