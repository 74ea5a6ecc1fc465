"""What a click does, without a page."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from genmech_fem.explorer.atlas import MAPS, Atlas, properties
from genmech_fem.explorer.cells import Cell, Judge, Remark, seen_by
from genmech_fem.explorer.comparison import Comparison
from genmech_fem.explorer.export import write_cell
from genmech_fem.explorer.latent import Encoder, slerp
from genmech_fem.explorer.search import Search
from genmech_fem.explorer.source import ENTRIES, CellSource
from genmech_fem.explorer.verification import Progress, Verifier
from genmech_fem.metrics import isotropic_stiffness, upper_triangle
from genmech_fem.microstructure import sharpen

FOLDER = "explorer"


class Explorer:
    """Walks through the latent space of a run, searches for a wanted stiffness, and verifies cells. A context manager.

    Args:
        source: The run.
        target: Wanted C* (6,) [GPa] to begin with, by default that of the middle training cell.

    Attributes:
        target: Wanted C* (6,) [GPa].
        search: The last search, None before the first.

    Raises:
        ContractError: A file of the run is damaged.
        DatasetError: Its data set is.
    """

    def __init__(self, source: CellSource, *, target: Sequence[float] | None = None) -> None:
        self.source, self.training = source, source.training()
        self._encoder = Encoder.open(source.file("generator"))
        self._judge = Judge(source, self.training)
        order = np.argsort(self.training["stiffness"][:, [0, 3, 5]].sum(axis=1))
        self.ends = int(order[0]), int(order[-1])
        middle = self.training["stiffness"][order[len(order) // 2]]
        self.target = np.asarray(middle if target is None else target, dtype=float)
        self.search: Search | None = None
        self._verifier = Verifier(source.solver, self.training["phase"][order[len(order) // 2]])
        self._wanted = self.target
        self._found: Comparison | None = None
        self._noises: dict[int, np.ndarray] = {}

    def __enter__(self) -> "Explorer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop all that runs in the background."""
        self.stop()
        self._verifier.close()

    @cached_property
    def atlases(self) -> dict[str, Atlas]:
        """The maps of the training cells, by name."""
        arrays = self.training["phase"], self.training["stiffness"]
        return {name: Atlas(features, *arrays) for name, features in MAPS.items()}

    @cached_property
    def properties(self) -> dict[str, np.ndarray]:
        """What the training cells may be coloured by (cells,)."""
        return properties(self.training["phase"], self.training["stiffness"])

    def remarks(self, cell: Cell) -> list[Remark]:
        """What speaks for and against a cell before it is solved."""
        return self._judge(cell)

    def walk(self, first: int, second: int, share: float, asked: float | None = None) -> Cell:
        """The cell between two training cells.

        Args:
            first: Number of one.
            second: Number of the other.
            share: Share of the way between their noises, from 0 to 1.
            asked: Share of the way between their stiffnesses, by default the same.

        Raises:
            ValueError: There is no such cell, or a share is not from 0 to 1.
        """
        asked, count = share if asked is None else asked, len(self.training["phase"])
        if not (0 <= first < count and 0 <= second < count and 0 <= share <= 1 and 0 <= asked <= 1):
            raise ValueError(
                f"walk: expected cells from 0 to {count - 1} and shares from 0 to 1, got {first}, {second}, {share}, "
                f"{asked}"
            )
        noise = slerp(self._noise(first), self._noise(second), share)
        ends = self.training["stiffness"][[first, second]]
        wanted = (1 - asked) * ends[0] + asked * ends[1]
        phases = sharpen(self.source.flow({"noise": noise[None], "stiffness": wanted[None]})["phase"])
        return seen_by(self.source.surrogate, [f"{share:.2f} of the way from cell {first} to cell {second}"], phases)[0]

    def ask(self, target: Sequence[float]) -> tuple[float, float]:
        """Want another stiffness (6,) [GPa]; the volume fractions that the bounds leave to it.

        Raises:
            ContractError: There are none; the old target is kept.
            ValueError: These are not six finite numbers.
        """
        wanted = np.asarray(target, dtype=float)
        if wanted.shape != (len(ENTRIES),) or not np.isfinite(wanted).all():
            raise ValueError(f"expected six finite numbers {' '.join(ENTRIES)} [GPa], got {list(target)}")
        fractions = self.source.check(wanted.tolist())
        self.target = wanted
        return fractions

    def generate(self, count: int, seed: int = 0) -> None:
        """Begin to draw candidates for the target.

        Raises:
            ValueError: `count` is below 1, or `seed` below 0.
        """
        self.stop()
        self.search = Search(self.source, self.target, count, seed)
        self.search.start()

    def stop(self) -> None:
        """End the search after the cells at hand."""
        if self.search is not None:
            self.search.stop()

    def verify(self, cell: Cell, refine: int = 2) -> None:
        """Begin to mesh and solve a cell, with `refine` mesh cells a pixel.

        Raises:
            ContractError: Another cell is being solved.
            ValueError: There is no such refinement.
        """
        _ = self.comparison  # that of the cell before is kept
        self._verifier.start(cell, refine)
        self._wanted = self.target

    def cancel(self) -> None:
        """Stop the solve."""
        self._verifier.cancel()

    @property
    def progress(self) -> Progress:
        """How far the solve is."""
        return self._verifier.progress()

    @property
    def comparison(self) -> Comparison | None:
        """The last cell that was verified, None where there is none."""
        solved = self._verifier.result()
        if solved is not None and (self._found is None or self._found.solved is not solved):
            self._found = Comparison(solved, self._wanted)
        return self._found

    def export(self) -> list[Path]:
        """Write the verified cell: its mesh for Gmsh and XDMF readers, with local fields for ParaView, and figures.

        Raises:
            ValueError: No cell is verified.
            OSError: The files cannot be written.
        """
        found = self.comparison
        if found is None:
            raise ValueError("export: expected a verified cell, there is none: mesh and verify one first")
        return write_cell(self.source.folder / FOLDER, self.source.solver(found.solved.refine), found)

    @staticmethod
    def isotropic(youngs_modulus: float, poisson_ratio: float) -> list[float]:
        """C* (6,) [GPa] of an isotropic cell in plane strain.

        Raises:
            ValueError: The modulus is not positive, or the ratio not in (-1, 0.5).
        """
        return list(upper_triangle(isotropic_stiffness(youngs_modulus, poisson_ratio)).tolist())

    def _noise(self, number: int) -> np.ndarray:
        """The noise (*grid) that a training cell is made of."""
        if number not in self._noises:
            pair = {name: self.training[name][[number]] for name in ("phase", "stiffness")}
            self._noises[number] = self._encoder(pair)[0]
        return self._noises[number]
