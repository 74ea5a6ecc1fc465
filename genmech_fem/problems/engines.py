"""What factorises and solves a linear system: PETSc, or SciPy's SuperLU on one process without it."""

import itertools
import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol

import numpy as np
from dolfinx import fem, la
from scipy.sparse import linalg

from genmech_fem.errors import ConvergenceError
from genmech_fem.problems.petsc import PETSc
from genmech_fem.problems.solver_options import SolverOptions, preset

# A singular matrix leaves a residual of order one; rounding leaves up to 1e-5 where stiff
# islands float in a material 1e-9 times as stiff.
_DIRECT_TOLERANCE = 1e-4
REMEDY = "check that the boundary conditions hold every part of the mesh and that the coefficients are positive"


class Engine(Protocol):
    """A factorised matrix.

    Attributes:
        name: Its name in messages.
        direct: It factorises, rather than iterates.
        tolerance: Residual relative to the right-hand side that a solution may leave.
    """

    name: str
    direct: bool
    tolerance: float

    @property
    def advice(self) -> str:
        """What the last solve says of its end."""

    def update(self) -> None:
        """Take over the present values of the matrix."""

    def solve(self, rhs: np.ndarray, transpose: bool) -> np.ndarray:
        """Solutions (local dofs, loads) for right-hand sides of this shape."""

    def apply(self, x: np.ndarray, transpose: bool) -> np.ndarray:
        """Products with vectors (local dofs, loads)."""


def new_engine(matrix: la.MatrixCSR, space: fem.FunctionSpace, options: SolverOptions, modes: np.ndarray) -> Engine:
    """PETSc where it is installed, else SuperLU; the arguments are those of `LinearSolver`."""
    if PETSc is None:
        return _SuperLU(matrix, options)
    try:
        return _Krylov(matrix, space, options, modes)
    except PETSc.Error as error:
        raise ValueError(f"PETSc refuses the options {dict(options.petsc_options)}: {error}") from error


class _SuperLU:
    """SciPy's sparse factorisation."""

    name, direct, tolerance, advice = "SuperLU", True, _DIRECT_TOLERANCE, ""

    def __init__(self, matrix: la.MatrixCSR, options: SolverOptions) -> None:
        if matrix.index_map(0).comm.size > 1 or options.petsc_options:
            raise ValueError("several processes and petsc_options need PETSc: install petsc4py, or leave them out")
        self._matrix, self._symmetric = matrix, options.symmetric
        self.update()

    def update(self) -> None:
        self._csr = self._matrix.to_scipy()
        try:
            self._factor = linalg.splu(
                self._csr.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": self._symmetric}
            )
        except RuntimeError as error:
            raise ConvergenceError(f"SuperLU: the stiffness matrix cannot be factorised ({error}): {REMEDY}") from None

    def solve(self, rhs: np.ndarray, transpose: bool) -> np.ndarray:
        return self._factor.solve(np.ascontiguousarray(rhs), "T" if transpose else "N")

    def apply(self, x: np.ndarray, transpose: bool) -> np.ndarray:
        return (self._csr.T if transpose else self._csr) @ x


