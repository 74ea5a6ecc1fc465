"""Inverse homogenisation by gradients: a pixel cell whose stiffness is a wanted one.

The loop differentiates through the DOLFINx solve (discrete adjoint); the target is that of
a real cell with a stiff block, so it can be reached. Run it with
python examples/inverse_homogenization.py
"""

from pathlib import Path

from genmech_fem.adapters import pixel_homogenization
from genmech_fem.design import LBFGS, DesignResult, TensorTarget, minimize
from genmech_fem.metrics import symmetric_matrix
from genmech_fem.plotting import to_png

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure


def picture(cells: dict[str, np.ndarray], found: DesignResult) -> Figure:
    """Cells (nx, ny), nine times each as they are periodic, and how the loop came to the last one."""
    figure = Figure(figsize=(12.0, 3.0), layout="constrained")
    *axes, last = figure.subplots(1, 1 + len(cells))
    for ax, (name, cell) in zip(axes, cells.items(), strict=True):
        shown = ax.imshow(np.tile(cell, (3, 3)).T, origin="lower", extent=(-1, 2, -1, 2), norm=LogNorm(0.5, 10))
        ax.plot([0, 1, 1, 0, 0], [0, 0, 1, 1, 0], "w", lw=1.5)
        ax.set(xticks=[], yticks=[], title=name)
    figure.colorbar(shown, ax=axes, label="Young's modulus [GPa]", ticks=(0.5, 1, 2, 5, 10), format="%g")
    last.semilogy(np.sqrt(found.history))
    last.set(xlabel="solves", ylabel="relative distance of the stiffness", title="by the adjoint and L-BFGS")
    return figure


def main(folder: Path | None = None, *, resolution: int = 16, iterations: int = 100) -> float:
    """Return the relative Frobenius distance of the found stiffness to the target; draw the cells in a folder."""
    model = pixel_homogenization(resolution)
    block = np.full((1, resolution, resolution), 1.0)
    block[:, 1 : resolution // 2, 1 : resolution // 4] = 10.0
    objective = TensorTarget(model({"youngs_modulus": block})["stiffness"][0])
    start = {"youngs_modulus": np.random.default_rng(0).uniform(2.0, 4.0, block.shape)}
    found = minimize(model, objective, start, LBFGS(), bounds={"youngs_modulus": (0.5, 20.0)}, iterations=iterations)
    print("target [GPa]\n", symmetric_matrix(objective.target).round(3))
    print("found [GPa]\n", symmetric_matrix(found.outputs["stiffness"][0]).round(3))
    print(f"distance {found.value**0.5:.1e} after {found.evaluations} solves: {found.message}")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        cells = {"a cell of the wanted stiffness": block, "start": start["youngs_modulus"]}
        cells["another, found"] = found.design["youngs_modulus"]
        drawn = picture({name: cell[0] for name, cell in cells.items()}, found)
        (folder / "cells.png").write_bytes(to_png(drawn))
    return float(found.value**0.5)


if __name__ == "__main__":
    main(Path("runs/inverse_homogenization"))
