"""Random splits of a data set."""

import numpy as np


def split(size: int, shares: tuple[float, ...], *, seed: int) -> tuple[np.ndarray, ...]:
    """Split ``range(size)`` at random into one more part than there are `shares`.

    Args:
        size: Number of samples.
        shares: Share of every part but the first, which gets the rest.
        seed: Seed of the permutation.

    Returns:
        Sorted index arrays; the first is the largest in the usual (training) case.

    Raises:
        ValueError: The shares leave nothing for the first part, or a part is empty.
    """
    counts = [round(size * share) for share in shares]
    if min(counts, default=0) < 1 or sum(counts) >= size:
        raise ValueError(f"split: shares {shares} of {size} samples give an empty part; use more samples")
    order = np.random.default_rng(seed).permutation(size)
    first, *rest = np.split(order, np.cumsum([size - sum(counts), *counts])[:-1])
    return tuple(np.sort(part) for part in (first, *rest))
