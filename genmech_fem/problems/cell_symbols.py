"""Forms of periodic cells on an abstract mesh, compiled once for all meshes of the same kind of cells."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import basix.ufl
import ufl
from dolfinx import fem
from mpi4py import MPI

from genmech_fem.problems.forms import JIT_OPTIONS
from genmech_fem.problems.physics import Physics, symmetric_units


class CellKind(NamedTuple):
    """What the forms of a cell depend on.

    Attributes:
        physics: What is homogenised.
        cell: Name of the cells of the mesh, as ``triangle``.
        dimension: Dimension of the mesh.
        degree: Degree of the Lagrange elements.
    """

    physics: Physics
    cell: str
    dimension: int
    degree: int


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
def cell_symbols(kind: CellKind) -> CellSymbols:
    """Forms of a kind of cells."""
    elements = _elements(kind)
    domain = ufl.Mesh(basix.ufl.element("Lagrange", kind.cell, 1, shape=(kind.dimension,)))
    spaces = {name: ufl.FunctionSpace(domain, element) for name, element in elements.items()}
    physics = kind.physics
    moduli = {modulus.name: ufl.Coefficient(spaces["moduli"]) for modulus in physics.moduli}
    coefficients = tuple(ufl.Coefficient(spaces["moduli"]) for _ in physics.coefficients(*moduli.values()))
    w, adjoint = ufl.Coefficient(spaces["correctors"]), ufl.Coefficient(spaces["correctors"])
    weights = ufl.Coefficient(spaces["tensor"])
    simplex = kind.cell in ("triangle", "tetrahedron")
    degree = 2 * (kind.degree - 1) if simplex else 2 * kind.degree
    dx = ufl.dx(domain=domain, metadata={"quadrature_degree": degree})
    terms = _Terms(kind, tuple(moduli.values()), dx)
    gradients = [unit + terms.gradient_of(w, k) for k, unit in enumerate(terms.units)]
    fluxes = [terms.law(e) for e in gradients]
    u, v = ufl.TrialFunction(spaces["field"]), ufl.TestFunction(spaces["field"])
    test, tensor = ufl.TestFunction(spaces["correctors"]), ufl.TestFunction(spaces["tensor"])
    by_direction = ufl.TestFunction(spaces["by cell"])
    element = physics.law(terms.gradient(u), *coefficients)
    observed = terms.paired(weights, fluxes, gradients) - terms.work(fluxes, adjoint)
    forms = {
        "stiffness": (ufl.inner(terms.law(terms.gradient(u)), terms.gradient(v)) * dx, ("field", "field")),
        "element": (ufl.inner(element, terms.gradient(v)) * dx, ("field", "field")),
        "loads": (-terms.work([terms.law(unit) for unit in terms.units], test), ("correctors",)),
        "energies": (terms.paired(tensor, fluxes, gradients, upper=True), ("tensor",)),
        "gradient": (terms.paired(tensor, gradients, terms.units), ("tensor",)),
        "flux": (terms.paired(tensor, fluxes, terms.units), ("tensor",)),
        "volumes": (sum(tensor[k, m] for k in terms.loads for m in terms.loads) * dx, ("tensor",)),
    }
    for name, modulus in moduli.items():
        forms[name] = ufl.derivative(observed, modulus), ("moduli",)
        forms[f"by cell, {name}"] = terms.by_cell(by_direction, fluxes, gradients, modulus), ("by cell",)
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
def compiled_cell_form(name: str, kind: CellKind) -> Any:
    """One of these forms by name, compiled."""
    return fem.compile_form(MPI.COMM_SELF, cell_symbols(kind).forms[name], jit_options=JIT_OPTIONS)


def _elements(kind: CellKind) -> dict[str, Any]:
    """Elements of the unknown, of all correctors, and of what is constant in each cell."""
    loads, shape = len(kind.physics.basis(kind.dimension)), kind.physics.value_shape(kind.dimension)
    tensor = {"shape": (kind.dimension,) * 2, "symmetry": True} if kind.physics.tensor else {}
    return {
        "field": basix.ufl.element("Lagrange", kind.cell, kind.degree, shape=shape),
        "correctors": basix.ufl.element("Lagrange", kind.cell, kind.degree, shape=(loads, *shape)),
        "tensor": basix.ufl.element("DG", kind.cell, 0, shape=(loads, loads)),
        "moduli": basix.ufl.element("DG", kind.cell, 0, **tensor),
        "by cell": basix.ufl.element("DG", kind.cell, 0, shape=(loads, loads, len(_directions(kind)))),
    }


def _directions(kind: CellKind) -> list[Any]:
    """Units of a modulus: 1, or the symmetric matrices with one entry 1."""
    if not kind.physics.tensor:
        return [ufl.as_ufl(1.0)]
    return [ufl.as_tensor(unit.tolist()) for unit in symmetric_units(kind.dimension)]


@dataclass(frozen=True)
class _Terms:
    """What the forms of a kind of cells are made of."""

    kind: CellKind
    moduli: tuple[Any, ...]
    dx: Any

    @property
    def units(self) -> list[Any]:
        """The unit gradients."""
        return [ufl.as_tensor(unit.tolist()) for unit in self.kind.physics.basis(self.kind.dimension)]

    @property
    def loads(self) -> range:
        """Their numbers."""
        return range(len(self.units))

    def gradient(self, field: Any) -> Any:
        """Symmetric gradient of a displacement, gradient of a scalar."""
        return ufl.sym(ufl.grad(field)) if self.kind.physics.vector else ufl.grad(field)

    def gradient_of(self, fields: Any, k: int) -> Any:
        """Gradient of the k-th of the correctors."""
        if not self.kind.physics.vector:
            return self.gradient(fields[k])
        return self.gradient(ufl.as_vector([fields[k, i] for i in range(self.kind.dimension)]))

    def law(self, gradient: Any) -> Any:
        """Its stress or flux."""
        return self.kind.physics.law(gradient, *self.kind.physics.coefficients(*self.moduli))

    def work(self, fluxes: list[Any], fields: Any) -> Any:
        """Sum over the loads of the work of each flux in its field."""
        return sum(ufl.inner(fluxes[k], self.gradient_of(fields, k)) for k in self.loads) * self.dx

    def paired(self, factor: Any, left: list[Any], right: list[Any], *, upper: bool = False) -> Any:
        """Integral of the products of two sets of fields, each pair with a factor of its own."""
        pairs = [(k, m) for k in self.loads for m in self.loads if k <= m or not upper]
        return sum(factor[k, m] * ufl.inner(left[k], right[m]) for k, m in pairs) * self.dx

    def by_cell(self, factor: Any, fluxes: list[Any], gradients: list[Any], modulus: Any) -> Any:
        """Derivatives of the energies by the components of a modulus."""
        directions = _directions(self.kind)
        parts = [self.paired(factor[:, :, c], fluxes, gradients, upper=True) for c in range(len(directions))]
        return sum(ufl.derivative(part, modulus, d) for part, d in zip(parts, directions, strict=True))
