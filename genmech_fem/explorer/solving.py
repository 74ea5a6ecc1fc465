"""One solve in the process of the solver, and what comes out of it."""

import signal
import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from genmech_fem.adapters import ConformingHomogenization
from genmech_fem.explorer.cells import Cell
from genmech_fem.fields import Arrays
from genmech_fem.geometry import Mesh, mesh_of

type Answer = tuple[dict[str, np.ndarray], float]


@dataclass(frozen=True, eq=False)
class Solved:
    """A cell with what the solver says of it.

    Args:
        cell: The cell.
        refine: Mesh cells a pixel.
        answers: The solver's arrays, a batch of one.
        seconds: How long that took [s].
    """

    cell: Cell
    refine: int
    answers: Arrays
    seconds: float

    @cached_property
    def mesh(self) -> Mesh:
        """The conforming mesh."""
        return mesh_of(self.answers)

    @property
    def stiffness(self) -> np.ndarray:
        """Verified C* (6,) [GPa]."""
        return np.asarray(self.answers["stiffness"][0])


def solve(solver: ConformingHomogenization, phase: np.ndarray) -> Answer:
    """Mesh and solve one phase field (nx, ny); the arrays, a batch of one, and the time [s]."""
    began = time.perf_counter()
    return solver({"phase": phase[None]}), time.perf_counter() - began


def begin() -> None:
    """Leave Ctrl-C to the parent, and the signal that ends this process to the system, not to PETSc."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
