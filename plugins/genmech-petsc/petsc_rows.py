"""When networks help PETSc's solvers, and when not: the rows of this plugin for the benchmark of all plugins.

``python petsc_rows.py`` prints the table of seed 0 at full size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import petsc_beam
import petsc_cube
import petsc_source
from petsc_timing import Row

TASKS = tuple(
    name
    for task in (petsc_cube.TASK, petsc_source.TASK, petsc_beam.TASK)
    for name in (task, f"{task} out of distribution")
)


@dataclass(frozen=True)
class Sizes:
    """Cells, labels, steps of training and tests of each task."""

    cube: tuple[int, int, int, int] = (12, 40, 250, 5)
    source: tuple[int, int, int, int] = (128, 80, 1500, 12)
    beam: tuple[int, int, int, int] = (8, 80, 1500, 15)
    seeds: tuple[int, ...] = (0, 1, 2)


QUICK = Sizes((4, 10, 4, 2), (16, 40, 50, 3), (2, 20, 50, 3), (0,))


def rows(seed: int, sizes: Sizes) -> Iterator[Row]:
    """Rows of all tasks."""
    parts = (
        (petsc_cube.cube_rows, ("n", "count", "steps", "tests"), sizes.cube),
        (petsc_source.source_rows, ("n", "count", "steps", "tests"), sizes.source),
        (petsc_beam.beam_rows, ("cells", "count", "steps", "tests"), sizes.beam),
    )
    for function, names, numbers in parts:
        with TemporaryDirectory() as folder:
            yield from function(seed, Path(folder), **dict(zip(names, numbers, strict=True)))


if __name__ == "__main__":
    for row in rows(0, Sizes()):
        print(f"{row['what']}: {row['value']:.3g}")
