"""What tells one numbering of unknowns from another."""

import hashlib

import numpy as np
from petsc4py import PETSc

from genmech_fem.errors import ContractError


def layout(matrix: PETSc.Mat) -> str:
    """Short sha256 of the pattern of an AIJ matrix, which holds mesh, element and numbering; of others empty."""
    if "aij" not in matrix.getType():
        return ""
    rows, columns = (np.asarray(part, dtype=np.int64) for part in matrix.getRowIJ())
    return hashlib.sha256(rows.tobytes() + columns.tobytes()).hexdigest()[:16]


def check_one_process(comm: PETSc.Comm) -> None:
    """Raise ContractError on several processes, where the numbering depends on the partition."""
    if comm.size > 1:
        raise ContractError(
            f"networks of unknowns work on one process, got {comm.size}: the numbering depends on the partition; "
            "run on one process, or solve on MPI.COMM_SELF"
        )


def diagonal(matrix: PETSc.Mat) -> np.ndarray:
    """The diagonal (n,)."""
    return matrix.getDiagonal().array_r.copy()
