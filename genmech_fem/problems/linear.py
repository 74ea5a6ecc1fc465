"""Linear systems: a preset for each class and size of problem, and a check of every solution.

The solver is chosen by PETSc options, which the user can override. Where petsc4py is not
installed, systems on one process are factorised by SciPy's SuperLU.
"""

import itertools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Protocol

import numpy as np
from dolfinx import fem, la
from mpi4py import MPI
from scipy.sparse import linalg

from genmech_fem.errors import ConvergenceError
from genmech_fem.problems.newton import Newton, global_norm

try:
    from petsc4py import PETSc
except ImportError:
    PETSc = None

DIRECT_3D = 10_000
"""Unknowns up to which 3D systems are factorised; beyond, multigrid is faster and needs less memory."""

SMALL_2D = 100_000
"""Unknowns up to which 2D systems are ordered by approximate minimum fill: half the analysis of nested dissection."""
_MINIMUM_FILL = 2

# A singular matrix leaves a residual of order one; rounding leaves up to 1e-5 where stiff
# islands float in a material 1e-9 times as stiff.
_DIRECT_TOLERANCE = 1e-4
_REMEDY = "check that the boundary conditions hold every part of the mesh and that the coefficients are positive"


@dataclass(frozen=True)
class SolverOptions:
    """How a problem is solved.

    Args:
        symmetric: The Jacobian is symmetric, which halves the cost.
        definite: And positive definite, which saves another tenth.
        petsc_options: PETSc options without prefix, as ``{"ksp_type": "cg", "pc_type": "gamg"}``. They
            are added to those of `preset`; with a ``ksp_type`` or ``pc_type`` they replace them.
        newton: Settings of Newton's method.
        cached: How many factorisations of a linear problem are kept at once. The batch size saves
            the second factorisation of samples whose gradients follow when all are solved, as in
            a torch layer; for campaigns 1 is fastest.
    """

    symmetric: bool = False
    definite: bool = False
    petsc_options: Mapping[str, Any] = field(default_factory=dict)
    newton: Newton = field(default_factory=Newton)
    cached: int = 1

    def __post_init__(self) -> None:
        if self.definite and not self.symmetric:
            raise ValueError("definite: expected symmetric=True with it")
        if self.cached < 1:
            raise ValueError(f"cached: expected room for at least one factorisation, got {self.cached}")


def preset(*, symmetric: bool, dimension: int, size: int) -> dict[str, Any]:
    """PETSc options for a class of systems.

    MUMPS (L D L^T or L U) in 2D and for small 3D systems; beyond `DIRECT_3D` unknowns
    conjugate gradients (GMRES where not symmetric) with smoothed aggregation.

    Args:
        symmetric: The matrix is symmetric.
        dimension: Dimension of the mesh.
        size: Number of unknowns on all processes.
    """
    if dimension < 3 or size <= DIRECT_3D:
        kind = "cholesky" if symmetric else "lu"
        direct = {"ksp_type": "preonly", "pc_type": kind, "pc_factor_mat_solver_type": "mumps"}
        return direct | ({"mat_mumps_icntl_7": _MINIMUM_FILL} if dimension < 3 and size <= SMALL_2D else {})
    return {
        "ksp_type": "cg" if symmetric else "gmres",
        "ksp_norm_type": "unpreconditioned",
        "ksp_rtol": 1e-10,
        "ksp_max_it": 500,
        "pc_type": "gamg",
        "mg_levels_ksp_type": "chebyshev",
        "mg_levels_pc_type": "jacobi",
    } | ({} if symmetric else {"ksp_pc_side": "right", "ksp_gmres_restart": 100})


def factored_once(dimension: int, comm: MPI.Comm) -> dict[str, Any]:
    """PETSc options of a symmetric matrix that many systems are solved with: fast to solve, slower to factorise.

    In 2D PETSc's own factor takes a third of the time of MUMPS; in 3D it takes ten times as long to make.

    Args:
        dimension: Dimension of the mesh.
        comm: Processes of the matrix.
    """
    if PETSc is None:
        return {}
    package = {"pc_factor_mat_solver_type": "petsc", "pc_factor_mat_ordering_type": "nd"}
    plane = dimension < 3 and comm.size == 1
    return {"ksp_type": "preonly", "pc_type": "cholesky"} | (
        package if plane else {"pc_factor_mat_solver_type": "mumps"}
    )


