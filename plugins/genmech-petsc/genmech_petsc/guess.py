"""An initial guess for linear solves."""

import math

from petsc4py import PETSc

from genmech_petsc.network import Network
from genmech_petsc.options import GuessSettings
from genmech_petsc.snapshots import save
from genmech_petsc.wrapped import WrappedPC

DIRECT = ("preonly", "none")
DEFINITE = ("cg", "fcg", "groppcg", "pipecg", "pipecgrr", "pipefcg")
"""Krylov methods that take the matrix for symmetric positive definite."""


class OnnxGuess(WrappedPC[GuessSettings]):
    """``-pc_type python -pc_python_type genmech_petsc.OnnxGuess -pc_onnx_file FILE -onnx_pc_type icc``.

    The preconditioner is the inner one; before each solve the start, zero or given, is moved to the best point in the
    network's directions: with CG that of the least error in the energy norm, else that of the least residual. So it is
    never worse than before, whatever the network says, and every Krylov method will do.

    With ``-pc_onnx_record FOLDER`` every converged solve is written there, for `training`; it needs no file then.
    """

    def __init__(self) -> None:
        super().__init__(GuessSettings)
        self._left: list[float] = []
        self._given = self._moved = False

    def preSolve(self, pc: PETSc.PC, ksp: PETSc.KSP, b: PETSc.Vec, x: PETSc.Vec) -> None:  # noqa: N802
        """Move the start.

        Raises:
            ValueError: The solver takes no initial guess.
        """
        if ksp.getType() in DIRECT:
            raise ValueError(
                f"an initial guess needs an iterative method: expected another -ksp_type than {ksp.getType()}"
            )
        if not self._moved:  # else the last solve was broken off by an exception
            self._given = ksp.getInitialGuessNonzero()
        self._definite, self._removed = ksp.getType() in DEFINITE, 0.0
        self._residual = b.copy()
        if self._given:
            pc.getOperators()[0].mult(x, self._residual)
            self._residual.aypx(-1.0, b)
        else:
            x.set(0.0)
        self._start = x.copy()
        if self._network is not None and self._residual.norm() > 0:
            self._move(self._network, pc, ksp, x)

    def _move(self, network: Network, pc: PETSc.PC, ksp: PETSc.KSP, x: PETSc.Vec) -> None:
        matrix, source = pc.getOperators()
        space = network.space(matrix, source, self._residual, energy=self._definite)
        if space is not None:
            residual = self._residual.array_r
            x.array_w[:] += space.amounts(residual) @ space.directions
            self._removed = space.gain(residual)
            self._moved = True
            ksp.setInitialGuessNonzero(True)

    def apply(self, pc: PETSc.PC, r: PETSc.Vec, z: PETSc.Vec) -> None:  # noqa: ARG002
        """Apply the inner preconditioner."""
        self._inner.apply(r, z)

    def applyTranspose(self, pc: PETSc.PC, r: PETSc.Vec, z: PETSc.Vec) -> None:  # noqa: ARG002, N802
        """Apply the transpose of the inner preconditioner."""
        self._inner.applyTranspose(r, z)

    def postSolve(self, pc: PETSc.PC, ksp: PETSc.KSP, b: PETSc.Vec, x: PETSc.Vec) -> None:  # noqa: ARG002, N802
        """Note how much of the error was left at the start, and record the solve."""
        self._moved = False
        ksp.setInitialGuessNonzero(self._given)
        if ksp.getConvergedReason() <= 0:
            return
        change = x - self._start
        total = (change if self._definite else self._residual).dot(self._residual)
        if total > 0:
            self._left.append(math.sqrt(max(0.0, 1 - self._removed / total)))
        if self.settings.record:
            save(self.settings.record, self._residual.array_r, change.array_r, pc.getOperators()[1])

    def _report(self, network: Network) -> str:
        of = "error in the energy norm" if self._definite else "residual"
        left = f"; left {100 * sum(self._left) / len(self._left):.3g} % of the {of} on average" if self._left else ""
        return f"{network.counts}{left}"
