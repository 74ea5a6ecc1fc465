"""Direct solution of assembled systems: one factorisation, many right-hand sides."""

import numpy as np
from petsc4py import PETSc

from genmech_fem.errors import ConvergenceError


class DirectSolver:
    """MUMPS factorisation of a PETSc matrix.

    Args:
        matrix: The assembled matrix; a later change of its values needs `factorise`.
        symmetric: Use Cholesky (positive definite matrices) in place of LU.

    Raises:
        ConvergenceError: The matrix is singular or holds NaN.
    """

    def __init__(self, matrix: PETSc.Mat, *, symmetric: bool) -> None:
        self._matrix = matrix
        self._ksp = PETSc.KSP().create(matrix.comm)
        self._ksp.setType(PETSc.KSP.Type.PREONLY)
        pc = self._ksp.getPC()
        pc.setType(PETSc.PC.Type.CHOLESKY if symmetric else PETSc.PC.Type.LU)
        pc.setFactorSolverType(PETSc.Mat.SolverType.MUMPS)
        matrix.setOption(PETSc.Mat.Option.SPD, symmetric)
        self.factorise()

    def factorise(self) -> None:
        """Factorise the present values of the matrix; the symbolic part is kept."""
        if not np.isfinite(self._matrix.norm()):
            raise ConvergenceError("the stiffness matrix holds NaN or infinity: check the coefficients")
        self._ksp.setOperators(self._matrix)
        self._ksp.setUp()
        if self._ksp.getPC().getFailedReason() != PETSc.PC.FailedReason.NOERROR:
            raise ConvergenceError(
                "the stiffness matrix cannot be factorised: check that the boundary conditions "
                "hold every part of the mesh and that the coefficients are positive"
            )

    def solve(self, rhs: np.ndarray, *, transpose: bool = False) -> np.ndarray:
        """Solve for right-hand sides ``(local dofs,)`` or ``(local dofs, loads)``; returns that shape.

        Raises:
            ConvergenceError: The solution is not finite or does not satisfy the system.
        """
        if rhs.ndim == 2:
            return np.column_stack([self.solve(column, transpose=transpose) for column in rhs.T])
        b, x = self._matrix.createVecLeft(), self._matrix.createVecRight()
        b.setArray(rhs)
        (self._ksp.solveTranspose if transpose else self._ksp.solve)(b, x)
        scale = b.norm()
        product = b.duplicate()
        (self._matrix.multTranspose if transpose else self._matrix.mult)(x, product)
        product.axpy(-1.0, b)
        error = product.norm()
        if self._ksp.getConvergedReason() < 0 or not error <= 1e-6 * scale:
            raise ConvergenceError(
                f"the linear solve failed (PETSc reason {self._ksp.getConvergedReason()}, residual {error:.1e} "
                f"of {scale:.1e}): check the boundary conditions and that the coefficients are positive and finite"
            )
        return x.getArray().copy()
