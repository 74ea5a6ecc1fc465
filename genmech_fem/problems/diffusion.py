"""Steady heat conduction, or Darcy flow: - div(kappa grad u) = f."""

from collections.abc import Callable

import numpy as np
import ufl
from dolfinx import fem, mesh

from genmech_fem.problems.variational import VariationalProblem


def diffusion(
    domain: mesh.Mesh,
    *,
    degree: int = 1,
    fixed: Callable[[np.ndarray], np.ndarray] | None = None,
    quadrature_degree: int | None = None,
) -> VariationalProblem:
    r"""Make the problem :math:`\int \kappa \nabla u \cdot \nabla v \, dx = \int f v \, dx` with given boundary values.

    Controls: ``conductivity`` kappa [W/(m K)], one value a cell, at first 1; ``source`` f
    [W/m^3], at first 1; ``boundary_value`` [K], at first 0. The observable ``compliance``
    is the integral of f u.

    Args:
        domain: The mesh.
        degree: Polynomial degree of u.
        fixed: Tells for points (3, n) which are on the part where u is given; by default
            the whole boundary. The rest is insulated.
        quadrature_degree: Degree of the quadrature; by default as UFL estimates it.
    """
    space = fem.functionspace(domain, ("Lagrange", degree))
    state = fem.Function(space, name="temperature")
    conductivity = fem.Function(fem.functionspace(domain, ("DG", 0)), name="conductivity")
    conductivity.x.array[:] = 1.0
    source, boundary_value = fem.Constant(domain, 1.0), fem.Constant(domain, 0.0)
    side = domain.topology.dim - 1
    facets = mesh.locate_entities_boundary(domain, side, fixed or (lambda x: np.full(x.shape[1], True)))
    dofs = fem.locate_dofs_topological(space, side, facets)
    v = ufl.TestFunction(space)
    dx = ufl.dx(domain=domain, metadata={} if quadrature_degree is None else {"quadrature_degree": quadrature_degree})
    return VariationalProblem(
        (conductivity * ufl.inner(ufl.grad(state), ufl.grad(v)) - source * v) * dx,
        state,
        controls={"conductivity": conductivity, "source": source, "boundary_value": boundary_value},
        bcs=[fem.dirichletbc(boundary_value, dofs, space)],
        observables={"compliance": source * state * dx},
        symmetric=True,
    )
