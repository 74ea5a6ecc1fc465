"""Nonlinear conduction on all ranks and on one; laws that fail on one rank fail on all; no torch is loaded."""

import sys

import genmech_fem.problems  # noqa: F401  isort: skip

import numpy as np
import ufl
from dolfinx import fem, mesh
from genmech_external_operator import OperatorProblem, PointLaw, external_operator
from mpi4py import MPI

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.fields import ScalarSpec
from genmech_fem.runtime.domain import Domain

WORLD = MPI.COMM_WORLD


def conduct(g):
    k = 1 + np.square(g).sum(1)
    return k[:, None] * g, k[:, None, None] * np.eye(2) + 2 * g[:, :, None] * g[:, None, :]


def on_last_rank(g):
    return conduct(g * np.nan if WORLD.rank == WORLD.size - 1 else g)


def found(comm, evaluate, domain=None):
    """Norms of the residual, and the mean square of the temperature."""
    square = mesh.create_unit_square(comm, 8, 8)
    V = fem.functionspace(square, ("Lagrange", 2))
    T, v = fem.Function(V), ufl.TestFunction(V)
    square.topology.create_connectivity(1, 2)
    dofs = fem.locate_dofs_topological(V, 1, mesh.exterior_facet_indices(square.topology))
    law = PointLaw(evaluate, ScalarSpec("gradient", 2), ScalarSpec("flux", 2), domain)
    flux = external_operator(law, ufl.grad(T), degree=3)
    residual = ufl.inner(flux, ufl.grad(v)) * ufl.dx - 10.0 * v * ufl.dx
    (run,) = OperatorProblem(residual, T, bcs=[fem.dirichletbc(0.0, dofs, V)]).solve()
    return *run.norms, comm.allreduce(fem.assemble_scalar(fem.form(T * T * ufl.dx)))


def fails(error, *arguments):
    try:
        found(WORLD, *arguments)
    except error:
        return
    raise SystemExit(f"no {error.__name__}")


together, alone = WORLD.gather(found(WORLD, conduct)), found(MPI.COMM_SELF, conduct)
fails(ConvergenceError, on_last_rank)
fails(ContractError, conduct, Domain((-9.0, -9.0), (0.5, 0.5)))
if "torch" in sys.modules:
    raise SystemExit("torch was loaded")
if WORLD.rank == 0:
    print("\n".join(" ".join(map(repr, map(float, row))) for row in (alone, *together)))