class _Krylov:
    """A PETSc KSP on the arrays of a MatrixCSR."""

    def __init__(
        self, matrix: la.MatrixCSR, space: fem.FunctionSpace, options: SolverOptions, modes: np.ndarray
    ) -> None:
        self._petsc = self._new_matrix(matrix, space.dofmap.bs)
        self._petsc.setOption(PETSc.Mat.Option.SYMMETRIC, options.symmetric)
        if options.definite:
            self._petsc.setOption(PETSc.Mat.Option.SPD, True)
        self._vectors = [self._petsc.createVecLeft() for _ in range(3)]
        size = self._petsc.getSize()[0]
        chosen = _chosen(options, space.mesh.topology.dim, size)
        self.direct = chosen.get("ksp_type") == "preonly"
        self._ksp = PETSc.KSP().create(self._petsc.comm)
        prefix = _prefix(tuple(chosen.items()))
        self._ksp.setOptionsPrefix(prefix)
        self._ksp.setFromOptions()
        self._ksp.setOperators(self._petsc)
        if not self.direct:
            self._set_near_null_space(modes)
        self._set_up()
        _warn_unused(prefix, options.petsc_options)
        self.name = f"PETSc {self._ksp.type} + {self._ksp.getPC().type}"
        self.tolerance = _DIRECT_TOLERANCE if self.direct else max(10 * self._ksp.getTolerances()[0], 1e-13)

    def _new_matrix(self, matrix: la.MatrixCSR, block: int) -> Any:
        """PETSc's matrix on the values of another, on several processes on a copy in order of the columns."""
        comm, rows = matrix.index_map(0).comm, matrix.index_map(0).size_local
        size, entries = matrix.index_map(0).size_global, int(matrix.indptr[rows])
        pointers = matrix.indptr[: rows + 1].astype(PETSc.IntType)
        self._values = matrix.data[:entries]
        if comm.size == 1:
            self._order = None
            self._arrays = (pointers, matrix.indices[:entries].astype(PETSc.IntType, copy=False), self._values)
            return PETSc.Mat().createAIJWithArrays((size, size), self._arrays, bsize=block, comm=comm)
        columns = matrix.index_map(1).local_to_global(matrix.indices[:entries]).astype(PETSc.IntType)
        self._order = np.lexsort((columns, np.repeat(np.arange(rows), np.diff(pointers))))
        self._arrays = (pointers, columns[self._order], self._values[self._order])
        return PETSc.Mat().createAIJ(((rows, size), (rows, size)), bsize=block, csr=self._arrays, comm=comm)

    @property
    def advice(self) -> str:
        """What the iteration says of its end."""
        if self.direct:
            return ""
        found = f" after {self._ksp.getIterationNumber()} iterations (reason {self._ksp.getConvergedReason()})"
        return f"{found}; a direct solver (petsc_options 'pc_type': 'lu') or a larger 'ksp_max_it' may help"

    def update(self) -> None:
        if self._order is None:
            self._petsc.stateIncrease()
        else:
            pointers, columns, _ = self._arrays
            self._petsc.setValuesCSR(pointers, columns, self._values[self._order])
            self._petsc.assemble()
        self._ksp.setOperators(self._petsc)
        self._set_up()

    def solve(self, rhs: np.ndarray, transpose: bool) -> np.ndarray:
        if rhs.shape[1] == 1:
            right, left = self._vectors[:2]
            right.setArray(rhs[:, 0])
            (self._ksp.solveTranspose if transpose else self._ksp.solve)(right, left)
            return left.getArray().copy()[:, None]
        rows, size = self._petsc.getSizes()[0]
        right = PETSc.Mat().createDense(((rows, size), (None, rhs.shape[1])), comm=self._petsc.comm)
        right.setUp()
        right.getDenseArray()[:] = rhs
        right.assemble()
        left = right.duplicate()
        (self._ksp.matSolveTranspose if transpose else self._ksp.matSolve)(right, left)
        return left.getDenseArray().copy()

    def apply(self, x: np.ndarray, transpose: bool) -> np.ndarray:
        right, _, product = self._vectors
        result = np.empty_like(x)
        for k, column in enumerate(x.T):
            right.setArray(column)
            (self._petsc.multTranspose if transpose else self._petsc.mult)(right, product)
            result[:, k] = product.getArray()
        return result

    def _set_up(self) -> None:
        self._ksp.setUp()
        reason = self._ksp.getPC().getFailedReason()
        if reason != PETSc.PC.FailedReason.NOERROR:
            raise ConvergenceError(f"the stiffness matrix cannot be factorised (PETSc reason {reason}): {REMEDY}")

    def _set_near_null_space(self, modes: np.ndarray) -> None:
        vectors = []
        for mode in modes.T:
            vector = self._petsc.createVecLeft()
            vector.setArray(mode)
            vectors.append(vector)
        for k, vector in enumerate(vectors):
            for other in vectors[:k]:
                vector.axpy(-vector.dot(other), other)
            vector.normalize()
        self._petsc.setNearNullSpace(PETSc.NullSpace().create(vectors=vectors, comm=self._petsc.comm))


def _chosen(options: SolverOptions, dimension: int, size: int) -> dict[str, Any]:
    """PETSc's options: those given, added to the preset unless they choose a solver of their own."""
    given = dict(options.petsc_options)
    if {"ksp_type", "pc_type"} & set(given):
        return given
    return preset(symmetric=options.symmetric, dimension=dimension, size=size) | given


@cache
def _prefix(options: tuple[tuple[str, Any], ...]) -> str:
    """Prefix under which PETSc's database holds these options; equal ones share it."""
    prefix = f"genmech_{next(_numbers)}_"
    database = PETSc.Options()
    for name, value in options:
        database.setValue(prefix + name, value)
    return prefix


_numbers = itertools.count()


def _warn_unused(prefix: str, given: Mapping[str, Any]) -> None:
    database = PETSc.Options()
    unused = [name for name in given if not database.used(prefix + name)]
    for name in unused:
        database.delValue(prefix + name)
    if unused:
        warnings.warn(f"petsc_options {unused} had no effect: look their names up in PETSc's manual", stacklevel=2)
