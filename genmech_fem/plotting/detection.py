"""Scores of a detector of anomalies, and where it found them, as one figure."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from genmech_fem.plotting.figures import middle_slice

SHOWN = 8


def detection_figure(
    scores: dict[str, np.ndarray], threshold: float, fields: np.ndarray, maps: np.ndarray | None, titles: Sequence[str]
) -> Figure:
    """Draw histograms of scores with the threshold, and below them suspicious fields above their maps.

    Args:
        scores: Scores (n,) of each set by name, such as "normal" and "suspects".
        threshold: Score above which a sample counts as anomalous.
        fields: The fields (m, *grid) to show, of which 3D ones are cut in the middle.
        maps: Their maps (m, *grid), None without any.
        titles: Title of each field.
    """
    rows = 1 if maps is None else 2
    shown = min(SHOWN, len(fields))
    figure = Figure(figsize=(10.0, 3.0 + 1.5 * rows), layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(3.0, 1.5 * rows)).ravel()
    _histograms(above.subplots(), scores, threshold)
    if not shown:
        return figure
    axes = below.subplots(rows, SHOWN, squeeze=False)
    for j in range(SHOWN):
        for i, some in enumerate((fields,) if maps is None else (fields, maps)):
            ax = axes[i, j]
            ax.set(xticks=[], yticks=[])
            if j >= shown:
                ax.set_axis_off()
                continue
            ax.imshow(middle_slice(some[j]).T, origin="lower", cmap="inferno" if i else "gray_r")
            if not i:
                ax.set_title(titles[j], fontsize=8)
    return figure


def _histograms(ax: Axes, scores: dict[str, np.ndarray], threshold: float) -> None:
    every = np.concatenate(list(scores.values()))
    low, high = np.quantile(every, [0.0, 0.98])
    edges = np.linspace(low, max(high, threshold) + 1e-9, 40).tolist()
    for name, some in scores.items():
        ax.hist(np.minimum(some, edges[-1]), bins=edges, density=True, histtype="stepfilled", alpha=0.5, label=name)
    ax.axvline(threshold, color="k", lw=1, label="threshold")
    ax.set_xlabel("score [standard deviations of normal scores]; the last bin holds all above")
    ax.legend(fontsize=8)
