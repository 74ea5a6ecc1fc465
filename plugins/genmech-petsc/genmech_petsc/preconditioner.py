r"""A preconditioner that corrects by a network and smooths by another preconditioner.

With the exact solver :math:`Q = Z (W^T A Z)^{-1} W^T` in the network's directions Z, the inner preconditioner S and
:math:`P = I - A Q` it is :math:`Q + P^T S P` where the matrix is symmetric positive definite, the balancing
preconditioner of Mandel (1993), doi:10.1002/cnm.1640090307; else :math:`Q + S P`; compared by Tang, Nabben, Vuik,
Erlangga (2009), doi:10.1007/s10915-009-9272-6.
"""

from functools import partial

from petsc4py import PETSc

from genmech_petsc.network import Network
from genmech_petsc.options import Settings
from genmech_petsc.projection import Space
from genmech_petsc.wrapped import WrappedPC

FLEXIBLE = ("fcg", "fgmres", "gcr")
"""Krylov methods whose preconditioner may change; of these and CG, PETSc can test the true residual."""
DEFINITE = ("cg", "fcg")
"""Those that take the matrix for symmetric positive definite."""
_DRIFT = 10.0
"""How much larger than told the residual of a converged solve may be."""


class OnnxPC(WrappedPC[Settings]):
    """``-pc_type python -pc_python_type genmech_petsc.OnnxPC -pc_onnx_file FILE -onnx_pc_type icc``.

    Directions that depend on the matrix only are computed once a matrix; the preconditioner then is linear, with CG
    symmetric. Where they depend on the residual it needs a flexible Krylov method. The convergence test is one of the
    true residual, which is computed anew after the solve.

    An answer counts only if it lowers the error more than the inner preconditioner alone. After three in a row that do
    not, or that are NaN, the network is not asked again until the matrix changes, and the inner preconditioner is left.
    """

    def __init__(self) -> None:
        super().__init__(Settings)
        self._definite: bool | None = None

    def preSolve(self, pc: PETSc.PC, ksp: PETSc.KSP, b: PETSc.Vec, x: PETSc.Vec) -> None:  # noqa: ARG002, N802
        """Check the Krylov method, and have it test the true residual.

        Raises:
            ValueError: It does not go with the network.
        """
        allowed = ("cg", *FLEXIBLE) if self._loaded.linear else FLEXIBLE
        if ksp.getType() not in allowed:
            why = "" if self._loaded.linear else ", as its directions change with the residual"
            raise ValueError(f"{self.settings.file}: expected -ksp_type {', '.join(allowed)}{why}, got {ksp.getType()}")
        self._definite = ksp.getType() in DEFINITE
        ksp.setNormType(PETSc.KSP.NormType.UNPRECONDITIONED)

    def apply(self, pc: PETSc.PC, r: PETSc.Vec, z: PETSc.Vec) -> None:
        """Correct by the network, smooth, and correct again.

        Raises:
            ValueError: The Krylov method is not known.
        """
        if self._definite is None:
            raise ValueError("OnnxPC: expected to be the preconditioner of a Krylov method, not a part of another one")
        matrix, source = pc.getOperators()
        least = None if self._loaded.linear else partial(self._gain_alone, matrix, r, z)
        space = self._loaded.space(matrix, source, r, energy=self._definite, least=least)
        if space is None:
            self._inner.apply(r, z)
            return
        amounts, left = space.amounts(r.array_r), r.duplicate()
        left.setArray(r.array_r - amounts @ space.images)
        self._inner.apply(left, z)
        if self._definite:
            amounts = amounts - space.inverse @ (space.images @ z.array_r)
        z.array_w[:] += amounts @ space.directions

    def _gain_alone(self, matrix: PETSc.Mat, r: PETSc.Vec, z: PETSc.Vec) -> float:
        """What the inner preconditioner gains, along the one direction that it gives."""
        self._inner.apply(r, z)
        space = Space.spanned(matrix, z.array_r[None], energy=bool(self._definite))
        return space.gain(r.array_r) if space else 0.0

    def postSolve(self, pc: PETSc.PC, ksp: PETSc.KSP, b: PETSc.Vec, x: PETSc.Vec) -> None:  # noqa: N802
        """Compare the residual that the method tells with the true one; what is wrong has not converged."""
        if ksp.getConvergedReason() <= 0:
            return
        residual = b.duplicate()
        pc.getOperators()[0].mult(x, residual)
        residual.aypx(-1.0, b)
        rtol, atol, _, _ = ksp.getTolerances()
        if not residual.norm() <= _DRIFT * max(ksp.getResidualNorm(), rtol * b.norm(), atol):
            ksp.setConvergedReason(PETSc.KSP.ConvergedReason.DIVERGED_BREAKDOWN)

    @property
    def _loaded(self) -> Network:
        if self._network is None:
            raise ValueError("OnnxPC: call setUp first")
        return self._network
