"""Draw the pictures of these pages again: ``python docs/pictures.py [folder]``."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from theory_pictures import certificates, noise_paths, samplers, topology

from genmech_fem.adapters import ConformingHomogenization, dolfinx_mesh, sample_values
from genmech_fem.fields import Grid
from genmech_fem.microstructure import PeriodicFibres
from genmech_fem.plotting import to_png
from genmech_fem.problems import periodic_elasticity

LETTER = np.array([[1, 1, 1, 1, 1], [0, 0, 1, 0, 1], [0, 0, 1, 0, 1], [0, 0, 0, 0, 1]])
"""The letter F as ``array[i, j]``: i counts along x from the left, j along y from below."""

BOXES = {  # centre, colour and text of the stations of the loop
    "shape": ((0, 1), "C2", "geometry\nimages, level sets,\nparameters"),
    "mesh": ((1, 1), "C0", "mesh\nconforming,\nperiodic"),
    "solve": ((2, 1), "C0", "solve\nDOLFINx,\ndiscrete adjoint"),
    "fields": ((3, 1), "C0", "arrays\nfields on grids\nand points"),
    "data": ((4, 1), "C1", "data set\nsample by sample,\nchecked"),
    "learn": ((4, 0), "C3", "train\ngenerators,\nsurrogates"),
    "file": ((3, 0), "C3", "ONNX file\nunits, domain,\ngradients"),
    "design": ((2, 0), "C4", "design loop\nobjective,\noptimiser"),
    "verify": ((1, 0), "C2", "designs\ndensities,\nphases"),
}
ARROWS = ("shape mesh", "mesh solve", "solve fields", "fields data", "data learn", "learn file", "file design")


def loop() -> Figure:
    """The loop from a geometry to a design that is meshed and solved again."""
    figure = Figure(figsize=(9.6, 3.4))
    ax = figure.add_axes((0, 0, 1, 1))
    for (x, y), colour, text in BOXES.values():
        _box(ax, 2 * x, 1.7 * y, colour, text)
    for pair in (*ARROWS, "design verify", "verify mesh", "solve design"):
        _arrow(ax, *pair.split())
    ax.text(2.08, 0.85, "verified by\na solve", fontsize=9, va="center", style="italic")
    ax.text(4.08, 0.85, "the solver\nitself", fontsize=9, va="center", style="italic")
    ax.set(xlim=(-0.95, 8.95), ylim=(-0.65, 2.35), aspect="equal")
    ax.set_axis_off()
    return figure


def _box(ax: Axes, x: float, y: float, colour: str, text: str) -> None:
    head, _, rest = text.partition("\n")
    shape = FancyBboxPatch((x - 0.68, y - 0.42), 1.36, 0.84, boxstyle="round,pad=0.06", fc=colour, ec=colour, alpha=0.2)
    ax.add_patch(shape)
    ax.text(x, y + 0.25, head, ha="center", va="center", weight="bold", fontsize=10)
    ax.text(x, y - 0.14, rest, ha="center", va="center", fontsize=8.5)


def _arrow(ax: Axes, start: str, end: str) -> None:
    (a, b), (c, d) = BOXES[start][0], BOXES[end][0]
    step = np.sign([c - a, d - b])
    tail, head = np.array([2 * a, 1.7 * b]) + step * [0.76, 0.5], np.array([2 * c, 1.7 * d]) - step * [0.76, 0.5]
    ax.annotate(
        "", head, tail, arrowprops={"arrowstyle": "-|>", "lw": 1.6, "color": "0.25", "shrinkA": 0, "shrinkB": 0}
    )


def from_image_to_arrays() -> Figure:
    """A phase field, its mesh, a stress on the mesh and the same stress as an array."""
    phase = PeriodicFibres(32, radius=(0.12, 0.12), volume_fraction=(0.3, 0.3))(np.random.default_rng(3))["phase"][0]
    mesh = ConformingHomogenization(32, refine=1).mesh(phase)
    domain, phases = dolfinx_mesh(mesh)
    cell, stiff = periodic_elasticity(domain), phases == 1
    cell.set_controls({"youngs_modulus": np.where(stiff, 70.0, 3.5), "poisson_ratio": np.where(stiff, 0.22, 0.35)})
    cell.solve()
    stress = cell.controls["youngs_modulus"].copy()
    stress.x.array[:] = cell.fields()["stress"][0, 0]
    grid = Grid((32, 32), (0, 0), (1, 1))
    array = sample_values(stress.function_space, grid)(stress)
    nodes, low, high = domain.geometry.x[:, :2], *np.quantile(stress.x.array, [0.01, 0.99])
    figure = Figure(figsize=(11, 3.1), layout="constrained")
    axes = figure.subplots(1, 4)
    box = (0, 1, 0, 1)
    axes[0].imshow(phase.T, origin="lower", cmap="gray_r", extent=box)
    axes[1].tripcolor(*nodes.T, domain.geometry.dofmaps[0], facecolors=1.0 * stiff, cmap="Pastel1", ec="0.3", lw=0.1)
    axes[2].tripcolor(*nodes.T, domain.geometry.dofmaps[0], facecolors=stress.x.array, vmin=low, vmax=high)
    picture = axes[3].imshow(array.T, origin="lower", extent=box, vmin=low, vmax=high)
    figure.colorbar(picture, ax=axes[3], shrink=0.8, label="[GPa]")
    titles = ("phase[i, j], an image", "conforming periodic mesh", "stress 11 on the mesh", "stress[i, j], an array")
    for ax, title in zip(axes, titles, strict=True):
        ax.set(aspect="equal", xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1))
        ax.set_title(title, fontsize=10)
    return figure


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


PICTURES: Mapping[str, Callable[[], Figure]] = {
    "grid_convention.png": grid_convention,
    "concepts/loop.png": loop,
    "concepts/from_image_to_arrays.png": from_image_to_arrays,
    "concepts/certificates.png": certificates,
    "theory/noise_paths.png": noise_paths,
    "theory/samplers.png": samplers,
    "theory/topology.png": topology,
}


def make(folder: Path) -> None:
    """Draw all pictures into `folder`."""
    for name, picture in PICTURES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(to_png(picture()))


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
