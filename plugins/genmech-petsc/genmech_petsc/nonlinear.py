"""An initial guess for nonlinear solves."""

from typing import Any

import numpy as np
from petsc4py import PETSc

from genmech_petsc.network import Network
from genmech_petsc.options import GuessSettings, Options
from genmech_petsc.snapshots import save


class OnnxSNES:
    """``-snes_type python -snes_python_type genmech_petsc.OnnxSNES -snes_onnx_file FILE -onnx_snes_type newtonls``.

    The network is asked for the change of the given start. Where that lowers the norm of the residual the inner solver
    starts from there, else from what was given; if it fails from the network's start, it starts again from what was
    given. It takes the functions, the linear solver and the tolerances of the outer one, a relative one being of the
    residual of the given start; its other options have the prefix ``onnx_``.

    With ``-snes_onnx_record FOLDER`` every converged solve is written there, for `training`; it needs no file then.
    """

    def __init__(self) -> None:
        self._options: Options[GuessSettings] | None = None
        self._inner: Any = None
        self._outer: Any = None  # only during a solve: nothing may keep it alive
        self._network: Network | None = None
        self._restarts = 0

    def setFromOptions(self, snes: PETSc.SNES) -> None:  # noqa: N802
        """Read all options, also those of the inner solver."""
        prefix = snes.getOptionsPrefix() or ""
        self._options = Options(GuessSettings, f"{prefix}snes_onnx_")
        self._inner = self._inner or PETSc.SNES().create(snes.comm)
        self._inner.setOptionsPrefix(f"{prefix}onnx_")
        self._inner.setKSP(snes.getKSP())
        self._inner.setTolerances(*snes.getTolerances())
        self._inner.setFromOptions()
        self._tolerances = self._inner.getTolerances()

    def setUp(self, snes: PETSc.SNES) -> None:
        """Read the options, if the program has not."""
        if self._inner is None:
            self.setFromOptions(snes)

    def solve(self, snes: PETSc.SNES, b: PETSc.Vec | None, x: PETSc.Vec) -> None:  # noqa: ARG002
        """Solve from the better start."""
        file, start, residual, steps = self.settings.file, x.copy(), x.duplicate(), 0
        if self._network is None and file:  # the pattern of the matrix is known once it is assembled
            self._network = Network(file, _jacobian(snes, x), threads=self.settings.threads, count=1)
        snes.computeFunction(x, residual)
        moved = self._network is not None and self._move(self._network, snes, x, residual)
        if not (moved and self._converges(snes, x, residual.norm())):
            if moved:
                self._restarts, steps = self._restarts + 1, self._inner.getIterationNumber()
                start.copy(x)
            self._run(snes, x, 0.0)
        snes.setConvergedReason(self._inner.getConvergedReason())
        snes.setIterationNumber(steps + self._inner.getIterationNumber())
        snes.setFunctionNorm(self._inner.getFunctionNorm())
        if self.settings.record and snes.is_converged:
            save(self.settings.record, -residual.array_r, (x - start).array_r, _jacobian(snes, start))

    @property
    def settings(self) -> GuessSettings:
        """What the options say.

        Raises:
            ValueError: They are wrong, or have not been read.
        """
        if self._options is None:
            raise ValueError("OnnxSNES: call setFromOptions first")
        return self._options.settings

    def _move(self, network: Network, snes: PETSc.SNES, x: PETSc.Vec, residual: PETSc.Vec) -> bool:
        """Move the start if it is the better for it."""
        source = _jacobian(snes, x) if network.needs_diagonal else None
        found = network.directions(-residual, source)
        better = found is not None and _lowers(snes, x, residual, found[0])
        network.counts.add(useful=better)
        if found is not None and better:
            x.array_w[:] += found[0]
        return better

    def _converges(self, snes: PETSc.SNES, x: PETSc.Vec, norm: float) -> bool:
        """Solve from the network's start, to the tolerance of the given one, whose residual had this norm."""
        try:
            self._run(snes, x, self._tolerances[0] * norm)
        except PETSc.Error:  # where the program asks for errors
            return False
        return bool(self._inner.is_converged)

    def _run(self, snes: PETSc.SNES, x: PETSc.Vec, least: float) -> None:
        rtol, atol, stol, steps = self._tolerances
        self._inner.setTolerances(rtol, max(atol, least), stol, steps)
        self._inner.setFunction(lambda _, u, f: self._outer.computeFunction(u, f), x.duplicate())
        self._inner.setJacobian(lambda _, u, J, P: self._outer.computeJacobian(u, J, P), *snes.getJacobian()[:2])
        self._outer = snes
        try:
            self._inner.solve(None, x)
        finally:
            self._outer = None

    def view(self, snes: PETSc.SNES, viewer: PETSc.Viewer) -> None:  # noqa: ARG002
        """Say what came of the network."""
        if self._network is not None:
            counts = f"{self._network.counts}, solved again without {self._restarts} times"
            viewer.printfASCII(f"    {self.settings.file}: {counts}\n")
        if self._inner is not None:
            viewer.pushASCIITab()
            self._inner.view(viewer)
            viewer.popASCIITab()

    def destroy(self, snes: PETSc.SNES) -> None:  # noqa: ARG002
        """Free the inner solver."""
        if self._inner is not None:
            self._inner.destroy()


def _jacobian(snes: PETSc.SNES, x: PETSc.Vec) -> PETSc.Mat:
    """The matrix of the preconditioner at x."""
    matrix, source, _ = snes.getJacobian()
    snes.computeJacobian(x, matrix, source)
    return source


def _lowers(snes: PETSc.SNES, x: PETSc.Vec, residual: PETSc.Vec, change: np.ndarray) -> bool:
    """Whether a change of x lowers the residual; not where that is NaN or cannot be computed."""
    state, moved = x.copy(), x.duplicate()
    state.array_w[:] += change
    try:
        snes.computeFunction(state, moved)
    except PETSc.Error:
        return False
    return bool(moved.norm() < residual.norm())
