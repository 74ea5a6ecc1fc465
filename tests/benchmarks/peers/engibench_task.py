"""EngiBench's Beams2D (Felten et al. 2025, doi:10.48550/arXiv.2508.00831): judges designs, or makes them.

Reads shape (2,), conditions (n, 3) of volume fraction, filter radius [cells] and place of the force on the upper side
over its length, and for the first task densities (n, nx, ny); axis 0 is x and axis 1 is up.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from engibench.problems.beams2d import Beams2D

# the number of the loaded degree of freedom is cut off to an integer, and 0.29 * 100 is below 29
ROUNDING = 1e-9


def image(density):
    """Its images have the upper row first."""
    return np.ascontiguousarray(density[:, ::-1].T)


def main(task):
    """Compliances; without densities those of its own optimiser, with all that they cost."""
    nx, ny = (int(n) for n in task["shape"])
    problem = Beams2D(config={"nelx": nx, "nely": ny})
    settings = [
        {"volfrac": float(fraction), "rmin": float(radius), "forcedist": float(place) + ROUNDING}
        for fraction, radius, place in task["conditions"]
    ]

    def judged(design, condition):
        problem.reset(0)
        return float(problem.simulate(design, condition)[0])

    if "densities" in task:
        return {"compliance": [judged(image(d), c) for d, c in zip(task["densities"], settings, strict=True)]}
    found = {"densities": [], "compliance": [], "cpu_ms": [], "solves": []}
    for condition in settings:
        problem.reset(0)
        began = time.process_time()
        design, steps = problem.optimize(config=condition)
        found["cpu_ms"].append(1e3 * (time.process_time() - began))
        found["solves"].append(len(steps))
        found["compliance"].append(judged(design, condition))
        found["densities"].append(design.T[:, ::-1].tolist())
    return found


if __name__ == "__main__":
    with np.load(sys.argv[1]) as given:
        Path(sys.argv[2]).write_text(json.dumps(main(given)))
