"""What the preconditioners share: their settings, another preconditioner inside, and a network."""

from abc import ABC, abstractmethod
from typing import Any

from petsc4py import PETSc

from genmech_petsc.network import Network
from genmech_petsc.options import Options, Settings


class WrappedPC[S: Settings](ABC):
    """A preconditioner with the prefix p around another one, with the prefix p + ``onnx_``."""

    def __init__(self, kind: type[S]) -> None:
        self._kind = kind
        self._options: Options[S] | None = None
        self._inner: Any = None
        self._network: Network | None = None

    @property
    def settings(self) -> S:
        """What the options say.

        Raises:
            ValueError: They are wrong, or have not been read.
        """
        if self._options is None:
            raise ValueError(f"{type(self).__name__}: call setFromOptions first")
        return self._options.settings

    @abstractmethod
    def preSolve(self, pc: PETSc.PC, ksp: PETSc.KSP, b: PETSc.Vec, x: PETSc.Vec) -> None:  # noqa: N802
        """Check the Krylov method, and prepare the solve."""

    @abstractmethod
    def postSolve(self, pc: PETSc.PC, ksp: PETSc.KSP, b: PETSc.Vec, x: PETSc.Vec) -> None:  # noqa: N802
        """Check or note what came of it."""

    @abstractmethod
    def apply(self, pc: PETSc.PC, r: PETSc.Vec, z: PETSc.Vec) -> None:
        """Set z to the preconditioned r."""

    def setFromOptions(self, pc: PETSc.PC) -> None:  # noqa: N802
        """Read all options; those of the inner preconditioner as soon as there is a matrix."""
        prefix, (matrix, source) = pc.getOptionsPrefix() or "", pc.getOperators()
        self._options = Options(self._kind, f"{prefix}pc_onnx_")
        if source.getType():
            self._inner = self._inner or PETSc.PC().create(pc.comm)
            self._inner.setOptionsPrefix(f"{prefix}onnx_")
            self._inner.setOperators(matrix, source)
            self._inner.setFromOptions()

    def setUp(self, pc: PETSc.PC) -> None:
        """Take over a matrix, or its new values."""
        if self._inner is None:
            self.setFromOptions(pc)
        matrix, source = pc.getOperators()
        if self._network is None and self.settings.file:
            self._network = Network(self.settings.file, source, threads=self.settings.threads)
        self._inner.setOperators(matrix, source)
        self._inner.setUp()

    def view(self, pc: PETSc.PC, viewer: PETSc.Viewer) -> None:  # noqa: ARG002
        """Say what came of the network."""
        if self._network is not None:
            viewer.printfASCII(f"    {self.settings.file}: {self._report(self._network)}\n")
        if self._inner is not None:
            viewer.pushASCIITab()
            self._inner.view(viewer)
            viewer.popASCIITab()

    def _report(self, network: Network) -> str:
        return str(network.counts)

    def destroy(self, pc: PETSc.PC) -> None:  # noqa: ARG002
        """Free the inner preconditioner."""
        if self._inner is not None:
            self._inner.destroy()
