"""Solves of any PETSc program, recorded for training."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from petsc4py import PETSc

from genmech_fem.errors import DatasetError
from genmech_petsc.layout import diagonal, layout


@dataclass(frozen=True)
class Snapshots:
    """Right-hand sides, diagonals of the matrices, and what solved the systems.

    Attributes:
        residual: Residuals of the starts (samples, n).
        diagonal: Diagonals of the matrices (samples, n).
        directions: Solutions, less the starts (samples, k, n); k is 1 where they are recorded.
        layout: Of the matrix; see `layout.layout`.
    """

    residual: np.ndarray
    diagonal: np.ndarray
    directions: np.ndarray
    layout: str = ""


def save(folder: Path | str, residual: np.ndarray, change: np.ndarray, matrix: PETSc.Mat) -> None:
    """Add one solve to a folder, as a file of its own.

    Args:
        folder: Is made if need be.
        residual: Of the start (n,).
        change: Solution, less the start (n,).
        matrix: Of the system, or the Jacobian at the start.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    count = sum(1 for _ in folder.glob("*.npz"))
    file = folder / f"{count:06d}.npz"
    np.savez(file, residual=residual, diagonal=diagonal(matrix), change=change, layout=np.array(layout(matrix)))


def load(folder: Path | str) -> Snapshots:
    """All solves of a folder, in their order.

    Raises:
        DatasetError: There are none, or they are of different meshes.
    """
    found = [dict(np.load(file, allow_pickle=False)) for file in sorted(Path(folder).glob("*.npz"))]
    layouts = {str(one["layout"]) for one in found}
    if len(layouts) != 1:
        raise DatasetError(f"{folder}: expected recorded solves of one mesh, got {len(found)} of {len(layouts)} meshes")
    residual, diagonal, change = (np.stack([one[name] for one in found]) for name in ("residual", "diagonal", "change"))
    return Snapshots(residual, diagonal, change[:, None], layouts.pop())
