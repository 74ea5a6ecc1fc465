"""Sampling on all ranks gives the numbers of one rank; run with ``mpiexec -n 2 python -m pytest -n 0 tests/mpi``."""

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.adapters import ExpressionSampling, locate, sample_gradients, sample_values, to_cells
from genmech_fem.fields import Grid

GRID = Grid((23, 17), (-0.1, 0.0), (1.0, 1.2), "nodes")


def function(comm, element):
    domain = mesh.create_unit_square(comm, 7, 6)
    u = fem.Function(fem.functionspace(domain, element))
    u.interpolate(lambda x: np.stack([np.sin(3 * x[0]) + x[1] ** 2, np.cos(2 * x[1]) * x[0]]))
    return u


@pytest.mark.parametrize("element", [("Lagrange", 2, (2,)), ("DG", 1, (2,))])
@pytest.mark.parametrize("sample", [sample_values, sample_gradients])
def test_samples_and_their_adjoint_do_not_depend_on_the_number_of_ranks(element, sample):
    together, alone = function(MPI.COMM_WORLD, element), function(MPI.COMM_SELF, element)
    one, all_ = sample(alone.function_space, GRID), sample(together.function_space, GRID)
    np.testing.assert_array_equal(one.mask, all_.mask)
    np.testing.assert_allclose(all_(together), one(alone), rtol=0, atol=1e-13)
    y = np.random.default_rng(0).standard_normal((*one.value_shape, *GRID.shape))
    product = MPI.COMM_WORLD.allreduce(together.x.array @ all_.transpose(y))
    assert product == pytest.approx(alone.x.array @ one.transpose(y), rel=1e-12)


def test_every_point_belongs_to_one_rank():
    cells = locate(mesh.create_unit_square(MPI.COMM_WORLD, 7, 6), GRID)
    owners = MPI.COMM_WORLD.allreduce((cells >= 0).astype(int))
    inside = ((GRID.points() >= -1e-12) & (GRID.points() <= 1 + 1e-12)).all(axis=1)
    np.testing.assert_array_equal(owners, inside)


def test_expressions_do_not_depend_on_the_number_of_ranks():
    strains = []
    for comm in (MPI.COMM_WORLD, MPI.COMM_SELF):
        u = function(comm, ("Lagrange", 2, (2,)))
        sampling = ExpressionSampling(ufl.sym(ufl.grad(u)), GRID)
        strains += [sampling(), sampling.derivative(u)(u)]
    for other in strains[1:]:
        np.testing.assert_allclose(other, strains[0], rtol=0, atol=1e-12)


def test_means_over_cells_do_not_depend_on_the_number_of_ranks():
    grid = Grid((5, 4), (0.0, 0.0), (1.0, 1.0))
    array = np.random.default_rng(1).random(20)
    values = []
    for comm in (MPI.COMM_WORLD, MPI.COMM_SELF):
        domain = mesh.create_unit_square(comm, 7, 6)
        owned = domain.topology.index_map(2).size_local
        mine = dict(
            zip(domain.topology.original_cell_index[:owned], (to_cells(grid, domain) @ array)[:owned], strict=True)
        )
        values.append({k: v for part in comm.allgather(mine) for k, v in part.items()})
    all_, one = values
    assert one.keys() == all_.keys()
    assert [all_[k] for k in one] == pytest.approx(list(one.values()), abs=1e-13)
