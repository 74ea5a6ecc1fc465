"""How well scores tell anomalies (high) from normal samples (low).

Area under the ROC curve as the Mann-Whitney statistic: Hanley and McNeil (1982), doi:10.1148/radiology.143.1.7063747.
Average precision: Davis and Goadrich (2006), doi:10.1145/1143844.1143874. Bootstrap: Efron (1979),
doi:10.1214/aos/1176344552.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

type Statistic = Callable[[np.ndarray, np.ndarray], float]
"""Scores of normal samples (n,) and of anomalies (m,) to a number."""


class Interval(NamedTuple):
    """A statistic and its bootstrap interval."""

    value: float
    low: float
    high: float


def auroc(normal: np.ndarray, anomalous: np.ndarray) -> float:
    """Probability that an anomaly has a higher score than a normal sample, ties counted half.

    Args:
        normal: Scores (n,) of normal samples.
        anomalous: Scores (m,) of anomalies.

    Raises:
        ValueError: A set is empty, or a score is not finite.
    """
    n, m = (len(some) for some in _pair(normal, anomalous))
    ranks = rankdata(np.concatenate([normal, anomalous]))
    return float((ranks[n:].sum() - m * (m + 1) / 2) / (n * m))


def aupr(normal: np.ndarray, anomalous: np.ndarray) -> float:
    """Average precision: mean over the anomalies of the share of anomalies among all scores from theirs on.

    That of useless scores is the share of anomalies, m / (n + m). Arguments and errors as for `auroc`.
    """
    normal, anomalous = (np.sort(some) for some in _pair(normal, anomalous))
    found = len(anomalous) - np.searchsorted(anomalous, anomalous)
    alarms = len(normal) - np.searchsorted(normal, anomalous)
    return float(np.mean(found / (found + alarms)))


def false_alarm_rate(normal: np.ndarray, anomalous: np.ndarray, detection: float = 0.95) -> float:
    """Share of the normal samples above the highest threshold that finds the share `detection` of the anomalies.

    Other arguments and errors as for `auroc`.
    """
    normal, anomalous = _pair(normal, anomalous)
    missed = int((1 - detection) * len(anomalous) + 1e-9)
    return float(np.mean(normal >= np.sort(anomalous)[missed]))


def pixel_auroc(maps: np.ndarray, masks: np.ndarray) -> float:
    """`auroc` of the points of maps (n, *grid), those in the masks (n, *grid) being the anomalous ones."""
    if maps.shape != masks.shape:
        raise ValueError(f"pixel_auroc: expected masks of the shape of the maps {maps.shape}, got {masks.shape}")
    return auroc(maps[~masks.astype(bool)], maps[masks.astype(bool)])


STATISTICS: dict[str, Statistic] = {
    "AUROC": auroc,
    "AUPR": aupr,
    "false alarms at 95 % detection": false_alarm_rate,
}


def bootstrap(
    statistic: Statistic,
    normal: np.ndarray,
    anomalous: np.ndarray,
    *,
    generator: np.random.Generator,
    draws: int = 1000,
    level: float = 0.95,
) -> Interval:
    """A statistic of scores (n,) and (m,), and the percentile interval of its values for samples drawn again."""
    value = statistic(normal, anomalous)
    drawn = [
        statistic(*(some[generator.integers(len(some), size=len(some))] for some in (normal, anomalous)))
        for _ in range(draws)
    ]
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(value, float(low), float(high))


def detection_scores(
    normal: np.ndarray, anomalous: np.ndarray, *, generator: np.random.Generator, draws: int = 1000
) -> dict[str, Interval]:
    """All `STATISTICS` of scores (n,) and (m,), with 95 % bootstrap intervals."""
    return {
        name: bootstrap(statistic, normal, anomalous, generator=generator, draws=draws)
        for name, statistic in STATISTICS.items()
    }


def _pair(normal: np.ndarray, anomalous: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pair = np.asarray(normal, dtype=float).ravel(), np.asarray(anomalous, dtype=float).ravel()
    for scores, name in zip(pair, ("normal samples", "anomalies"), strict=True):
        if not len(scores) or not np.isfinite(scores).all():
            wrong = "none" if not len(scores) else f"{np.count_nonzero(~np.isfinite(scores))} that are not finite"
            raise ValueError(f"expected finite scores of {name}, got {wrong}")
    return pair
