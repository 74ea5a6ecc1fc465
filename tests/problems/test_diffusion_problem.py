"""Diffusion: closed forms and the adjoint."""

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.problems.conditions import Dirichlet, Flux, Source
from genmech_fem.problems.diffusion import diffusion
from genmech_fem.problems.solver_options import SolverOptions
from genmech_fem.problems.variational import VariationalProblem


def on(axis, value):
    return lambda x: np.isclose(x[axis], value)


def unit_square(n, cell=mesh.CellType.triangle):
    return mesh.create_unit_square(MPI.COMM_SELF, n, n, cell)


def test_constant_source_on_a_strip():
    """Insulated sides: u = x (1 - x) f / (2 kappa), exact for P2, and compliance f^2 / (12 kappa)."""
    problem = diffusion(unit_square(3), [Dirichlet(on(0, 0.0)), Dirichlet(on(0, 1.0)), Source(3.0)], degree=2)
    problem.controls["conductivity"].x.array[:] = 2.0
    u = problem.solve()
    x = u.function_space.tabulate_dof_coordinates()[:, 0]
    np.testing.assert_allclose(u.x.array, 0.75 * x * (1 - x), atol=1e-14)
    assert problem.observe()["compliance"] == pytest.approx(9 / 24, rel=1e-13)


def test_heat_that_flows_in():
    """u = q x / kappa, and the flux - q everywhere."""
    problem = diffusion(unit_square(3, mesh.CellType.quadrilateral), [Dirichlet(on(0, 0.0)), Flux(on(0, 1.0), 4.0)])
    problem.controls["conductivity"].x.array[:] = 2.0
    problem.solve()
    observed = problem.observe()
    np.testing.assert_allclose(observed["gradient"].reshape(-1, 2), np.tile([2.0, 0.0], (9, 1)), atol=1e-13)
    np.testing.assert_allclose(observed["flux"].reshape(-1, 2), np.tile([-4.0, 0.0], (9, 1)), atol=1e-13)
    assert [observed["compliance"][0], observed["dissipation"][0]] == pytest.approx([8.0, 8.0], rel=1e-13)


