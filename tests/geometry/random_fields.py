"""Random periodic level sets for tests and benchmarks: smooth, rough, with tiny islands, percolating."""

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

FAMILIES = ("smooth", "rough", "islands", "percolating")


def random_field(family: str, shape: tuple[int, ...], generator: np.random.Generator) -> tuple[np.ndarray, float]:
    """Draw a field (nx, ny[, nz]) of one of the `FAMILIES`, and a threshold."""
    noise = generator.standard_normal(shape)
    if family == "percolating":
        widths = generator.permutation([*[generator.uniform(1.0, 2.5)] * (len(shape) - 1), generator.uniform(4.0, 8.0)])
        share = 0.5
    else:
        low, high = {"smooth": (2.0, 5.0), "rough": (0.0, 0.8), "islands": (1.5, 3.0)}[family]
        widths = [generator.uniform(low, high)] * len(shape)
        share = generator.uniform(0.02, 0.08) if family == "islands" else generator.uniform(0.15, 0.85)
    field = gaussian_filter(noise, widths, mode="wrap")
    field /= field.std()
    if family == "islands":
        spots = generator.integers(0, field.size, 5)
        field.ravel()[spots] = 4.0
    return field, float(np.quantile(field, 1 - share))


def own_fraction(field: np.ndarray, threshold: float, points: int) -> float:
    """Share of the cell in which the periodic cubic spline through the pixels exceeds the threshold.

    Args:
        field: Values at the centres of pixels or voxels.
        threshold: Value on the interface.
        points: Sampling points along each side of a pixel.
    """
    axes = [(np.arange(n * points) + 0.5) / points - 0.5 for n in field.shape]
    return float(
        np.mean(map_coordinates(field, np.meshgrid(*axes, indexing="ij"), order=3, mode="grid-wrap") > threshold)
    )


def side_mismatch(points: np.ndarray, lower: tuple[float, ...], upper: tuple[float, ...]) -> float:
    """Largest distance of a point on a side of the box to its partner on the opposite side; infinite if it has none."""
    worst = 0.0
    for axis, (low, high) in enumerate(zip(lower, upper, strict=True)):
        ends = [np.delete(points[np.abs(points[:, axis] - side) < 1e-9], axis, axis=1) for side in (low, high)]
        if len(ends[0]) != len(ends[1]) or not len(ends[0]):
            return float("inf")
        one, two = (end[np.lexsort(np.round(end, 9).T)] for end in ends)
        worst = max(worst, float(np.abs(one - two).max()))
    return worst
