"""The solvers of this package against others of the same structures and cells: CPU time and answers.

All times are CPU seconds of this process; the medians leave out what is allocated and compiled once.
"""

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from genmech_fem.design import Densities, DensityFilter, topology_optimization
from genmech_fem.fields import Grid
from genmech_fem.forward import ForwardModel
from genmech_fem.microstructure import PeriodicFibres
from genmech_skfem.beams import mbb_beam
from genmech_skfem.homogenization import pixel_stiffness

type Row = dict[str, Any]

_RADIUS = 0.04  # of the filter, over the length of the beam


def rows(nx: int, ny: int, iterations: int, reference: Callable[[int, int], ForwardModel]) -> Iterator[Row]:
    """An iteration of topology optimisation, and the compliances of the whole history.

    Args:
        nx: Cells along the half MBB beam.
        ny: Cells over its height.
        iterations: Iterations, at least two.
        reference: Makes the same beam with DOLFINx, ``genmech_fem.adapters.mbb_beam``.
    """
    grid = Grid((nx, ny), (0.0, 0.0), (nx, ny))
    found = [_optimised(build(nx, ny), grid, iterations) for build in (mbb_beam, reference)]
    yield from _compared(f"SIMP {nx}x{ny}", "CPU time of an iteration [ms]", *found)


def cell_rows(resolution: int, samples: int, reference: Callable[[int], ForwardModel]) -> Iterator[Row]:
    """The stiffness of one cell of a campaign, and the answers for all of them.

    Args:
        resolution: Pixels along each side of the cell.
        samples: Cells of fibres, at least two.
        reference: Makes the same solver with DOLFINx, ``genmech_fem.adapters.pixel_stiffness``.
    """
    draw = PeriodicFibres(resolution)
    cells = [draw(np.random.default_rng([0, i])) for i in range(samples)]
    found = []
    for build in (pixel_stiffness, reference):
        model, clock = build(resolution), [time.process_time()]
        answers = []
        for cell in cells:
            answers.append(model(cell)["stiffness"])
            clock.append(time.process_time())
        found.append((np.concatenate(answers), clock))
    yield from _compared(f"stiffness {resolution}x{resolution}", "CPU time of a cell [ms]", *found)


type Found = tuple[np.ndarray, list[float]]


def _optimised(model: ForwardModel, grid: Grid, iterations: int) -> Found:
    """Compliances (iterations, 1), and the times at which iterations ended [s]."""
    clock = [time.process_time()]
    densities = Densities(DensityFilter(grid, _RADIUS * grid.shape[0]))
    found = topology_optimization(
        model, densities, 0.5, iterations=iterations, progress=lambda _: clock.append(time.process_time())
    )
    return np.array(found.history)[:, None], clock


def _compared(task: str, measure: str, own: Found, reference: Found) -> Iterator[Row]:
    spent = [1e3 * median(b - a for a, b in list(pairwise(clock))[1:]) for _, clock in (own, reference)]
    difference = np.linalg.norm(own[0] - reference[0], axis=1) / np.linalg.norm(reference[0], axis=1)
    for method, what, value in (
        ("DOLFINx", measure, spent[1]),
        ("scikit-fem", measure, spent[0]),
        ("scikit-fem", "CPU time over that of DOLFINx", spent[0] / spent[1]),
        ("scikit-fem", "largest relative difference from DOLFINx", difference.max()),
    ):
        yield {"what": f"{task}, {method}: {what}", "seed": None, "value": float(value)}
