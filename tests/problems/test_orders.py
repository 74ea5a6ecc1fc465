"""Orders of convergence on manufactured plane waves: p + 1 in L2 and p in H1."""

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from dolfinx.mesh import CellType
from mpi4py import MPI

from genmech_fem.problems import elasticity, lame
from genmech_fem.problems.conditions import BodyForce, Dirichlet, Source
from genmech_fem.problems.diffusion import diffusion

WAVES = np.array([[1.3, 0.8, -0.9], [-0.7, 1.4, 0.6], [0.9, -1.1, 1.2]])
PHASES = np.array([0.3, 1.1, -0.5])
CONDUCTIVITY = np.array([[2.0, 0.5, 0.3], [0.5, 1.0, -0.2], [0.3, -0.2, 1.5]])
MU, LMBDA = lame(2.5, 0.3)
ELEMENTS = {
    "P1 2D": (CellType.triangle, 1, (8, 16)),
    "P2 2D": (CellType.triangle, 2, (4, 8)),
    "Q1 2D": (CellType.quadrilateral, 1, (8, 16)),
    "Q2 2D": (CellType.quadrilateral, 2, (4, 8)),
    "P1 3D": (CellType.tetrahedron, 1, (3, 6)),
    "P2 3D": (CellType.tetrahedron, 2, (2, 4)),
    "Q1 3D": (CellType.hexahedron, 1, (3, 6)),
    "Q2 3D": (CellType.hexahedron, 2, (2, 3)),
}


def curvilinear_box(cell, n):
    """Unit square or cube whose inner grid lines are bent, so that quadrilaterals are no parallelograms."""
    plane = cell in (CellType.triangle, CellType.quadrilateral)
    create = mesh.create_unit_square if plane else mesh.create_unit_cube
    domain = create(MPI.COMM_SELF, *[n] * (2 if plane else 3), cell)
    x = domain.geometry.x[:, : domain.geometry.dim]
    x += 0.05 * np.prod(np.sin(np.pi * x), axis=1)[:, None]
    return domain


def waves(x, dimension):
    """sin(w_i . x + c_i), shape (dimension, n), at points (3, n)."""
    return np.sin(WAVES[:dimension, :dimension] @ x[:dimension] + PHASES[:dimension, None])


def heat(domain, degree):
    """-div(K grad u) = (w . K w) u for u = sin(w . x + c)."""
    d = domain.geometry.dim
    space = fem.functionspace(domain, ("Lagrange", degree))
    exact, source = fem.Function(space), fem.Function(space)
    exact.interpolate(lambda x: waves(x, d)[0])
    w = WAVES[0, :d]
    source.x.array[:] = (w @ CONDUCTIVITY[:d, :d] @ w) * exact.x.array
    problem = diffusion(domain, [Dirichlet(value=exact), Source(source)], degree=degree, anisotropic=True)
    problem.controls["conductivity"].interpolate(lambda x: np.tile(CONDUCTIVITY[:d, :d].reshape(-1, 1), x.shape[1]))
    return problem


def solid(domain, degree):
    """-div sigma = (lambda + mu) sum_i w_ii w_i u_i + mu |w_i|^2 u_i e_i for u_i = sin(w_i . x + c_i)."""
    d = domain.geometry.dim
    space = fem.functionspace(domain, ("Lagrange", degree, (d,)))
    exact, force = fem.Function(space), fem.Function(space)
    exact.interpolate(lambda x: waves(x, d))
    w = WAVES[:d, :d]
    matrix = (LMBDA + MU) * (w * np.diag(w)[:, None]).T + MU * np.diag((w**2).sum(axis=1))
    force.x.array[:] = (exact.x.array.reshape(-1, d) @ matrix.T).ravel()
    problem = elasticity(domain, [Dirichlet(value=exact), BodyForce(force)], degree=degree)
    problem.controls["youngs_modulus"].x.array[:] = 2.5
    return problem


def errors(problem):
    """L2 and H1 errors of the solution."""
    u = problem.solve()
    domain, size = u.function_space.mesh, u.function_space.dofmap.bs
    d, x = domain.geometry.dim, ufl.SpatialCoordinate(domain)
    exact = [ufl.sin(sum(float(WAVES[i, j]) * x[j] for j in range(d)) + float(PHASES[i])) for i in range(size)]
    error = (ufl.as_vector(exact) if size > 1 else exact[0]) - u
    dx = ufl.dx(metadata={"quadrature_degree": 2 * u.function_space.ufl_element().degree + 2})
    forms = fem.form([ufl.inner(e, e) * dx for e in (error, ufl.grad(error))])
    return [np.sqrt(fem.assemble_scalar(form)) for form in forms]


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("physics", [heat, solid])
def test_orders_of_convergence(physics, element):
    cell, degree, cells = ELEMENTS[element]
    coarse, fine = (errors(physics(curvilinear_box(cell, n), degree)) for n in cells)
    l2, h1 = np.log(np.divide(coarse, fine)) / np.log(cells[1] / cells[0])
    assert l2 == pytest.approx(degree + 1, abs=0.1)
    assert h1 == pytest.approx(degree, abs=0.1)
