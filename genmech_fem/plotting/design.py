"""Figures of designs: the course of a loop, densities, meshes and tensors."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from genmech_fem.geometry import Mesh
from genmech_fem.geometry.design_files import surface_triangles
from genmech_fem.metrics import symmetric_matrix
from genmech_fem.plotting.figures import images, mesh_picture

LONGEST = 8.0  # side of a picture [inch]
_AXES = "xyz"


def history_curve(values: Sequence[float], name: str, *, stages: Sequence[int] = ()) -> Figure:
    """Draw the objective over the iterations, with a line where a new stage of the loop begins.

    Args:
        values: Objective after each iteration.
        name: What it is.
        stages: Number of iterations of each stage.
    """
    figure = Figure(figsize=(6.0, 3.0), layout="constrained")
    ax = figure.subplots()
    ax.plot(np.arange(1, len(values) + 1), values)
    for end in np.cumsum(stages)[:-1]:
        ax.axvline(end + 0.5, color="0.6", lw=0.8)
    if min(values, default=0.0) > 0:
        ax.set_yscale("log")
    ax.set(xlabel="iteration", ylabel=name)
    return figure


def density_picture(density: np.ndarray) -> Figure:
    """Draw a density (nx, ny), or the means of one (nx, ny, nz) along each axis."""
    if density.ndim == 2:
        figure = images([[density]], [["density"]], colours="gray_r", limits=(0, 1))
        figure.set_size_inches(_size(density.shape))
        return figure
    views = [density.mean(axis=axis) for axis in (2, 1, 0)]
    titles = [f"mean along {_AXES[axis]}" for axis in (2, 1, 0)]
    return images([views], [titles], colours="gray_r", limits=(0, 1), size=2.6)


def solid_picture(mesh: Mesh) -> Figure:
    """Draw the mesh of a design: triangles in 2D, the surface of tetrahedra in 3D."""
    title = f"{len(mesh.cells)} {'triangles' if mesh.dimension == 2 else 'tetrahedra'}"
    extent = np.ptp(mesh.points, axis=0).tolist()
    if mesh.dimension == 2:
        figure = mesh_picture(mesh, title)
        figure.set_size_inches(_size(extent))
        return figure
    figure = Figure(figsize=(LONGEST, 0.6 * LONGEST))
    points, triangles = surface_triangles(mesh)
    x, y, z = points.T
    ax: Any = figure.add_subplot(projection="3d")
    ax.plot_trisurf(x, -z, y, triangles=triangles)  # y upwards
    ax.set(xlabel="x", ylabel="-z", zlabel="y", title=title, box_aspect=(extent[0], extent[2], extent[1]))
    return figure


def tensor_picture(tensors: Mapping[str, np.ndarray], unit: str) -> Figure:
    """Draw symmetric matrices side by side with their entries, in common colours.

    Args:
        tensors: Upper triangles (size,) by title.
        unit: Unit of the entries.
    """
    matrices = {name: symmetric_matrix(np.asarray(tensor, dtype=float)) for name, tensor in tensors.items()}
    limit = max(float(np.abs(matrix).max()) for matrix in matrices.values())
    figure = Figure(figsize=(2.2 * len(matrices), 2.5), layout="constrained")
    axes = figure.subplots(1, len(matrices), squeeze=False)[0]
    for ax, (name, matrix) in zip(axes, matrices.items(), strict=True):
        ax.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit)
        ax.set(xticks=[], yticks=[])
        ax.set_title(f"{name} [{unit}]", fontsize=9)
        for (i, j), entry in np.ndenumerate(matrix):
            colour = "w" if abs(entry) > 0.6 * limit else "k"
            ax.text(j, i, f"{entry:.3g}", ha="center", va="center", fontsize=9, color=colour)
    return figure


def _size(extent: Sequence[float]) -> tuple[float, float]:
    """Width and height [inch] of a picture, with room for a title."""
    scale = LONGEST / max(extent)
    return scale * extent[0], scale * extent[1] + 0.4