class LinearSolver:
    """Solver of one assembled matrix, whose values may change.

    After a failure the next `factorise` starts afresh, so one bad matrix does not spoil
    the good ones that follow.

    Args:
        matrix: Square matrix, one row a dof (`forms.new_matrix`), already assembled.
        space: Function space of the unknown.
        options: Symmetry and PETSc options.
        modes: Motions without energy where no condition holds the body (local dofs, modes); by
            default `rigid_modes`.

    Raises:
        ConvergenceError: The matrix is singular or holds NaN.
        ValueError: PETSc is needed, but not installed.
    """

    def __init__(
        self, matrix: la.MatrixCSR, space: fem.FunctionSpace, options: SolverOptions, *, modes: np.ndarray | None = None
    ) -> None:
        self._matrix, self._space, self._options = matrix, space, options
        self._modes = rigid_modes(space) if modes is None else modes
        self._comm = space.mesh.comm
        self._engine: _Engine | None = None
        self.factorise()

    def factorise(self) -> None:
        """Take over the present values of the matrix; what depends on its pattern only is kept.

        Raises:
            ConvergenceError: The matrix is singular or holds NaN.
        """
        engine, self._engine = self._engine, None
        if not self._comm.allreduce(bool(np.isfinite(self._matrix.data).all()), op=MPI.LAND):
            raise ConvergenceError("the stiffness matrix holds NaN or infinity: check the coefficients")
        if engine is not None:
            engine.update()
        else:
            engine = _SuperLU(self._matrix, self._options) if PETSc is None else self._new_petsc()
            self._check_held(engine)
        self._engine = engine

    def solve(self, rhs: np.ndarray, *, transpose: bool = False) -> np.ndarray:
        """Solve for right-hand sides ``(local dofs,)`` or ``(local dofs, loads)``; returns that shape.

        Raises:
            ConvergenceError: The solution is not finite or does not satisfy the system.
        """
        engine, self._engine = self._engine, None
        if engine is None:
            raise ConvergenceError("nothing to solve with: the last attempt failed; call factorise() again")
        solution = self._checked(engine, rhs, transpose and not self._options.symmetric, engine.tolerance)
        self._engine = engine
        return solution

    def _checked(self, engine: "_Engine", rhs: np.ndarray, transpose: bool, tolerance: float) -> np.ndarray:
        columns = rhs.reshape(len(rhs), -1)
        solution = engine.solve(columns, transpose)
        difference = engine.apply(solution, transpose) - columns
        for k in range(columns.shape[1]):
            error, scale = (global_norm(self._comm, part[:, k]) for part in (difference, columns))
            if not error <= tolerance * scale:  # also true for NaN
                raise ConvergenceError(
                    f"{engine.name}: the linear solve left a residual of {error:.1e} of {scale:.1e}"
                    f"{engine.advice}: {_REMEDY}"
                )
        return solution.reshape(rhs.shape)

    def _new_petsc(self) -> "_PETSc":
        dimension = self._space.mesh.topology.dim
        try:
            return _PETSc(self._matrix, self._space.dofmap.bs, dimension, self._modes, self._options)
        except PETSc.Error as error:
            raise ValueError(f"PETSc refuses the options {dict(self._options.petsc_options)}: {error}") from error

    def _check_held(self, engine: "_Engine") -> None:
        """Find a singular matrix, also one that the loads would not reveal."""
        forces = engine.apply(self._modes, False)
        gram, mass = (self._comm.allreduce(a.T @ a) for a in (forces, self._modes))
        stiffness = np.linalg.eigvals(np.linalg.solve(mass, gram)).real  # squares of the forces of unit motions
        scale = self._comm.allreduce(float(np.abs(self._matrix.data).max(initial=0.0)), op=MPI.MAX)
        if stiffness.min() <= 1e-13 * max(stiffness.max(), 1e-10 * scale**2):
            raise ConvergenceError(f"the stiffness matrix is singular, the body moves without a force: {_REMEDY}")
        if engine.direct:
            self._checked(engine, np.cos(np.arange(len(self._modes))), transpose=False, tolerance=1e-2)