@pytest.mark.parametrize("cell", [mesh.CellType.triangle, mesh.CellType.tetrahedron])
def test_anisotropic_conductivity(cell):
    """Every quadratic u solves - div(K grad u) = - K : H, and quadratic elements hold it."""
    domain = unit_square(3) if cell == mesh.CellType.triangle else mesh.create_unit_cube(MPI.COMM_SELF, 2, 2, 2)
    d = domain.geometry.dim
    K = np.array([[2.0, 0.5, 0.3], [0.5, 1.0, -0.2], [0.3, -0.2, 1.5]])[:d, :d]
    H = np.array([[1.0, -0.4, 0.2], [-0.4, 2.0, 0.7], [0.2, 0.7, -1.0]])[:d, :d]
    exact = fem.Function(fem.functionspace(domain, ("Lagrange", 2)))
    exact.interpolate(lambda x: np.einsum("in,ij,jn->n", x[:d], H, x[:d]) / 2)
    problem = diffusion(domain, [Dirichlet(value=exact), Source(-(K * H).sum())], degree=2, anisotropic=True)
    conductivity = problem.controls["conductivity"].x.array
    conductivity.reshape(-1, d * (d + 1) // 2)[:] = K[np.tril_indices(d)]
    np.testing.assert_allclose(problem.solve().x.array, exact.x.array, atol=1e-13)
    flux = problem.observe()["flux"].reshape(-1, d)
    midpoints = mesh.compute_midpoints(domain, d, np.arange(len(flux), dtype=np.int32))[:, :d]
    np.testing.assert_allclose(flux, -midpoints @ H @ K, atol=1e-12)


def test_conductivities_that_are_not_positive():
    problem = diffusion(unit_square(2))
    problem.controls["conductivity"].x.array[5] = 0.0
    with pytest.raises(ValueError, match="expected conductivity > 0, got 0 in cell 5"):
        problem.solve()
    problem = diffusion(unit_square(2), anisotropic=True)
    problem.controls["conductivity"].x.array[9:12] = [1.0, 2.0, 1.0]
    with pytest.raises(ValueError, match=r"expected det conductivity\[:2, :2\] > 0, got -3 in cell 3"):
        problem.solve()


def heterogeneous(generator, cell=mesh.CellType.triangle, *, anisotropic=False):
    held = [Dirichlet(on(0, 0.0), 0.4), Dirichlet(on(1, 0.0), -0.3, name="cold")]
    conditions = [*held, Source(), Flux(on(0, 1.0), 0.3)]
    problem = diffusion(unit_square(6, cell), conditions, anisotropic=anisotropic)
    kappa = problem.controls["conductivity"].x.array
    kappa[:] = kappa * generator.uniform(1.0, 5.0, kappa.size) + 0.1 * generator.random(kappa.size)
    problem.solve()
    return problem


@pytest.mark.parametrize("cell", [mesh.CellType.triangle, mesh.CellType.quadrilateral])
@pytest.mark.parametrize("anisotropic", [False, True])
def test_taylor(taylor_order, generator, cell, anisotropic):
    problem = heterogeneous(generator, cell, anisotropic=anisotropic)
    cotangents = {name: generator.standard_normal(value.shape) for name, value in problem.observe().items()}
    assert set(cotangents) == {"state", "compliance", "dissipation", "gradient", "flux"}
    for names in (None, ["conductivity"]):
        order = taylor_order(problem, cotangents, generator, names=names, steps=(4e-3, 2e-3, 1e-3))
        assert order == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("name", ["boundary_value", "cold", "source", "inflow"])
def test_taylor_of_each_load(taylor_order, generator, name):
    problem = heterogeneous(generator)
    cotangents = {"compliance": np.ones(1), "dissipation": np.ones(1)}
    assert taylor_order(problem, cotangents, generator, names=[name]) == pytest.approx(2.0, abs=0.1)


def test_gradients_of_the_linear_controls_are_exact(generator):
    """The state is affine in f and in the boundary value, so one difference is the derivative."""
    problem = heterogeneous(generator)
    cotangent = generator.standard_normal(problem.state.x.array.size)
    gradients, before = problem.pull_back({"state": cotangent}), cotangent @ problem.observe()["state"]
    for name in ("source", "boundary_value", "cold", "inflow"):
        problem.controls[name].value += 1.0
        problem.solve()
        assert cotangent @ problem.observe()["state"] - before == pytest.approx(gradients[name][0], rel=1e-11)
        problem.controls[name].value -= 1.0


def test_compliance_gradient_is_minus_the_energy_density(generator):
    """Self-adjoint: with u = 0 on the boundary, dC/dkappa_e is - int_e |grad u|^2."""
    problem = heterogeneous(generator)
    for name in ("boundary_value", "cold", "inflow"):
        problem.controls[name].value = 0.0
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
    problem = VariationalProblem(form, state, controls={"load": load}, solver=SolverOptions(symmetric=True))
    b, c = generator.standard_normal((2, load.x.array.size))

    def response(right, left):
        load.x.array[:] = right
        problem.solve()
        mass = problem.pull_back({"state": left})["load"]
        return left @ problem.observe()["state"], mass @ right

    forward, backward = response(b, c)
    assert forward == pytest.approx(backward, rel=1e-12)


def test_one_factorisation_serves_solve_and_pull_back(monkeypatch, generator):
    from genmech_fem.problems import linear

    problem, count = heterogeneous(generator), []
    monkeypatch.setattr(linear.LinearSolver, "factorise", lambda self: count.append(1))
    problem.controls["source"].value = 2.0
    problem.solve()
    problem.pull_back({"compliance": np.ones(1)})
    assert not count
