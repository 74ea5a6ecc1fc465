"""ONNX preconditioners and initial guesses as PETSc Python types, by options only.

PETSc imports the types by their names, as in ``-pc_type python -pc_python_type genmech_petsc.OnnxPC``. What they
read comes of `genmech_petsc.snapshots`, `genmech_petsc.networks` and `genmech_petsc.training`.
"""

import contextlib

with contextlib.suppress(ImportError):  # where petsc4py is that of this wheel, the wheel has to come first
    import dolfinx_solver  # noqa: F401

from genmech_petsc.guess import OnnxGuess
from genmech_petsc.nonlinear import OnnxSNES
from genmech_petsc.preconditioner import OnnxPC

__all__ = ["OnnxGuess", "OnnxPC", "OnnxSNES"]
