"""Elastic, hyperelastic, multigrid and transient problems: the numbers of two ranks are those of one."""

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.problems import (
    BodyForce,
    Dirichlet,
    Flux,
    TimeSteps,
    Traction,
    elasticity,
    hyperelasticity,
    solver_options,
    transient_heat,
)


def left(x):
    return np.isclose(x[0], 0)


def right(x):
    return np.isclose(x[0], 1)


def block(comm, n, make):
    """A block with a gradient of stiffness, held on the left and loaded on its right side and by its weight."""
    domain = mesh.create_unit_cube(comm, n, n, n, mesh.CellType.hexahedron)
    conditions = [
        Dirichlet(left, np.zeros(3), name="move"),
        Traction(right, (0.01, 0.0, 0.02)),
        BodyForce((0.0, 0.02, -0.05)),
    ]
    problem = make(domain, conditions, degree=1)
    problem.controls[STIFFNESS[make]].interpolate(lambda x: 1 + x[0] + 2 * x[1])
    return problem


STIFFNESS = {elasticity: "youngs_modulus", hyperelasticity: "mu"}


def numbers(problem, stiffness, observable="strain_energy"):
    """Observable, norm of the state, and gradients as sums that do not depend on the numbering."""
    problem.solve()
    comm = problem.state.function_space.mesh.comm
    gradients = problem.pull_back({observable: np.ones(problem.observe([observable])[observable].shape)})
    control = problem.controls[stiffness]
    owned = control.function_space.dofmap.index_map.size_local
    total = comm.allreduce(float(gradients[stiffness][:owned] @ control.x.array[:owned]))
    norm = fem.assemble_scalar(fem.form(ufl.inner(problem.state, problem.state) * ufl.dx))
    sizes = [problem.observe(["strain_energy"])["strain_energy"][0], comm.allreduce(norm), total]
    return np.array([*sizes, *(g for name in ("move", "traction", "body_force") for g in gradients[name])])


@pytest.mark.parametrize("make", [elasticity, hyperelasticity])
@pytest.mark.parametrize("observable", ["strain_energy", "stress"])
def test_direct(make, observable):
    together, alone = (
        numbers(block(comm, 4, make), STIFFNESS[make], observable) for comm in (MPI.COMM_WORLD, MPI.COMM_SELF)
    )
    np.testing.assert_allclose(together, alone, rtol=1e-8, atol=1e-10)


def test_multigrid(monkeypatch):
    alone = numbers(block(MPI.COMM_SELF, 8, elasticity), "youngs_modulus")
    monkeypatch.setattr(solver_options, "DIRECT_3D", 0)
    together = numbers(block(MPI.COMM_WORLD, 8, elasticity), "youngs_modulus")
    np.testing.assert_allclose(together, alone, rtol=1e-7, atol=1e-9)


def cooling(comm):
    domain = mesh.create_unit_square(comm, 8, 8)
    conditions = [Dirichlet(left), Flux(right, 0.0)]
    problem = transient_heat(domain, TimeSteps(0.1, 4), conditions, series=["inflow"])
    problem.set_controls({"inflow": np.arange(4.0)})
    problem.solve()
    heat = problem.observe(["heat"])["heat"]
    return np.concatenate([heat, problem.pull_back({"heat": np.ones(4)})["inflow"]])


def test_time_steps():
    np.testing.assert_allclose(cooling(MPI.COMM_WORLD), cooling(MPI.COMM_SELF), rtol=1e-11)


def test_all_ranks_raise_where_one_holds_a_bad_value():
    problem = block(MPI.COMM_WORLD, 4, elasticity)
    E = problem.controls["youngs_modulus"]
    for bad, message in ((np.nan, "expected finite values"), (-1.0, "expected youngs_modulus > 0")):
        before = E.x.array.copy()
        if MPI.COMM_WORLD.rank == 0:
            E.x.array[0] = bad
        with pytest.raises(ValueError, match=message):
            problem.solve()
        E.x.array[:] = before
    problem.solve()
