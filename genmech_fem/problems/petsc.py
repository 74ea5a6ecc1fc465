"""PETSc, or None where petsc4py is not installed."""

try:
    from petsc4py import PETSc
except ImportError:
    PETSc = None

__all__ = ["PETSc"]
