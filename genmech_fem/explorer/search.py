"""Candidates for a wanted stiffness, made and ranked in the background."""

import threading

import numpy as np

from genmech_fem.design import TensorTarget
from genmech_fem.errors import GenmechError
from genmech_fem.explorer.cells import Cell, seen_by
from genmech_fem.explorer.source import CellSource
from genmech_fem.microstructure import sharpen

BATCH = 8


class Search(threading.Thread):
    """A thread that draws cells for a target, some at a time; the same ones as ``genmech design cell`` with the seed.

    Args:
        source: Networks.
        target: Wanted C* (6,) [GPa].
        count: Cells to draw.
        seed: Of the noise.

    Attributes:
        done: Cells drawn so far.
        failure: What went wrong, or nothing.
    """

    def __init__(self, source: CellSource, target: np.ndarray, count: int, seed: int = 0) -> None:
        if count < 1 or seed < 0:
            raise ValueError(f"expected a number of candidates >= 1 and a seed >= 0, got {count} and {seed}")
        super().__init__(name="candidates", daemon=True)
        self.target, self.count, self.done, self.failure = target, count, 0, ""
        self._source, self._objective = source, TensorTarget(target)
        self._generator = np.random.default_rng(seed)
        self._found: tuple[tuple[float, Cell], ...] = ()
        self._stopped = threading.Event()

    def run(self) -> None:
        """Draw until there are enough, or `stop` is called."""
        try:
            while self.done < self.count and not self._stopped.is_set():
                self._draw(min(BATCH, self.count - self.done))
        except GenmechError as error:
            self.failure = str(error)

    def stop(self) -> None:
        """End after the cells at hand."""
        self._stopped.set()

    @property
    def ranked(self) -> tuple[tuple[float, Cell], ...]:
        """Predicted relative errors with their cells, the best first."""
        return self._found

    def _draw(self, size: int) -> None:
        shape = self._source.flow.inputs[0].shape
        noise = self._generator.standard_normal((size, *shape))
        wanted = {"noise": noise, "stiffness": np.repeat(self.target[None], size, axis=0)}
        phases = sharpen(self._source.flow(wanted)["phase"])
        names = [f"candidate {self.done + i}" for i in range(size)]
        made = seen_by(self._source.surrogate, names, phases)
        errors = self._objective.error({"stiffness": np.stack([cell.predicted["stiffness"] for cell in made])})
        pairs = [*self._found, *zip(errors.tolist(), made, strict=True)]
        self._found = tuple(sorted(pairs, key=lambda pair: pair[0]))
        self.done += size
