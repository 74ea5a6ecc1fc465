"""Bounds and polish on all ranks are those of one rank."""

import numpy as np
from dolfinx import mesh
from mpi4py import MPI

from genmech_fem.problems import BodyForce, Certificate, Clamped, Traction, elasticity


def certified(comm):
    domain = mesh.create_unit_square(comm, 16, 16)
    clamped, loaded = (lambda x: np.isclose(x[0], 0.0)), (lambda x: np.isclose(x[0], 1.0))
    problem = elasticity(domain, [Clamped(clamped), Traction(loaded, (0.0, -1.0)), BodyForce((0.1, 0.0))])
    certificate = Certificate(problem)
    modulus = problem.controls["youngs_modulus"]
    modulus.interpolate(lambda x: 1 + 5 * (x[0] + x[1] > 1))
    problem.state.interpolate(lambda x: np.stack([-0.5 * x[0] * x[1], -3 * x[0] ** 2]))
    found = certificate.certify(problem.state.x.array, tolerance=1e-3, steps=30)
    rhs = np.where(problem.held, 0.0, problem.loads())
    adjoint = certificate.solve(rhs, 1e-6)
    exact = problem.solve().x.array
    owned = len(problem.held)
    error = np.sqrt(comm.allreduce(float(np.square(found.state - exact)[:owned].sum())))
    work = comm.allreduce(float(adjoint @ problem.loads()))
    return found.norm, found.bound, *found.proposed, found.steps, error, work


def test_bounds_do_not_depend_on_the_number_of_ranks():
    together, alone = certified(MPI.COMM_WORLD), certified(MPI.COMM_SELF)
    np.testing.assert_allclose(together, alone, rtol=1e-6)
    assert alone[5] < 1e-2
