"""One problem on all ranks gives the numbers of one rank; run with ``mpiexec -n 2 python -m pytest -n 0 tests/mpi``."""

import numpy as np
import pytest
from dolfinx import mesh
from mpi4py import MPI

from genmech_fem.adapters import dolfinx_mesh
from genmech_fem.geometry import conforming_mesh
from genmech_fem.problems import diffusion
from genmech_fem.problems.periodic import periodic_space


def compliance_and_gradient(comm):
    domain = mesh.create_unit_square(comm, 24, 24)
    problem = diffusion(domain)
    conductivity = problem.controls["conductivity"]
    conductivity.interpolate(lambda x: 1 + x[0] + 2 * x[1] ** 2)
    problem.solve()
    gradient = problem.pull_back({"compliance": np.ones(1)})
    owned = conductivity.function_space.dofmap.index_map.size_local
    total = comm.allreduce(float((gradient["conductivity"][:owned] * conductivity.x.array[:owned]).sum()))
    return problem.observe()["compliance"][0], total, gradient["source"][0]


def test_compliance_and_its_gradient_do_not_depend_on_the_number_of_ranks():
    together, alone = compliance_and_gradient(MPI.COMM_WORLD), compliance_and_gradient(MPI.COMM_SELF)
    np.testing.assert_allclose(together, alone, rtol=1e-10)
    assert alone[1] == pytest.approx(-alone[0])
    assert alone[2] == pytest.approx(2 * alone[0])


def test_a_generated_mesh_is_spread_over_the_ranks_with_its_tags():
    wave = np.sin(2 * np.pi * (np.arange(16) + 0.5) / 16)
    whole = conforming_mesh(0.5 + 0.4 * wave[:, None] * wave)
    domain, tags = dolfinx_mesh(whole, MPI.COMM_WORLD)
    index = domain.topology.index_map(2)
    assert index.size_global == len(whole.cells)
    ones = MPI.COMM_WORLD.allreduce(int(tags[: index.size_local].sum()))
    assert ones == whole.tags.sum()
    assert len(tags) == index.size_local + index.num_ghosts


@pytest.mark.skipif(MPI.COMM_WORLD.size == 1, reason="needs several ranks")
def test_a_periodic_space_refuses_several_ranks():
    with pytest.raises(ValueError, match="on one process"):
        periodic_space(mesh.create_unit_square(MPI.COMM_WORLD, 4, 4))
