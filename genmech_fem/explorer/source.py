"""Where the explorer gets its networks, cells and solvers from."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from genmech_fem.adapters import ConformingHomogenization
from genmech_fem.forward import ForwardModel

ENTRIES = ("C11", "C12", "C16", "C22", "C26", "C66")


class CellSource(Protocol):
    """A run with a generator of cells, a surrogate and a solver, which is only read."""

    @property
    def folder(self) -> Path:
        """Where it lies; the explorer writes into its folder ``explorer`` alone."""

    @property
    def flow(self) -> ForwardModel:
        """From ``noise`` and ``stiffness`` [GPa] to ``phase``."""

    @property
    def surrogate(self) -> ForwardModel:
        """From ``phase`` to ``stiffness`` [GPa], and perhaps ``strain``."""

    def file(self, name: str) -> Path:
        """The ONNX file of ``generator`` or ``surrogate``."""

    def solver(self, refine: int) -> ConformingHomogenization:
        """The solver on meshes of `refine` cells a pixel."""

    def training(self) -> dict[str, np.ndarray]:
        """``phase`` (cells, nx, ny) and ``stiffness`` (cells, 6) [GPa] that the networks were trained on."""

    def check(self, target: Sequence[float]) -> tuple[float, float]:
        """The volume fractions at which no bound forbids a stiffness (6,) [GPa]; raises ContractError if all do."""
