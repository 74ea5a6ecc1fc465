"""A cell as the networks see it, and what speaks for and against it before it is solved."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genmech_fem.design.novelty import Novelty
from genmech_fem.errors import ContractError
from genmech_fem.explorer.source import CellSource
from genmech_fem.fields import Arrays
from genmech_fem.forward import ForwardModel
from genmech_fem.microstructure import volume_fraction

FAR = 2.0  # distances between neighbouring training cells at which a cell is called far from all of them
SLACK = 0.02  # of the volume fraction, by which pixels and mesh may differ from each other


@dataclass(frozen=True, eq=False)
class Cell:
    """A cell with what the surrogate says of it.

    Args:
        name: How it is called.
        phase: Its phase field (nx, ny).
        predicted: The surrogate's answers, without a batch axis.
    """

    name: str
    phase: np.ndarray
    predicted: Arrays

    @property
    def key(self) -> str:
        """A name that no other cell has."""
        return hashlib.sha256(np.ascontiguousarray(self.phase).tobytes()).hexdigest()[:10]

    @property
    def volume_fraction(self) -> float:
        """Share of phase 1."""
        return float(volume_fraction(self.phase[None])[0])


def seen_by(surrogate: ForwardModel, names: Sequence[str], phases: np.ndarray) -> list[Cell]:
    """The cells (cells, nx, ny) with what a surrogate says of them."""
    answers = surrogate({"phase": phases})
    return [
        Cell(name, phase, {key: array[i] for key, array in answers.items()})
        for i, (name, phase) in enumerate(zip(names, phases, strict=True))
    ]


@dataclass(frozen=True)
class Remark:
    """One thing that speaks for or against a cell."""

    text: str
    good: bool


class Judge:
    """Says of cells that have not been solved what can be known.

    Args:
        source: Knows the bounds of two phases.
        training: What the networks were trained on.
    """

    def __init__(self, source: CellSource, training: Arrays) -> None:
        self._source = source
        self._novelty = Novelty(training["phase"], name="phase")

    def __call__(self, cell: Cell) -> list[Remark]:
        """Remarks on the predicted stiffness and on the distance to the training cells."""
        return [self._bounds(cell), self._distance(cell)]

    def _bounds(self, cell: Cell) -> Remark:
        share = cell.volume_fraction
        try:
            least, most = self._source.check(cell.predicted["stiffness"].tolist())
        except ContractError as error:
            return Remark(f"no cell has the predicted C*: {error}", good=False)
        inside = least - SLACK <= share <= most + SLACK
        return Remark(f"bounds allow the predicted C* at f = {least:.2f} to {most:.2f}; f = {share:.2f} here", inside)

    def _distance(self, cell: Cell) -> Remark:
        far = float(self._novelty.measure({"phase": cell.phase[None]})[0])
        return Remark(f"novelty {far:.2f} (training cells are 1 apart; up to {FAR:g} counts as known)", far <= FAR)
