"""Gradients beside those of dolfinx-adjoint: ``uv run --group oracle pytest FILE`` runs them."""

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.problems import SolverOptions, VariationalProblem

adjoint = pytest.importorskip("dolfinx_adjoint", reason="dolfinx-adjoint is not installed (uv run --group oracle)")

OPTIONS = {"ksp_type": "preonly", "pc_type": "lu", "pc_factor_mat_solver_type": "mumps"}


def parts():
    """Mesh, displacement space, clamped dofs and a random field of moduli."""
    import pyadjoint

    pyadjoint.set_working_tape(pyadjoint.Tape())
    domain = mesh.create_unit_square(MPI.COMM_SELF, 20, 20)
    space = fem.functionspace(domain, ("Lagrange", 1, (2,)))
    clamped = fem.dirichletbc(np.zeros(2), fem.locate_dofs_geometrical(space, lambda x: np.isclose(x[0], 0)), space)
    moduli = fem.functionspace(domain, ("DG", 0))
    return space, clamped, moduli, np.random.default_rng(0).uniform(1, 10, 800)


def gradient_of_ours(residual, energy, space, clamped, moduli, values):
    u, E = fem.Function(space), fem.Function(moduli)
    E.x.array[:] = values
    problem = VariationalProblem(
        residual(u, E, ufl.TestFunction(space)),
        u,
        controls={"E": E},
        bcs=[clamped],
        observables={"energy": energy(u, E)},
        solver=SolverOptions(),
    )
    problem.solve()
    return problem.observe()["energy"][0], problem.pull_back({"energy": np.ones(1)})["E"]


def gradient_of_the_peer(make_problem, energy, space, moduli, values):
    import pyadjoint

    u, E = adjoint.Function(space), adjoint.Function(moduli)
    E.x.array[:] = values
    problem = make_problem(u, E)  # kept alive: its blocks need it for the derivative
    problem.solve()
    functional = adjoint.assemble_scalar(energy(u, E))
    reduced = pyadjoint.ReducedFunctional(functional, pyadjoint.Control(E))
    gradient = reduced.derivative().x.array
    del problem
    return float(functional), gradient


def strain(u):
    return ufl.sym(ufl.grad(u))


def stress(u, E):
    return E * (strain(u) + 1.5 * ufl.tr(strain(u)) * ufl.Identity(2))


def test_linear_elasticity():
    space, clamped, moduli, values = parts()

    def a(u, E, v):
        return ufl.inner(stress(u, E), strain(v)) * ufl.dx

    def energy(u, E):
        return ufl.inner(u, u) * ufl.dx + 0.1 * ufl.inner(stress(u, E), strain(u)) * ufl.dx

    def peer(u, E):
        trial, v = ufl.TrialFunction(space), ufl.TestFunction(space)
        return adjoint.LinearProblem(
            a(trial, E, v), v[1] * ufl.dx, u=u, bcs=[clamped], petsc_options=OPTIONS, adjoint_petsc_options=OPTIONS
        )

    ours = gradient_of_ours(lambda u, E, v: a(u, E, v) - v[1] * ufl.dx, energy, space, clamped, moduli, values)
    theirs = gradient_of_the_peer(peer, energy, space, moduli, values)
    assert ours[0] == pytest.approx(theirs[0], rel=1e-10)
    assert np.linalg.norm(ours[1] - theirs[1]) < 1e-8 * np.linalg.norm(theirs[1])


def test_hyperelasticity():
    space, clamped, moduli, values = parts()

    def stored(u, E):
        F = ufl.Identity(2) + ufl.grad(u)
        J = ufl.det(F)
        return E * ((ufl.inner(F, F) - 2) / 2 - ufl.ln(J) + (J - 1) ** 2) * ufl.dx(metadata={"quadrature_degree": 2})

    def residual(u, E, v):
        return ufl.derivative(stored(u, E), u, v) - 0.3 * v[1] * ufl.dx

    def peer(u, E):
        form = residual(u, E, ufl.TestFunction(space))
        newton = {**OPTIONS, "snes_type": "newtonls", "snes_rtol": 1e-13, "snes_atol": 1e-13}
        return adjoint.NonlinearProblem(form, u=u, bcs=[clamped], petsc_options=newton, adjoint_petsc_options=OPTIONS)

    ours = gradient_of_ours(residual, stored, space, clamped, moduli, values)
    theirs = gradient_of_the_peer(peer, stored, space, moduli, values)
    assert ours[0] == pytest.approx(theirs[0], rel=1e-10)
    assert np.linalg.norm(ours[1] - theirs[1]) < 1e-8 * np.linalg.norm(theirs[1])
