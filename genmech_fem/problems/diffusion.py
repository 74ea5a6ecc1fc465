"""Steady heat conduction, or Darcy flow: - div(kappa grad u) = f."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import ufl
from dolfinx import fem, mesh

from genmech_fem.problems.applied import apply, cell_control, cell_measure, stiffness_degree
from genmech_fem.problems.conditions import Condition, Dirichlet, Flux, Source
from genmech_fem.problems.law import Law
from genmech_fem.problems.solver_options import SolverOptions, positive_definite
from genmech_fem.problems.tags import Tags
from genmech_fem.problems.variational import VariationalProblem

HELD_AND_HEATED: tuple[Condition, ...] = (Dirichlet(), Source())
"""u = 0 on the whole boundary and f = 1."""


def diffusion(
    domain: mesh.Mesh,
    conditions: Sequence[Condition] = HELD_AND_HEATED,
    *,
    degree: int = 1,
    anisotropic: bool = False,
    tags: Tags | None = None,
    quadrature_degree: int | None = None,
    solver: SolverOptions | None = None,
) -> VariationalProblem:
    r"""Make the problem :math:`\int \nabla u \cdot \kappa \nabla v \, dx = \int f v \, dx + \int q v \, ds`.

    Controls: ``conductivity`` kappa [W/(m K)], one value a cell, at first 1 or the unit
    tensor; and one for each condition, by default ``boundary_value`` u [K], at first 0, and
    ``source`` f [W/m^3], at first 1.

    Observables: ``dissipation``, the integral of grad u . kappa grad u; ``compliance``, the
    work of the loads (integral of f u and of q u), if there are any; the means in each cell
    ``gradient`` of u [K/m] and ``flux`` - kappa grad u [W/m^2], shape (cells * dimension,).

    Args:
        domain: The mesh.
        conditions: `Dirichlet`, `Source` and `Flux`; elsewhere the boundary is insulated.
        degree: Polynomial degree of u.
        anisotropic: The conductivity is a symmetric tensor; its dofs in a cell are the lower
            triangle row by row, xx, xy, yy, xz, yz, zz.
        tags: Tags that the conditions refer to.
        quadrature_degree: Of all integrals; by default what the order of convergence needs.
        solver: PETSc options.

    Raises:
        TypeError: A condition does not fit.
        ValueError: A condition has a wrong place or value.
    """
    applied = apply(
        conditions,
        domain,
        allowed=(Dirichlet, Source, Flux),
        shape=(),
        degree=degree,
        tags=tags,
        quadrature_degree=quadrature_degree,
    )
    dimension = domain.geometry.dim
    conductivity = cell_control(domain, "conductivity", np.eye(dimension) if anisotropic else 1.0)
    state, v = fem.Function(applied.space, name="temperature"), ufl.TestFunction(applied.space)
    chosen = stiffness_degree(domain, degree) if quadrature_degree is None else quadrature_degree
    dx = cell_measure(domain, chosen)
    flux = -conductivity * ufl.grad(state)
    resistivity = ufl.inv(conductivity) if anisotropic else 1 / conductivity
    return VariationalProblem(
        -ufl.inner(flux, ufl.grad(v)) * dx - applied.work(v),
        state,
        controls=applied.controls_with({"conductivity": conductivity}),
        bcs=applied.bcs,
        observables={
            "dissipation": -ufl.inner(flux, ufl.grad(state)) * dx,
            "gradient": ufl.grad(state),
            "flux": flux,
            **({"compliance": applied.work(state)} if applied.loads else {}),
        },
        positive=_leading_minors(conductivity) if anisotropic else {"conductivity": conductivity},
        solver=positive_definite(solver),
        law=Law(-flux, lambda q: resistivity * q, dx),
    )


def _leading_minors(tensor: fem.Function) -> dict[str, Any]:
    """Expressions that are all positive if and only if a symmetric tensor is positive definite."""
    minors = {}
    for n in range(1, tensor.ufl_shape[0] + 1):
        block = ufl.as_matrix([[tensor[i, j] for j in range(n)] for i in range(n)])
        minors[f"det conductivity[:{n}, :{n}]"] = ufl.det(block) if n > 1 else tensor[0, 0]
    return minors
