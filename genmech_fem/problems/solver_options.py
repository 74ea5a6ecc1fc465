"""Settings of the solvers, and presets of PETSc's options for each class and size of problem."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from mpi4py import MPI

from genmech_fem.problems.newton import Newton
from genmech_fem.problems.petsc import PETSc

DIRECT_3D = 10_000
"""Unknowns up to which 3D systems are factorised; beyond, multigrid is faster and needs less memory."""

SMALL_2D = 100_000
"""Unknowns up to which 2D systems are ordered by approximate minimum fill: half the analysis of nested dissection."""
_MINIMUM_FILL = 2


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


def positive_definite(options: SolverOptions | None) -> SolverOptions:
    """The options, or the default ones, for a problem whose Jacobian is symmetric and positive definite."""
    return replace(options or SolverOptions(), symmetric=True, definite=True)


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
