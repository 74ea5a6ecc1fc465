"""An iteration of topology optimisation against the 88-line code and pyMOTO, on the half MBB beam.

SIMP with optimality criteria at volume 0.5. All times are CPU seconds of one thread; the medians leave out what is
compiled and allocated once.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from peers import environment

from genmech_fem.adapters import mbb_beam
from genmech_fem.design import Densities, DensityFilter, SensitivityFilter, topology_optimization
from genmech_fem.fields import Grid

type Row = dict[str, Any]

SIZES = ((60, 20, 20), (120, 40, 20), (240, 80, 10))
"""Cells along the beam and over its height, and iterations."""
QUICK = ((60, 20, 6), (120, 40, 4))
RADIUS = 0.04
"""Radius of the filter over the length of the beam."""
FILTERS = {"sensitivity": SensitivityFilter, "density": DensityFilter}
SCRIPT = Path(__file__).parent / "peers" / "simp_88_lines.py"


def rows(nx: int, ny: int, iterations: int) -> Iterator[Row]:
    """Times of an iteration, and the compliance after the last one beside ours.

    pyMOTO's optimality criteria keep the mean of the variables, not that of the densities, so its compliance is not
    quite that of the others.
    """
    for kind in FILTERS:
        task = f"SIMP {nx}x{ny} {kind} filter"
        own = ours(nx, ny, kind, iterations)
        yield from _of(task, "genmech_fem", own, own)
        yield from _of(task, "88-line code with SciPy", lines_88(nx, ny, kind, iterations), own)
        if kind == "density":
            try:
                found = environment.run("pymoto", "simp_pymoto.py", _task(nx, ny, iterations), limit=200)
                yield from _of(task, f"pyMOTO with {found['solver']}", found, own)
            except environment.PeerError as error:
                yield {"what": f"{task}, pyMOTO: not measured", "seed": None, "value": 1, "how": str(error)}


def ours(nx: int, ny: int, kind: str, iterations: int) -> dict[str, Any]:
    """Compliance and CPU time [ms] of each iteration."""
    grid = Grid((nx, ny), (0.0, 0.0), (nx, ny))
    densities, clock = Densities(FILTERS[kind](grid, RADIUS * nx)), [time.process_time()]
    found = topology_optimization(
        mbb_beam(nx, ny),
        densities,
        0.5,
        iterations=iterations,
        progress=lambda _: clock.append(time.process_time()),
    )
    return {"compliance": found.history, "cpu_ms": [1e3 * (b - a) for a, b in pairwise(clock)]}


def lines_88(nx: int, ny: int, kind: str, iterations: int) -> dict[str, Any]:
    """The same of the 88-line code."""
    command = [sys.executable, str(SCRIPT), *map(str, (nx, ny, RADIUS * nx)), kind, str(iterations)]
    variables = os.environ | environment.THREADS
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def _task(nx: int, ny: int, iterations: int) -> dict[str, np.ndarray]:
    numbers = {"shape": (nx, ny), "radius": RADIUS * nx, "iterations": iterations}
    return {name: np.array(value) for name, value in numbers.items()}


def _of(task: str, method: str, found: dict[str, Any], own: dict[str, Any]) -> Iterator[Row]:
    spent, reference = (median(result["cpu_ms"][1:]) for result in (found, own))
    n = min(len(result["compliance"]) for result in (found, own))
    measures = {"CPU time of an iteration [ms]": spent}
    if found is not own:
        measures["CPU time over that of genmech_fem"] = spent / reference
        difference = found["compliance"][n - 1] / own["compliance"][n - 1] - 1
        measures[f"compliance over that of genmech_fem after {n} iterations, less 1"] = difference
    for measure, value in measures.items():
        yield {"what": f"{task}, {method}: {measure}", "seed": None, "value": value}


def figures(found: list[Row]) -> dict[str, float]:
    """The speed-up at 120x40, with the filter that makes it smaller."""
    start, end = "SIMP 120x40 ", "88-line code with SciPy: CPU time over that of genmech_fem"
    ratios = [row["value"] for row in found if row["what"].startswith(start) and row["what"].endswith(end)]
    return {"simp_speedup_88line_120x40": min(ratios)}
