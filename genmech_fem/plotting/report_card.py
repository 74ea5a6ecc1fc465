"""The report card of a generator as one figure."""

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from genmech_fem.metrics import ImageSet, ReportCard
from genmech_fem.plotting.figures import middle_slice

SHOWN = 8
COLOURS = {"samples": "C1", "real": "C0"}


def report_card_figure(card: ReportCard) -> Figure:
    """Draw samples above real images, and below them both sets' curves (mean and standard deviation) and histograms.

    Of 3D images the middle slice is shown. The histogram of the first effective property is there if it was solved.
    """
    sets = {"samples": card.samples, "real": card.real}
    panels: list[Callable[[Axes, dict[str, ImageSet]], None]] = [_correlation, _lineal_path, _volume_fraction]
    if card.samples.properties is not None:
        panels.append(_property)
    figure = Figure(figsize=(12.0, 6.2), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.1, 1.0)).ravel()
    grid = above.subplots(2, min(SHOWN, card.size), squeeze=False)
    for row, (name, one) in zip(grid, sets.items(), strict=True):
        for ax, image in zip(row, one.images, strict=False):
            ax.imshow(middle_slice(image).T, origin="lower", cmap="gray_r", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
        row[0].set_ylabel(name, color=COLOURS[name])
    for ax, panel in zip(below.subplots(1, len(panels)), panels, strict=True):
        panel(ax, sets)
        ax.tick_params(labelsize=7)
    return figure


def _correlation(ax: Axes, sets: dict[str, ImageSet]) -> None:
    for name, one in sets.items():
        _band(ax, one.statistics.radii, one.statistics.correlation, name)
    ax.set_xlabel("distance [pixel]")
    ax.set_title("two-point correlation S2", fontsize=9)
    ax.legend(fontsize=8)


def _lineal_path(ax: Axes, sets: dict[str, ImageSet]) -> None:
    for name, one in sets.items():
        path = one.statistics.lineal_path
        _band(ax, np.arange(path.shape[1]), path, name)
    ax.set_xlabel("length [pixel]")
    ax.set_title("lineal path", fontsize=9)


def _volume_fraction(ax: Axes, sets: dict[str, ImageSet]) -> None:
    _histogram(ax, {name: one.statistics.volume_fraction for name, one in sets.items()})
    ax.set_title("volume fraction", fontsize=9)


def _property(ax: Axes, sets: dict[str, ImageSet]) -> None:
    solved = {name: one.properties for name, one in sets.items() if one.properties is not None}
    _histogram(ax, {name: one.solved[:, 0] for name, one in solved.items()})
    first = next(iter(solved.values()))
    ax.set_title(f"{first.names[0]} [{first.unit}]", fontsize=9)


def _band(ax: Axes, x: np.ndarray, curves: np.ndarray, name: str) -> None:
    mean, spread = curves.mean(axis=0), curves.std(axis=0)
    ax.plot(x, mean, color=COLOURS[name], label=name)
    ax.fill_between(x, mean - spread, mean + spread, color=COLOURS[name], alpha=0.2, lw=0)


def _histogram(ax: Axes, values: dict[str, np.ndarray]) -> None:
    """Densities over common bins, about as many as the root of the number of values."""
    every = np.concatenate(list(values.values()))
    bins = np.histogram_bin_edges(every, bins=max(5, round(np.sqrt(len(every) / 2))))
    for name, some in values.items():
        if len(some):
            ax.hist(some, bins=bins.tolist(), density=True, histtype="stepfilled", alpha=0.5, color=COLOURS[name])
