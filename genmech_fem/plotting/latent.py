"""Figures of latent spaces and of attention."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from genmech_fem.plotting.figures import images


def latent_map_picture(points: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> Figure:
    """Draw latent coordinates (n, 2), coloured by class.

    Args:
        points: Coordinates, as of `genmech_fem.generative.latent.latent_map`.
        labels: Class (n,) of each point, an index into `names`.
        names: Names of the classes.
    """
    figure = Figure(figsize=(4.2, 3.8), layout="constrained")
    ax = figure.subplots()
    for index, name in enumerate(names):
        ax.plot(*points[labels == index].T, ".", ms=4, label=name)
    ax.set(xlabel="first principal axis", ylabel="second principal axis", aspect="equal")
    ax.legend(fontsize=8)
    return figure


def interpolation_strip(rows: Sequence[np.ndarray], *, colours: str = "viridis") -> Figure:
    """Draw interpolations, each (steps, nx, ny), as rows of pictures with the share of the way above."""
    titles = [[f"{t:.2g}" for t in np.linspace(0, 1, len(row))] for row in rows]
    return images([list(row) for row in rows], titles, colours=colours, limits=_limits(rows), size=1.0)


def traversal_grid(fields: np.ndarray, values: Sequence[float], *, colours: str = "viridis") -> Figure:
    """Draw fields (latent, values, nx, ny): a row for each entry of the latent, a column for each value of it."""
    titles = [[f"z{axis} = {value:.2g}" for value in values] for axis in range(len(fields))]
    return images([list(row) for row in fields], titles, colours=colours, limits=_limits(fields), size=1.0)


def attention_picture(weights: np.ndarray, *, xlabel: str = "attended to", ylabel: str = "token") -> Figure:
    """Draw attention weights (heads, queries, keys), one matrix for each head, the first query at the top."""
    figure = Figure(figsize=(2.6 * len(weights), 2.8), layout="constrained")
    for head, (ax, matrix) in enumerate(zip(figure.subplots(1, len(weights), squeeze=False)[0], weights, strict=True)):
        picture = ax.imshow(matrix, cmap="magma", vmin=0.0, aspect="auto")
        ax.set(title=f"head {head}", xlabel=xlabel, ylabel=ylabel)
        figure.colorbar(picture, ax=ax, shrink=0.8)
    return figure


def _limits(fields: Sequence[np.ndarray] | np.ndarray) -> tuple[float, float]:
    return min(float(row.min()) for row in fields), max(float(row.max()) for row in fields)
