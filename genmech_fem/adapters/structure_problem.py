"""The elastic problem of a structure, on the mesh of its box or on that of its solid alone."""

from typing import Any

import ufl
from dolfinx import fem, mesh

from genmech_fem.adapters.load_cases import LoadCases
from genmech_fem.adapters.structure_loads import Parts, held
from genmech_fem.geometry.structures import Structure
from genmech_fem.problems import Law, VariationalProblem
from genmech_fem.problems.applied import cell_control, cell_measure, stiffness_degree
from genmech_fem.problems.physics import isotropic_strain, isotropic_stress, lame, lame_of_plane_stress
from genmech_fem.problems.solver_options import positive_definite

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
    moduli = _moduli(E, structure)
    stress = isotropic_stress(_strain(u), *moduli)
    solid_stress = isotropic_stress(_strain(u), *_moduli(1.0, structure))
    parts = Parts(structure, domain, degree)
    loads = [parts.load(load, f"loads[{k}]") for k, load in enumerate(structure.loads)]
    ports = [parts.load(port, f"ports[{k}]") for k, port in enumerate(structure.ports)]
    springs = [parts.spring(spring, f"springs[{k}]") for k, spring in enumerate(structure.springs)]
    dx, centres = cell_measure(domain, stiffness_degree(domain, degree)), cell_measure(domain, 0)
    residual = ufl.inner(stress, _strain(v)) * dx
    problem = VariationalProblem(
        sum((spring(u, v) for spring in springs), residual) - sum(work(v) for _, work in loads),
        u,
        controls={"youngs_modulus": E},
        bcs=bcs,
        observables={
            "compliance": sum(work(u) for _, work in loads),
            **({"ports": [work(u) for _, work in ports]} if ports else {}),
            "von_mises": _von_mises(solid_stress) * ufl.TestFunction(E.function_space) * centres,
        },
        positive={"youngs_modulus": E},
        solver=positive_definite(None),
        law=None if springs else Law(stress, lambda sigma: isotropic_strain(sigma, *moduli), dx),
    )
    return problem if len(loads) == 1 else LoadCases(problem, [factor for factor, _ in loads])


def _strain(w: Any) -> Any:
    return ufl.sym(ufl.grad(w))


def _moduli(E: Any, structure: Structure) -> tuple[Any, Any]:
    """Parameters mu and lambda [stress], in 2D of plane stress."""
    return (lame_of_plane_stress if structure.grid.dimension == 2 else lame)(E, structure.poisson_ratio)


def _von_mises(stress: Any) -> Any:
    """Of a stress in 3D, or of the components in the plane of a plane stress."""
    return ufl.sqrt(1.5 * ufl.inner(stress, stress) - 0.5 * ufl.tr(stress) ** 2 + _TINY)
