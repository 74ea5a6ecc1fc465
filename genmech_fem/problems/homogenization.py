"""Effective stiffness of a periodic linear-elastic cell.

For each unit strain E_k of the Mandel basis the periodic corrector w_k satisfies
int (E_k + e(w_k)) : C : e(v) dx = 0 for all periodic v, and
C*_kl = 1/|Y| int (E_k + e(w_k)) : C : (E_l + e(w_l)) dx.
Suquet, Elements of homogenization (1987), doi:10.1007/3-540-17616-0_15. In 2D the cell is
in plane strain.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem, mesh
from dolfinx.fem import petsc
from mpi4py import MPI

from genmech_fem.errors import ConvergenceError
from genmech_fem.metrics import symmetric_matrix, upper_triangle
from genmech_fem.problems.periodic import periodic_space
from genmech_fem.problems.problem import Problem
from genmech_fem.problems.solver import DirectSolver


def mandel_basis(dimension: int) -> np.ndarray:
    """Orthonormal symmetric matrices (loads, dimension, dimension): e11, e22, ..., sqrt(2) e12, ..."""
    pairs = [(i, i) for i in range(dimension)] + [(i, j) for i in range(dimension) for j in range(i + 1, dimension)]
    basis = np.zeros((len(pairs), dimension, dimension))
    for matrix, (i, j) in zip(basis, pairs, strict=True):
        matrix[i, j] = matrix[j, i] = 1.0 if i == j else np.sqrt(0.5)
    return basis


class PeriodicElasticity(Problem):
    """Linear elasticity of a periodic cell under all unit strains.

    The state holds the correctors, value shape (loads, dimension), fixed by the mean
    of one node; the observable ``stiffness`` is the upper triangle of C* in Mandel
    notation, in the unit of the modulus.

    Args:
        domain: Mesh of a box with matching opposite sides, on one process.
        degree: Polynomial degree.

    Attributes:
        controls: ``youngs_modulus`` [stress] and ``poisson_ratio`` [1], one value per cell.
        state: The correctors [length].
    """

    def __init__(self, domain: mesh.Mesh, *, degree: int = 1) -> None:
        self.dimension = domain.geometry.dim
        self.loads = len(mandel_basis(self.dimension))
        self._key = (domain.basix_cell().name, self.dimension, degree)
        space = periodic_space(domain, (self.dimension,), degree)
        self.state = fem.Function(periodic_space(domain, (self.loads, self.dimension), degree), name="corrector")
        moduli = fem.functionspace(domain, ("DG", 0))
        self.controls = {name: fem.Function(moduli, name=name) for name in ("youngs_modulus", "poisson_ratio")}
        tensors = fem.functionspace(domain, ("DG", 0, (self.loads, self.loads)))
        self._weights, self._adjoint = fem.Function(tensors), fem.Function(self.state.function_space)
        self._spaces = {"vector": space, "correctors": self.state.function_space, "tensor": tensors, "moduli": moduli}
        self._pinned = fem.dirichletbc(np.zeros(self.dimension), np.array([0], dtype=np.int32), space)
        self._solver: DirectSolver | None = None

    @cached_property
    def volume(self) -> float:
        """Volume |Y| of the cell [length^dimension]."""
        x = self.state.function_space.mesh.geometry.x[:, : self.dimension]
        return float(np.prod(x.max(axis=0) - x.min(axis=0)))

    def solve(self) -> fem.Function:
        """Compute all correctors with one factorisation.

        Raises:
            ValueError: A modulus is not positive or a Poisson ratio is outside (-1, 0.5).
            ConvergenceError: The linear solve failed.
        """
        _check_moduli(**{name: control.x.array for name, control in self.controls.items()})
        solver = self._factorise()
        self.state.x.array[:] = self._solve(solver, fem.assemble_vector(self._form("loads")).array)
        return self.state

    def observe(self) -> dict[str, np.ndarray]:
        """The correctors' dofs ``state`` and ``stiffness``, shape (loads (loads + 1) / 2,)."""
        energies = fem.assemble_vector(self._form("energies")).array.reshape(-1, self.loads, self.loads)
        return {
            "state": self.state.x.array.copy(),
            "stiffness": upper_triangle(energies.sum(axis=0) / self.volume),
        }

    def pull_back(self, cotangents: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Gradient of ``sum(cotangents * observe())`` with respect to both controls.

        C* is stationary in the correctors, so it needs no adjoint solve.
        """
        if self._solver is None:
            raise ConvergenceError("pull_back needs a solution: call solve() first")
        size = self.loads * (self.loads + 1) // 2
        weights = symmetric_matrix(np.asarray(cotangents.get("stiffness", np.zeros(size)), dtype=float) / 2)
        weights[np.diag_indices(self.loads)] *= 2
        self._weights.x.array.reshape(-1, *weights.shape)[:] = weights / self.volume
        self._adjoint.x.array[:] = 0.0
        if "state" in cotangents:
            self._adjoint.x.array[:] = self._solve(self._solver, cotangents["state"])
        return {name: fem.assemble_vector(self._form(name)).array.copy() for name in self.controls}

    def residual_norm(self, state: np.ndarray) -> float:
        """Norm of the residual of proposed correctors over that of the loads."""
        rhs = self._columns(fem.assemble_vector(self._form("loads")).array)
        matrix = fem.assemble_matrix(self._form("stiffness"), [self._pinned]).to_scipy()
        return float(np.linalg.norm(matrix @ self._columns(state) - rhs) / np.linalg.norm(rhs))

    def strains(self, gradients: np.ndarray) -> np.ndarray:
        """Local strain of every unit load from sampled corrector gradients.

        Args:
            gradients: d w_k,i / d x_j, shape (loads, dimension, dimension, points) [1].

        Returns:
            E_k + e(w_k) in Mandel components, shape (loads, loads, points).
        """
        basis = mandel_basis(self.dimension)
        return np.eye(self.loads)[:, :, None] + np.einsum("mij,kijp->kmp", basis, gradients)

    def _columns(self, array: np.ndarray) -> np.ndarray:
        """One column of vector dofs a load (dofs, loads), zero at the pinned node."""
        columns = np.array(array).reshape(-1, self.loads, self.dimension)
        columns[0] = 0.0
        return columns.transpose(0, 2, 1).reshape(-1, self.loads)

    def _solve(self, solver: DirectSolver, rhs: np.ndarray) -> np.ndarray:
        columns = solver.solve(self._columns(rhs))
        return columns.reshape(-1, self.dimension, self.loads).transpose(0, 2, 1).ravel()

    def _factorise(self) -> DirectSolver:
        form = self._form("stiffness")
        if self._solver is None:
            self._matrix = petsc.create_matrix(form)
        self._matrix.zeroEntries()
        petsc.assemble_matrix(self._matrix, form, bcs=[self._pinned])
        self._matrix.assemble()
        if self._solver is None:
            self._solver = DirectSolver(self._matrix, symmetric=True)
        else:
            self._solver.factorise()
        return self._solver

    def _form(self, name: str) -> fem.Form:
        symbols = _symbols(*self._key)
        data = {
            symbols.youngs_modulus: self.controls["youngs_modulus"],
            symbols.poisson_ratio: self.controls["poisson_ratio"],
            symbols.correctors: self.state,
            symbols.adjoint: self._adjoint,
            symbols.weights: self._weights,
        }
        spaces = [self._spaces[space] for space in symbols.arguments[name]]
        return fem.create_form(_compiled(name, *self._key), spaces, self.state.function_space.mesh, {}, data, {})


def _check_moduli(youngs_modulus: np.ndarray, poisson_ratio: np.ndarray) -> None:
    if not (np.isfinite(youngs_modulus).all() and (youngs_modulus > 0).all()):
        raise ValueError(
            "youngs_modulus: expected positive, finite values, got a smallest one of "
            f"{youngs_modulus.min():g} with {int((~np.isfinite(youngs_modulus)).sum())} not finite"
        )
    if not ((poisson_ratio > -1) & (poisson_ratio < 0.5)).all():
        raise ValueError(
            f"poisson_ratio: expected values in (-1, 0.5), got {poisson_ratio.min():g} to {poisson_ratio.max():g}"
        )


@dataclass(frozen=True)
class _Symbols:
    """The forms on an abstract mesh, and the symbols that stand for a cell's data."""

    youngs_modulus: Any
    poisson_ratio: Any
    correctors: Any
    adjoint: Any
    weights: Any
    forms: Mapping[str, Any]
    arguments: Mapping[str, tuple[str, ...]]


@cache
def _symbols(cell: str, dimension: int, degree: int) -> _Symbols:
    basis = mandel_basis(dimension)
    loads = range(len(basis))
    domain = ufl.Mesh(basix.ufl.element("Lagrange", cell, 1, shape=(dimension,)))
    vector = ufl.FunctionSpace(domain, basix.ufl.element("Lagrange", cell, degree, shape=(dimension,)))
    correctors = ufl.FunctionSpace(domain, basix.ufl.element("Lagrange", cell, degree, shape=(len(basis), dimension)))
    moduli = ufl.FunctionSpace(domain, basix.ufl.element("DG", cell, 0))
    tensor = ufl.FunctionSpace(domain, basix.ufl.element("DG", cell, 0, shape=(len(basis), len(basis))))
    E, nu, weights = ufl.Coefficient(moduli), ufl.Coefficient(moduli), ufl.Coefficient(tensor)
    w, adjoint = ufl.Coefficient(correctors), ufl.Coefficient(correctors)
    simplex = cell in ("triangle", "tetrahedron")
    dx = ufl.dx(domain=domain, metadata={"quadrature_degree": 2 * (degree - 1) if simplex else 2 * degree})

    def stress(strain: Any) -> Any:
        lmbda, mu = E * nu / ((1 + nu) * (1 - 2 * nu)), E / (2 * (1 + nu))
        return lmbda * ufl.tr(strain) * ufl.Identity(dimension) + 2 * mu * strain

    def strain(field: Any, k: int) -> Any:
        return ufl.sym(ufl.grad(ufl.as_vector([field[k, i] for i in range(dimension)])))

    def energies(factor: Any) -> Any:
        return sum(factor[k, m] * ufl.inner(stresses[k], strains[m]) for k in loads for m in loads) * dx

    units = [ufl.as_matrix(unit.tolist()) for unit in basis]
    strains = [unit + strain(w, k) for k, unit in enumerate(units)]
    stresses = [stress(e) for e in strains]
    u, v = ufl.TrialFunction(vector), ufl.TestFunction(vector)
    test = ufl.TestFunction(correctors)
    observed = energies(weights) - sum(ufl.inner(stresses[k], strain(adjoint, k)) for k in loads) * dx
    forms = {
        "stiffness": ufl.inner(stress(ufl.sym(ufl.grad(u))), ufl.sym(ufl.grad(v))) * dx,
        "loads": -sum(ufl.inner(stress(units[k]), strain(test, k)) for k in loads) * dx,
        "energies": energies(ufl.TestFunction(tensor)),
        "youngs_modulus": ufl.derivative(observed, E),
        "poisson_ratio": ufl.derivative(observed, nu),
    }
    arguments = {
        "stiffness": ("vector", "vector"),
        "loads": ("correctors",),
        "energies": ("tensor",),
        "youngs_modulus": ("moduli",),
        "poisson_ratio": ("moduli",),
    }
    return _Symbols(E, nu, w, adjoint, weights, forms, arguments)


@cache
def _compiled(name: str, cell: str, dimension: int, degree: int) -> Any:
    return fem.compile_form(MPI.COMM_SELF, _symbols(cell, dimension, degree).forms[name])
