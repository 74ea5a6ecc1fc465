"""Forms of periodic cells on an abstract mesh, compiled once for all meshes of the same kind of cells."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import basix.ufl
import ufl
from dolfinx import fem
from mpi4py import MPI

from genmech_fem.problems.forms import JIT_OPTIONS
from genmech_fem.problems.physics import Physics, symmetric_units


@dataclass(frozen=True)
class CellSymbols:
    """The forms on an abstract mesh, and the symbols that stand for a cell's data."""

    elements: Mapping[str, Any]
    moduli: Mapping[str, Any]
    coefficients: tuple[Any, ...]
    correctors: Any
    adjoint: Any
    weights: Any
    forms: Mapping[str, Any]
    arguments: Mapping[str, tuple[str, ...]]


@cache
def cell_symbols(physics: Physics, cell: str, dimension: int, degree: int) -> CellSymbols:
    """Forms of a physics on cells of a kind, with Lagrange elements of a degree."""
    basis = physics.basis(dimension)
    loads, shape = range(len(basis)), (dimension,) if physics.vector else ()
    directions = [ufl.as_ufl(1.0)]
    if physics.tensor:
        directions = [ufl.as_tensor(unit.tolist()) for unit in symmetric_units(dimension)]
    elements = {
        "field": basix.ufl.element("Lagrange", cell, degree, shape=shape),
        "correctors": basix.ufl.element("Lagrange", cell, degree, shape=(len(basis), *shape)),
        "tensor": basix.ufl.element("DG", cell, 0, shape=(len(basis), len(basis))),
        "moduli": basix.ufl.element("DG", cell, 0, shape=(dimension, dimension), symmetry=True)
        if physics.tensor
        else basix.ufl.element("DG", cell, 0),
        "by cell": basix.ufl.element("DG", cell, 0, shape=(len(basis), len(basis), len(directions))),
    }
    domain = ufl.Mesh(basix.ufl.element("Lagrange", cell, 1, shape=(dimension,)))
    spaces = {name: ufl.FunctionSpace(domain, element) for name, element in elements.items()}
    moduli = {modulus.name: ufl.Coefficient(spaces["moduli"]) for modulus in physics.moduli}
    coefficients = tuple(ufl.Coefficient(spaces["moduli"]) for _ in physics.coefficients(*moduli.values()))
    w, adjoint = ufl.Coefficient(spaces["correctors"]), ufl.Coefficient(spaces["correctors"])
    weights = ufl.Coefficient(spaces["tensor"])
    simplex = cell in ("triangle", "tetrahedron")
    dx = ufl.dx(domain=domain, metadata={"quadrature_degree": 2 * (degree - 1) if simplex else 2 * degree})

    def gradient(field: Any) -> Any:
        return ufl.sym(ufl.grad(field)) if physics.vector else ufl.grad(field)

    def part(fields: Any, k: int) -> Any:
        return gradient(ufl.as_vector([fields[k, i] for i in range(dimension)]) if physics.vector else fields[k])

    def law(e: Any) -> Any:
        return physics.law(e, *physics.coefficients(*moduli.values()))

    def by_cell(modulus: Any) -> Any:
        parts = [paired(by_direction[:, :, c], fluxes, gradients, upper=True) for c in range(len(directions))]
        return sum(ufl.derivative(part, modulus, d) for part, d in zip(parts, directions, strict=True))

    def paired(factor: Any, left: list[Any], right: list[Any], *, upper: bool = False) -> Any:
        pairs = [(k, m) for k in loads for m in loads if k <= m or not upper]
        return sum(factor[k, m] * ufl.inner(left[k], right[m]) for k, m in pairs) * dx

    units = [ufl.as_tensor(unit.tolist()) for unit in basis]
    gradients = [unit + part(w, k) for k, unit in enumerate(units)]
    fluxes = [law(e) for e in gradients]
    u, v = ufl.TrialFunction(spaces["field"]), ufl.TestFunction(spaces["field"])
    test, tensor = ufl.TestFunction(spaces["correctors"]), ufl.TestFunction(spaces["tensor"])
    by_direction = ufl.TestFunction(spaces["by cell"])
    observed = paired(weights, fluxes, gradients) - sum(ufl.inner(fluxes[k], part(adjoint, k)) for k in loads) * dx
    forms = {
        "stiffness": (ufl.inner(law(gradient(u)), gradient(v)) * dx, ("field", "field")),
        "element": (ufl.inner(physics.law(gradient(u), *coefficients), gradient(v)) * dx, ("field", "field")),
        "loads": (-sum(ufl.inner(law(units[k]), part(test, k)) for k in loads) * dx, ("correctors",)),
        "energies": (paired(tensor, fluxes, gradients, upper=True), ("tensor",)),
        "gradient": (paired(tensor, gradients, units), ("tensor",)),
        "flux": (paired(tensor, fluxes, units), ("tensor",)),
        "volumes": (sum(tensor[k, m] for k in loads for m in loads) * dx, ("tensor",)),
        **{name: (ufl.derivative(observed, modulus), ("moduli",)) for name, modulus in moduli.items()},
        **{f"by cell, {name}": (by_cell(modulus), ("by cell",)) for name, modulus in moduli.items()},
    }
    return CellSymbols(
        elements,
        moduli,
        coefficients,
        w,
        adjoint,
        weights,
        {name: form for name, (form, _) in forms.items()},
        {name: arguments for name, (_, arguments) in forms.items()},
    )


@cache
def compiled_cell_form(name: str, physics: Physics, cell: str, dimension: int, degree: int) -> Any:
    """One of these forms by name, compiled."""
    form = cell_symbols(physics, cell, dimension, degree).forms[name]
    return fem.compile_form(MPI.COMM_SELF, form, jit_options=JIT_OPTIONS)
