"""Figures without global state: each function returns a matplotlib `Figure`."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from genmech_fem.geometry import Mesh


def images(
    rows: Sequence[Sequence[np.ndarray]],
    titles: Sequence[Sequence[str]] | None = None,
    *,
    colours: str = "viridis",
    limits: tuple[float, float] | None = None,
    size: float = 1.7,
) -> Figure:
    """Draw fields (nx, ny) as a table of pictures, x to the right and y upwards.

    Args:
        rows: Fields of each row.
        titles: Title of each field.
        colours: Colour map.
        limits: Common range of the colours; None scales each picture on its own and
            gives it a colour bar.
        size: Edge of one picture [inch].
    """
    columns = max(len(row) for row in rows)
    figure = Figure(figsize=(size * columns * (1 if limits else 1.25), (size + 0.3) * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), columns, squeeze=False)
    for i, row in enumerate(axes):
        for j, ax in enumerate(row):
            ax.set(xticks=[], yticks=[])
            if j >= len(rows[i]):
                ax.set_axis_off()
                continue
            low, high = limits or (None, None)
            picture = ax.imshow(rows[i][j].T, origin="lower", cmap=colours, vmin=low, vmax=high)
            if limits is None:
                figure.colorbar(picture, ax=ax, shrink=0.8)
            if titles:
                ax.set_title(titles[i][j], fontsize=8)
    return figure


def middle_slice(field: np.ndarray) -> np.ndarray:
    """A field (nx, ny), or the slice (nx, ny) in the middle of one (nx, ny, nz)."""
    return field if field.ndim == 2 else field[:, :, field.shape[2] // 2]


def mesh_picture(mesh: Mesh, title: str = "") -> Figure:
    """Draw a triangle mesh, coloured by phase."""
    figure = Figure(figsize=(4.2, 4.4), layout="constrained")
    ax = figure.subplots()
    ax.tripcolor(
        mesh.points[:, 0], mesh.points[:, 1], mesh.cells, facecolors=mesh.tags, cmap="coolwarm", edgecolors="k", lw=0.15
    )
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.set_title(title, fontsize=9)
    return figure


def histories(curves: Mapping[str, Sequence[tuple[float, float]]], xlabel: str, ylabel: str) -> Figure:
    """Draw curves of (x, y) pairs with a logarithmic y axis."""
    figure = Figure(figsize=(5.0, 3.0), layout="constrained")
    ax = figure.subplots()
    for name, points in curves.items():
        x, y = np.reshape(points, (-1, 2)).T
        ax.semilogy(x, y, label=name)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.legend()
    return figure


def parity(expected: np.ndarray, predicted: np.ndarray, names: Sequence[str], unit: str) -> Figure:
    """Draw predicted against expected values, arrays (samples, quantities)."""
    figure = Figure(figsize=(2.4 * len(names), 2.6), layout="constrained")
    for ax, x, y, name in zip(
        figure.subplots(1, len(names), squeeze=False)[0], expected.T, predicted.T, names, strict=True
    ):
        ax.plot(x, y, ".", ms=3)
        ax.axline((float(x.mean()), float(x.mean())), slope=1.0, color="k", lw=0.6)
        ax.set_title(f"{name} [{unit}]", fontsize=9)
        ax.tick_params(labelsize=7)
    return figure


def to_png(figure: Figure, dpi: int = 110) -> bytes:
    """Render a figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()
