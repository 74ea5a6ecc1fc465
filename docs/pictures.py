"""Draw the pictures of these pages again: ``python docs/pictures.py [folder]``."""

import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from genmech_fem.fields import Grid
from genmech_fem.plotting import to_png

LETTER = np.array([[1, 1, 1, 1, 1], [0, 0, 1, 0, 1], [0, 0, 1, 0, 1], [0, 0, 0, 0, 1]])
"""The letter F as ``array[i, j]``: i counts along x from the left, j along y from below."""


def grid_convention() -> Figure:
    """An asymmetric image on a grid of cell centres and on one of nodes."""
    figure = Figure(figsize=(8.6, 4.6), layout="constrained")
    for ax, at in zip(figure.subplots(1, 2), ("cells", "nodes"), strict=True):
        grid = Grid(LETTER.shape, (0.0, 0.0), (4.0, 5.0), at)
        points = grid.points()
        if at == "cells":
            ax.imshow(LETTER.T, origin="lower", extent=(0, 4, 0, 5), cmap="Blues", vmin=0, vmax=2.5)
        ax.scatter(*points.T, c=LETTER.ravel(), cmap="Blues", vmin=-0.5, vmax=1.2, edgecolors="k", s=36, zorder=3)
        for (i, j), (x, y) in zip(np.ndindex(LETTER.shape), points, strict=True):
            ax.annotate(f"[{i}, {j}]", (x, y), xytext=(0, 7), textcoords="offset points", ha="center", fontsize=7)
        for line in range(5):
            ax.axvline(line, color="0.7", lw=0.6, zorder=0)
        for line in range(6):
            ax.axhline(line, color="0.7", lw=0.6, zorder=0)
        ax.set(xlim=(-0.35, 4.35), ylim=(-0.35, 5.45), xlabel="x (axis 0)", ylabel="y (axis 1)", aspect="equal")
        ax.set_title(f'Grid((4, 5), (0, 0), (4, 5), at="{at}")', fontsize=9)
    return figure


def make(folder: Path) -> None:
    """Draw all pictures into `folder`."""
    (folder / "grid_convention.png").write_bytes(to_png(grid_convention()))


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