def rigid_modes(space: fem.FunctionSpace) -> np.ndarray:
    """Rigid-body motions of a displacement space, the constants of others, shape (local dofs, modes)."""
    block, dimension = space.dofmap.bs, space.mesh.geometry.dim
    count = space.dofmap.index_map.size_local
    translations = np.tile(np.eye(block), (count, 1))
    if space.value_shape != (dimension,):
        return translations
    x = space.tabulate_dof_coordinates()[:count, :dimension]
    pairs = [(i, j) for i in range(dimension) for j in range(i + 1, dimension)]
    rotations = np.zeros((len(pairs), count, dimension))
    for rotation, (i, j) in zip(rotations, pairs, strict=True):
        rotation[:, i], rotation[:, j] = -x[:, j], x[:, i]
    return np.column_stack([translations, *rotations.reshape(len(pairs), -1)])


class _Engine(Protocol):
    name: str
    direct: bool
    tolerance: float

    @property
    def advice(self) -> str: ...

    def update(self) -> None: ...

    def solve(self, rhs: np.ndarray, transpose: bool) -> np.ndarray: ...

    def apply(self, x: np.ndarray, transpose: bool) -> np.ndarray: ...


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
            raise ConvergenceError(f"SuperLU: the stiffness matrix cannot be factorised ({error}): {_REMEDY}") from None

    def solve(self, rhs: np.ndarray, transpose: bool) -> np.ndarray:
        return self._factor.solve(np.ascontiguousarray(rhs), "T" if transpose else "N")

    def apply(self, x: np.ndarray, transpose: bool) -> np.ndarray:
        return (self._csr.T if transpose else self._csr) @ x


class _PETSc:
    """A PETSc KSP on the arrays of a MatrixCSR."""

    def __init__(
        self, matrix: la.MatrixCSR, block: int, dimension: int, modes: np.ndarray, options: SolverOptions
    ) -> None:
        comm, rows = matrix.index_map(0).comm, matrix.index_map(0).size_local
        size = matrix.index_map(0).size_global
        chosen = dict(options.petsc_options)
        if not {"ksp_type", "pc_type"} & set(chosen):
            chosen = preset(symmetric=options.symmetric, dimension=dimension, size=size) | chosen
        entries = int(matrix.indptr[rows])
        pointers = matrix.indptr[: rows + 1].astype(PETSc.IntType)
        self._values = matrix.data[:entries]
        if comm.size == 1:
            self._order = None
            self._arrays = (pointers, matrix.indices[:entries].astype(PETSc.IntType, copy=False), self._values)
            self._petsc = PETSc.Mat().createAIJWithArrays((size, size), self._arrays, bsize=block, comm=comm)
        else:
            columns = matrix.index_map(1).local_to_global(matrix.indices[:entries]).astype(PETSc.IntType)
            self._order = np.lexsort((columns, np.repeat(np.arange(rows), np.diff(pointers))))
            self._arrays = (pointers, columns[self._order], self._values[self._order])
            self._petsc = PETSc.Mat().createAIJ(((rows, size), (rows, size)), bsize=block, csr=self._arrays, comm=comm)
        self._petsc.setOption(PETSc.Mat.Option.SYMMETRIC, options.symmetric)
        if options.definite:
            self._petsc.setOption(PETSc.Mat.Option.SPD, True)
        self._vectors = [self._petsc.createVecLeft() for _ in range(3)]
        self.direct = chosen.get("ksp_type") == "preonly"
        self._ksp = PETSc.KSP().create(comm)
        self._ksp.setOptionsPrefix(_prefix(tuple(chosen.items())))
        self._ksp.setFromOptions()
        self._ksp.setOperators(self._petsc)
        if not self.direct:
            self._set_near_null_space(modes)
        self._set_up()
        _warn_unused(_prefix(tuple(chosen.items())), options.petsc_options)
        self.name = f"PETSc {self._ksp.type} + {self._ksp.getPC().type}"
        self.tolerance = _DIRECT_TOLERANCE if self.direct else max(10 * self._ksp.getTolerances()[0], 1e-13)

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
            raise ConvergenceError(f"the stiffness matrix cannot be factorised (PETSc reason {reason}): {_REMEDY}")

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
