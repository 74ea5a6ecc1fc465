"""Diffusion: orders of convergence on a manufactured solution, and the adjoint."""

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.problems import VariationalProblem, diffusion


def unit_square(n, cell=mesh.CellType.triangle):
    return mesh.create_unit_square(MPI.COMM_SELF, n, n, cell)


def manufactured_errors(n, degree):
    """L2 and H1 errors for u = sin(pi x) exp(y), kappa = 1 + x y."""
    domain = unit_square(n)
    space = fem.functionspace(domain, ("Lagrange", degree))
    x = ufl.SpatialCoordinate(domain)
    exact, kappa = ufl.sin(ufl.pi * x[0]) * ufl.exp(x[1]), 1 + x[0] * x[1]
    state, v, boundary = fem.Function(space), ufl.TestFunction(space), fem.Function(space)
    boundary.interpolate(lambda x: np.sin(np.pi * x[0]) * np.exp(x[1]))
    facets = mesh.locate_entities_boundary(domain, 1, lambda x: np.full(x.shape[1], True))
    dx = ufl.dx(metadata={"quadrature_degree": 8})
    error = exact - state
    problem = VariationalProblem(
        (kappa * ufl.inner(ufl.grad(state), ufl.grad(v)) + ufl.div(kappa * ufl.grad(exact)) * v) * dx,
        state,
        controls={"boundary": boundary},
        bcs=[fem.dirichletbc(boundary, fem.locate_dofs_topological(space, 1, facets))],
        observables={"l2": error**2 * dx, "h1": ufl.inner(ufl.grad(error), ufl.grad(error)) * dx},
        symmetric=True,
    )
    problem.solve()
    observed = problem.observe()
    return np.sqrt([observed["l2"][0], observed["h1"][0]])


@pytest.mark.parametrize("degree", [1, 2])
def test_orders_of_convergence(degree):
    cells = np.array([4, 8, 16])
    errors = np.array([manufactured_errors(int(n), degree) for n in cells])
    l2, h1 = -np.polyfit(np.log(cells), np.log(errors), 1)[0]
    assert l2 == pytest.approx(degree + 1, abs=0.12)
    assert h1 == pytest.approx(degree, abs=0.08)


def test_constant_source_on_a_strip():
    """Insulated sides: u = x (1 - x) f / (2 kappa), exact for P2, and compliance f^2 / (12 kappa)."""
    problem = diffusion(unit_square(3), degree=2, fixed=lambda x: np.isclose(x[0], 0) | np.isclose(x[0], 1))
    problem.controls["conductivity"].x.array[:] = 2.0
    problem.controls["source"].value = 3.0
    u = problem.solve()
    x = u.function_space.tabulate_dof_coordinates()[:, 0]
    np.testing.assert_allclose(u.x.array, 0.75 * x * (1 - x), atol=1e-14)
    assert problem.observe()["compliance"] == pytest.approx(9 / 24, rel=1e-13)


def heterogeneous(generator, cell=mesh.CellType.triangle):
    problem = diffusion(unit_square(6, cell), fixed=lambda x: np.isclose(x[0], 0))
    kappa = problem.controls["conductivity"].x.array
    kappa[:] = generator.uniform(1.0, 5.0, kappa.size)
    problem.controls["boundary_value"].value = 0.4
    problem.solve()
    return problem


@pytest.mark.parametrize("cell", [mesh.CellType.triangle, mesh.CellType.quadrilateral])
@pytest.mark.parametrize("observed", [("state",), ("compliance",), ("state", "compliance")])
def test_taylor(taylor_order, generator, observed, cell):
    problem = heterogeneous(generator, cell)
    cotangents = {key: generator.standard_normal(problem.observe()[key].shape) for key in observed}
    order = taylor_order(problem, cotangents, generator, names=["conductivity", "source", "boundary_value"])
    assert order == pytest.approx(2.0, abs=0.1)


def test_gradients_of_the_linear_controls_are_exact(generator):
    """The state is affine in f and in the boundary value, so one difference is the derivative."""
    problem = heterogeneous(generator)
    cotangent = generator.standard_normal(problem.state.x.array.size)
    gradients, before = problem.pull_back({"state": cotangent}), cotangent @ problem.observe()["state"]
    for name in ("source", "boundary_value"):
        problem.controls[name].value += 1.0
        problem.solve()
        assert cotangent @ problem.observe()["state"] - before == pytest.approx(gradients[name][0], rel=1e-11)
        problem.controls[name].value -= 1.0


def test_compliance_gradient_is_minus_the_energy_density(generator):
    """Self-adjoint: with u = 0 on the boundary, dC/dkappa_e is - int_e |grad u|^2."""
    problem = heterogeneous(generator)
    problem.controls["boundary_value"].value = 0.0
    u = problem.solve()
    kappa = problem.controls["conductivity"]
    density = fem.form(ufl.inner(ufl.grad(u), ufl.grad(u)) * ufl.TestFunction(kappa.function_space) * ufl.dx)
    gradient = problem.pull_back({"compliance": np.ones(1)})["conductivity"]
    np.testing.assert_allclose(gradient, -fem.assemble_vector(density).array, rtol=1e-10)


def test_adjoint_is_symmetric(generator):
    """c . A^-1 b = b . A^-1 c, the first by a solve, the second by pull_back."""
    domain = unit_square(5)
    space = fem.functionspace(domain, ("Lagrange", 1))
    state, load, v = fem.Function(space), fem.Function(space), ufl.TestFunction(space)
    form = (ufl.inner(ufl.grad(state), ufl.grad(v)) + state * v - load * v) * ufl.dx
    problem = VariationalProblem(form, state, controls={"load": load}, symmetric=True)
    b, c = generator.standard_normal((2, load.x.array.size))

    def response(right, left):
        load.x.array[:] = right
        problem.solve()
        mass = problem.pull_back({"state": left})["load"]
        return left @ problem.observe()["state"], mass @ right

    forward, backward = response(b, c)
    assert forward == pytest.approx(backward, rel=1e-12)


def test_one_factorisation_serves_solve_and_pull_back(monkeypatch, generator):
    from genmech_fem.problems import solver

    problem, count = heterogeneous(generator), []
    monkeypatch.setattr(solver.DirectSolver, "factorise", lambda self: count.append(1))
    problem.controls["source"].value = 2.0
    problem.solve()
    problem.pull_back({"compliance": np.ones(1)})
    assert not count
