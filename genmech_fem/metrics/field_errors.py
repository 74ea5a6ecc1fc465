"""Errors of predicted samples, and the two predictions that need no training."""

from collections.abc import Mapping

import numpy as np

CHUNK = 64  # samples whose distances to all others are found at a time


def relative_l2(prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    r"""Error :math:`\|p - y\| / \|y\|` of each sample (samples,), over all its numbers.

    Raises:
        ValueError: The shapes differ.
    """
    if prediction.shape != truth.shape:
        raise ValueError(f"relative_l2: expected arrays of one shape, got {prediction.shape} and {truth.shape}")
    error, scale = (np.linalg.norm(x.reshape(len(x), -1), axis=1) for x in (prediction - truth, truth))
    return error / np.maximum(scale, np.finfo(float).tiny)


def quantiles(errors: np.ndarray) -> dict[str, float]:
    """Median of errors (samples,), the one that a tenth exceeds, and the largest."""
    return {"median": float(np.median(errors)), "90 %": float(np.quantile(errors, 0.9)), "worst": float(errors.max())}


def nearest_neighbour(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Index (asked,) of the nearest of the known samples (known, ...), by the L2 distance."""
    flat, square = known.reshape(len(known), -1), np.square(known.reshape(len(known), -1)).sum(1)
    parts = np.array_split(asked.reshape(len(asked), -1), max(1, -(-len(asked) // CHUNK)))
    return np.concatenate([(square - 2 * part @ flat.T).argmin(1) for part in parts])


def untrained_predictions(known: tuple[np.ndarray, np.ndarray], asked: np.ndarray) -> Mapping[str, np.ndarray]:
    """What every surrogate has to beat: the mean of the training samples, and the answer of the nearest of them.

    Args:
        known: Inputs (known, ...) and outputs (known, ...) of the training samples.
        asked: Inputs (asked, ...).
    """
    x, y = known
    mean = np.broadcast_to(y.mean(axis=0), (len(asked), *y.shape[1:]))
    return {"mean predictor": mean, "nearest neighbour": y[nearest_neighbour(x, asked)]}
