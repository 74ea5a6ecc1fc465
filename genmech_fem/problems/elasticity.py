"""Linear elasticity at small strain: - div sigma = b, sigma = lambda tr(eps) I + 2 mu eps."""

from collections.abc import Sequence
from typing import Literal, get_args

import ufl
from dolfinx import fem, mesh

from genmech_fem.problems.applied import apply, cell_control, cell_measure, stiffness_degree
from genmech_fem.problems.conditions import BodyForce, Clamped, Condition, Dirichlet, Pressure, Roller, Traction
from genmech_fem.problems.law import Law
from genmech_fem.problems.physics import isotropic_strain, isotropic_stress, lame, lame_of_plane_stress
from genmech_fem.problems.solver_options import SolverOptions, positive_definite
from genmech_fem.problems.tags import Tags
from genmech_fem.problems.variational import VariationalProblem

Hypothesis = Literal["plane strain", "plane stress"]
MECHANICAL: tuple[type, ...] = (Dirichlet, Roller, Clamped, Traction, Pressure, BodyForce)
"""Conditions of solids."""


def elasticity(
    domain: mesh.Mesh,
    conditions: Sequence[Condition],
    *,
    hypothesis: Hypothesis = "plane strain",
    degree: int = 1,
    tags: Tags | None = None,
    quadrature_degree: int | None = None,
    solver: SolverOptions | None = None,
) -> VariationalProblem:
    r"""Make the problem :math:`\int \sigma(u) : \varepsilon(v) \, dx = \int b \cdot v \, dx + \int t \cdot v \, ds`.

    Controls: ``youngs_modulus`` [stress], at first 1, and ``poisson_ratio`` [1], at first 0.3,
    one value a cell; and one for each condition that has a value. In 2D all energies and loads
    are those of a unit thickness.

    Observables: ``strain_energy``, the integral of sigma : eps / 2; ``compliance``, the work
    of the loads in u, if there are any; the means in each cell of ``strain`` [1] and ``stress``,
    shape (cells * dimension * dimension,), in 2D the components in the plane.

    Args:
        domain: Mesh in 2D or 3D.
        conditions: `Dirichlet`, `Roller`, `Clamped`, `Traction`, `Pressure` and `BodyForce`.
        hypothesis: Of a 2D mesh.
        degree: Polynomial degree of u.
        tags: Tags that the conditions refer to.
        quadrature_degree: Of all integrals; by default what the order of convergence needs.
        solver: PETSc options.

    Raises:
        TypeError: A condition does not fit.
        ValueError: A condition has a wrong place or value, or the hypothesis is not one of the mesh.
    """
    dimension = solid_dimension(domain)
    check_hypothesis(hypothesis, dimension)
    applied = apply(
        conditions,
        domain,
        allowed=MECHANICAL,
        shape=(dimension,),
        degree=degree,
        tags=tags,
        quadrature_degree=quadrature_degree,
    )
    E, nu = cell_control(domain, "youngs_modulus", 1.0), cell_control(domain, "poisson_ratio", 0.3)
    if hypothesis == "plane stress":
        moduli, upper = lame_of_plane_stress(E, nu), {"1 - poisson_ratio": 1 - nu}
    else:
        moduli, upper = lame(E, nu), {"0.5 - poisson_ratio": 0.5 - nu}
    state, v = fem.Function(applied.space, name="displacement"), ufl.TestFunction(applied.space)
    strain = ufl.sym(ufl.grad(state))
    stress = isotropic_stress(strain, *moduli)
    chosen = stiffness_degree(domain, degree) if quadrature_degree is None else quadrature_degree
    dx = cell_measure(domain, chosen)
    return VariationalProblem(
        ufl.inner(stress, ufl.sym(ufl.grad(v))) * dx - applied.work(v),
        state,
        controls=applied.controls_with({"youngs_modulus": E, "poisson_ratio": nu}),
        bcs=applied.bcs,
        observables={
            "strain_energy": ufl.inner(stress, strain) / 2 * dx,
            "strain": strain,
            "stress": stress,
            **({"compliance": applied.work(state)} if applied.loads else {}),
        },
        positive={"youngs_modulus": E, "1 + poisson_ratio": 1 + nu, **upper},
        solver=positive_definite(solver),
        law=Law(stress, lambda sigma: isotropic_strain(sigma, *moduli), dx),
    )


def check_hypothesis(hypothesis: Hypothesis, dimension: int) -> None:
    """Raise ValueError where the hypothesis of plane states does not fit a mesh of the given dimension."""
    if hypothesis not in get_args(Hypothesis) or (dimension == 3 and hypothesis != "plane strain"):
        expected = "none, the mesh is 3D" if dimension == 3 else f"one of {get_args(Hypothesis)}"
        raise ValueError(f"hypothesis: expected {expected}, got {hypothesis!r}")


def solid_dimension(domain: mesh.Mesh) -> int:
    """Dimension of the mesh of a solid.

    Raises:
        ValueError: It is neither 2D nor 3D.
    """
    dimension = domain.geometry.dim
    if dimension not in (2, 3) or domain.topology.dim != dimension:
        raise ValueError(
            f"domain: expected a 2D or 3D mesh of a solid, got one of dimension {domain.topology.dim} in {dimension}D; "
            "gmsh's model_to_mesh takes gdim=2 for plane meshes"
        )
    return dimension
