"""Direct solution of assembled systems, and Newton's method with backtracking."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mpi4py import MPI
from petsc4py import PETSc

from genmech_fem.errors import ConvergenceError

# A singular matrix leaves a residual of order one; rounding leaves up to 1e-5 where stiff
# islands float in a material 1e-9 times as stiff.
_TOLERANCE = 1e-4
_REMEDY = "check that the boundary conditions hold every part of the mesh and that the coefficients are positive"


def global_norm(comm: MPI.Comm, owned: np.ndarray) -> float:
    """Euclidean norm of a vector of which each process passes its own part."""
    return float(np.sqrt(comm.allreduce(float(np.vdot(owned, owned)))))


class DirectSolver:
    """MUMPS factorisation of a PETSc matrix, with a check of every solution.

    After a failure the next `factorise` starts afresh, so one bad matrix does not spoil
    the good ones that follow.

    Args:
        matrix: The assembled matrix; a later change of its values needs `factorise`.
        symmetric: Use L D L^T (half the cost of L U); the matrix may be indefinite.

    Raises:
        ConvergenceError: The matrix is singular or holds NaN.
    """

    def __init__(self, matrix: PETSc.Mat, *, symmetric: bool) -> None:
        self._matrix = matrix
        self._symmetric = symmetric
        self._ksp: PETSc.KSP | None = None
        matrix.setOption(PETSc.Mat.Option.SYMMETRIC, symmetric)
        self._rhs, self._residual, self._solution = (matrix.createVecLeft() for _ in range(3))
        self.factorise()

    def factorise(self) -> None:
        """Factorise the present values of the matrix; the symbolic part is kept.

        Raises:
            ConvergenceError: The matrix is singular or holds NaN.
        """
        if not np.isfinite(self._matrix.norm()):
            raise ConvergenceError("the stiffness matrix holds NaN or infinity: check the coefficients")
        fresh = self._ksp is None
        ksp, self._ksp = self._ksp or self._new_ksp(), None
        ksp.setOperators(self._matrix)
        ksp.setUp()
        reason = ksp.getPC().getFailedReason()
        if reason != PETSc.PC.FailedReason.NOERROR:
            raise ConvergenceError(f"the stiffness matrix cannot be factorised (PETSc reason {reason}): {_REMEDY}")
        self._ksp = ksp
        if fresh:  # a load that does not move the null space would hide a singular matrix
            self._checked(np.cos(np.arange(self._rhs.getLocalSize())), tolerance=1e-2)

    def solve(self, rhs: np.ndarray, *, transpose: bool = False) -> np.ndarray:
        """Solve for right-hand sides ``(local dofs,)`` or ``(local dofs, loads)``; returns that shape.

        Raises:
            ConvergenceError: The solution is not finite or does not satisfy the system.
        """
        if rhs.ndim == 2:
            return np.column_stack([self.solve(column, transpose=transpose) for column in rhs.T])
        return self._checked(rhs, transpose=transpose)

    def _checked(self, rhs: np.ndarray, *, transpose: bool = False, tolerance: float = _TOLERANCE) -> np.ndarray:
        if self._ksp is None:
            raise ConvergenceError("no factorisation to solve with: the last one failed; call factorise() again")
        self._rhs.setArray(rhs)
        (self._ksp.solveTranspose if transpose else self._ksp.solve)(self._rhs, self._solution)
        (self._matrix.multTranspose if transpose else self._matrix.mult)(self._solution, self._residual)
        self._residual.axpy(-1.0, self._rhs)
        error, scale = self._residual.norm(), self._rhs.norm()
        if not error <= tolerance * scale:  # also true for NaN
            self._ksp = None
            raise ConvergenceError(f"the linear solve left a residual of {error:.1e} of {scale:.1e}: {_REMEDY}")
        return self._solution.getArray().copy()

    def _new_ksp(self) -> PETSc.KSP:
        ksp = PETSc.KSP().create(self._matrix.comm)
        ksp.setType(PETSc.KSP.Type.PREONLY)
        pc = ksp.getPC()
        pc.setType(PETSc.PC.Type.CHOLESKY if self._symmetric else PETSc.PC.Type.LU)
        pc.setFactorSolverType(PETSc.Mat.SolverType.MUMPS)
        return ksp


@dataclass(frozen=True)
class Residual:
    """Residual of one state.

    Attributes:
        vector: Right-hand side of the linear solve for the step, shape (local dofs,).
        norm: Norm over the free dofs of all processes.
        admissible: The state has the prescribed Dirichlet values.
    """

    vector: np.ndarray
    norm: float
    admissible: bool


@dataclass(frozen=True)
class Newton:
    """Newton's method; a step is halved until the norm of the residual falls.

    Args:
        tolerance: Residual relative to a reference, at which to stop.
        iterations: Most linear solves.
        halvings: How often one step may be halved.
    """

    tolerance: float = 1e-10
    iterations: int = 30
    halvings: int = 10

    def solve(
        self,
        residual: Callable[[np.ndarray], Residual],
        correction: Callable[[np.ndarray], np.ndarray],
        start: np.ndarray,
        reference: float,
        comm: MPI.Comm,
    ) -> None:
        """Find the root; the last state that `residual` is asked for is the solution.

        Args:
            residual: Residual of the state's local dofs.
            correction: Solution of the system linearised at the last state asked for.
            start: First state (local dofs,).
            reference: Norm of the residual that the tolerance refers to; where it is 0 or
                not finite, that of `start` is used.
            comm: Processes that share the dofs.

        Raises:
            ConvergenceError: No root was found.
        """
        state, here = start, residual(start)
        reference = reference if 0.0 < reference < np.inf else here.norm
        target = self.tolerance * reference
        if not np.isfinite(here.norm):
            raise ConvergenceError("Newton's method: the residual of the start is not finite: start from another state")
        done = here.admissible and here.norm <= target
        for _ in range(self.iterations):
            if done:
                return
            step = correction(here.vector)
            at_rounding = global_norm(comm, step) <= 1e-11 * global_norm(comm, state)
            state, here = self._line_search(residual, state, step, np.inf if at_rounding else here.norm)
            done = here.admissible and (here.norm <= target or at_rounding)
        if not done:
            raise ConvergenceError(
                f"Newton's method: relative residual {here.norm / reference:.1e} after {self.iterations} iterations, "
                f"expected {self.tolerance:.0e}: apply the load in smaller steps or start from a nearer state"
            )

    def _line_search(
        self, residual: Callable[[np.ndarray], Residual], state: np.ndarray, step: np.ndarray, norm: float
    ) -> tuple[np.ndarray, Residual]:
        for halving in range(self.halvings + 1):
            length = 0.5**halving
            trial = state - length * step
            here = residual(trial)
            if here.norm <= (1 - 1e-4 * length) * norm and np.isfinite(here.norm):
                return trial, here
        found = f"stays above {norm:.1e}" if np.isfinite(here.norm) else "is not finite"
        raise ConvergenceError(
            f"Newton's method: the residual {found} along the step, down to a length of {length:.0e}: "
            "apply the load in smaller steps or start from a nearer state"
        )
