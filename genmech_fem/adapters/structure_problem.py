"""The elastic problem of a structure, on the mesh of its box or on that of its solid alone."""

from collections.abc import Callable
from typing import Any

import ufl
from dolfinx import fem, mesh

from genmech_fem.adapters.load_cases import LoadCases
from genmech_fem.adapters.structure_loads import Parts, held
from genmech_fem.adapters.structures import Structure
from genmech_fem.problems import Law, SolverOptions, VariationalProblem
from genmech_fem.problems.applied import cell_control, stiffness_degree
from genmech_fem.problems.physics import ELASTICITY, PLANE_STRESS

_TINY = 1e-30  # keeps the slope of the square root finite where there is no stress


def structure_problem(structure: Structure, domain: mesh.Mesh, *, degree: int = 1) -> VariationalProblem | LoadCases:
    """Make the problem of a structure; that of several load cases is one of `LoadCases`.

    The control is ``youngs_modulus`` [stress], one value a cell, at first 1. Observables: ``compliance``, the work of
    the load; ``ports``, the work of the unit forces at the ports, if there are any; ``von_mises``, the integral over
    each cell of the von Mises stress that the strain at its centre makes in a material of the modulus 1.

    Without springs there is a `Law`, so that the states of a single load case can be certified.

    Args:
        structure: The structure.
        domain: Mesh of the box, or of a part of it.
        degree: Polynomial degree of the displacement.

    Raises:
        ValueError: The mesh has nothing in the place of a load, a spring or a port.
    """
    space = fem.functionspace(domain, ("Lagrange", degree, (domain.geometry.dim,)))
    bcs = [bc for support in structure.supports for bc in held(space, structure, support)]
    E, v = cell_control(domain, "youngs_modulus", 1.0), ufl.TestFunction(space)
    u = fem.Function(space, name="displacement")
    stress, strain_of = _law(E, structure.poisson_ratio, domain.geometry.dim)
    solid_stress, _ = _law(1.0, structure.poisson_ratio, domain.geometry.dim)
    parts = Parts(structure, domain, degree)
    loads = [parts.load(load, f"loads[{k}]") for k, load in enumerate(structure.loads)]
    ports = [parts.load(port, f"ports[{k}]") for k, port in enumerate(structure.ports)]
    springs = [parts.spring(spring, f"springs[{k}]") for k, spring in enumerate(structure.springs)]
    dx = ufl.dx(domain=domain, metadata={"quadrature_degree": stiffness_degree(domain, degree)})
    centres = ufl.dx(domain=domain, metadata={"quadrature_degree": 0})
    residual = ufl.inner(stress(_strain(u)), _strain(v)) * dx
    problem = VariationalProblem(
        sum((spring(u, v) for spring in springs), residual) - sum(work(v) for _, work in loads),
        u,
        controls={"youngs_modulus": E},
        bcs=bcs,
        observables={
            "compliance": sum(work(u) for _, work in loads),
            **({"ports": [work(u) for _, work in ports]} if ports else {}),
            "von_mises": _von_mises(solid_stress(_strain(u))) * ufl.TestFunction(E.function_space) * centres,
        },
        positive={"youngs_modulus": E},
        solver=SolverOptions(symmetric=True, definite=True),
        law=None if springs else Law(stress(_strain(u)), strain_of, dx),
    )
    return problem if len(loads) == 1 else LoadCases(problem, [factor for factor, _ in loads])


def _strain(w: Any) -> Any:
    return ufl.sym(ufl.grad(w))


def _law(E: Any, poisson_ratio: float, dimension: int) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """From strain to stress, and back; in 2D in plane stress."""
    physics = PLANE_STRESS if dimension == 2 else ELASTICITY
    mu, lmbda = physics.coefficients(E, poisson_ratio)

    def strain_of(stress: Any) -> Any:
        volume = lmbda * ufl.tr(stress) / (2 * mu + dimension * lmbda) * ufl.Identity(dimension)
        return (stress - volume) / (2 * mu)

    return lambda strain: physics.law(strain, mu, lmbda), strain_of


def _von_mises(stress: Any) -> Any:
    """Of a stress in 3D, or of the components in the plane of a plane stress."""
    return ufl.sqrt(1.5 * ufl.inner(stress, stress) - 0.5 * ufl.tr(stress) ** 2 + _TINY)
