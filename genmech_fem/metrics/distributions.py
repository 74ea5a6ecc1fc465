"""How far apart two sets of points are, and how diverse one is; points are rows of features (points, features).

Energy distance: Szekely and Rizzo, J. Stat. Plan. Inference 143 (2013), doi:10.1016/j.jspi.2013.03.018.
Maximum mean discrepancy: Gretton et al., J. Mach. Learn. Res. 13 (2012), doi:10.5555/2188385.2188410.
Precision and recall: Kynkaanniemi et al., NeurIPS (2019), doi:10.48550/arXiv.1904.06991.
Density and coverage: Naeem et al., ICML (2020), doi:10.48550/arXiv.2002.09797.
Vendi score: Friedman and Dieng, Trans. Mach. Learn. Res. (2023), doi:10.48550/arXiv.2210.02410.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

ROWS = 1024  # of a matrix of distances at a time, where only their sum matters


def standardize(x: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Points with the mean of `reference` at 0 and its standard deviation as the unit of each feature.

    A feature that is constant in `reference` is only shifted.

    Args:
        x: Points (n, features).
        reference: Points (m, features).
    """
    x, reference = _pair(x, reference)
    deviation = reference.std(axis=0)
    constant = deviation <= 1e-12 * np.abs(reference).max(axis=0)
    return (x - reference.mean(axis=0)) / np.where(constant, 1.0, deviation)


def wasserstein(x: np.ndarray, y: np.ndarray) -> float:
    """W1 of two sets of numbers (n,) and (m,): the area between their distribution functions, in their unit."""
    x, y = (np.sort(a.ravel()) for a in _pair(np.ravel(x), np.ravel(y)))
    values = np.sort(np.concatenate([x, y]))
    gap = np.searchsorted(x, values[:-1], "right") / len(x) - np.searchsorted(y, values[:-1], "right") / len(y)
    return float(np.abs(gap) @ np.diff(values))


def energy_distance(x: np.ndarray, y: np.ndarray) -> float:
    r"""Energy distance of two sets of points: :math:`2 E|X - Y| - E|X - X'| - E|Y - Y'|`, without a root.

    Taken over the two sets as they are (V-statistic), so it is never negative, and 0 if and only if the
    sets are equal; for two draws of n from one law it is about :math:`2 E|X - X'| / n`.

    Args:
        x: Points (n, features), or numbers (n,).
        y: Points (m, features), or numbers (m,).
    """
    x, y = _pair(x, y)
    return max(2 * _mean_distance(x, y) - _mean_distance(x, x) - _mean_distance(y, y), 0.0)


def _mean_distance(x: np.ndarray, y: np.ndarray) -> float:
    return sum(float(cdist(x[i : i + ROWS], y).sum()) for i in range(0, len(x), ROWS)) / (len(x) * len(y))


def median_distance(x: np.ndarray) -> float:
    """Median distance between two different points of a set (n, features): the usual bandwidth of a Gaussian kernel.

    Raises:
        ValueError: All points are equal.
    """
    points = _points(x, "points")
    distances = cdist(points, points)
    if not (distances > 0).any():
        raise ValueError("expected points of which some differ, got equal ones only: there is no median distance")
    return float(np.median(distances[distances > 0]))


def gaussian_kernel(x: np.ndarray, y: np.ndarray, bandwidth: float) -> np.ndarray:
    r"""The kernel :math:`\exp(-|x - y|^2 / 2 h^2)` (n, m) with the bandwidth h."""
    if not 0 < bandwidth < np.inf:
        raise ValueError(f"bandwidth: expected a number above 0, got {bandwidth}")
    return np.exp(cdist(*_pair(x, y), "sqeuclidean") / (-2 * bandwidth**2))


def mmd(x: np.ndarray, y: np.ndarray, bandwidth: float | None = None) -> float:
    """Squared maximum mean discrepancy with a Gaussian kernel.

    The unbiased estimator: its mean is 0 for two draws from one law, where it is as often negative as not.

    Args:
        x: Points (n, features).
        y: Points (m, features), the reference.
        bandwidth: Of the kernel; None is the median distance within `y`, so that scores against one
            reference share one kernel.

    Raises:
        ValueError: A set has fewer than two points, or all of `y` are equal.
    """
    x, y = _pair(x, y, least=2)
    h = median_distance(y) if bandwidth is None else bandwidth
    within = sum((gaussian_kernel(a, a, h).sum() - len(a)) / (len(a) * (len(a) - 1)) for a in (x, y))
    return float(within - 2 * gaussian_kernel(x, y, h).mean())


class Manifolds(NamedTuple):
    """How far two sets cover each other; see `precision_recall_density_coverage`."""

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall_density_coverage(samples: np.ndarray, reference: np.ndarray, k: int = 5) -> Manifolds:
    """How far two sets cover each other, by balls that reach to the k-th nearest neighbour within their set.

    Precision is the share of the samples in a ball of the reference, recall the share of the reference
    in a ball of the samples; density counts for each sample the balls of the reference around it, over k;
    coverage is the share of the reference's balls that hold a sample. For two draws of n from one law
    the mean density is 1 and the mean coverage about 1 - 2^-k.

    Args:
        samples: Points (n, features).
        reference: Points (m, features).
        k: Number of the neighbour.

    Raises:
        ValueError: A set has no more than k points, or k is below 1.
    """
    if k < 1:
        raise ValueError(f"k: expected at least 1, got {k}")
    samples, reference = _pair(samples, reference, least=k + 1)
    between = cdist(samples, reference)
    in_reference = between <= _radii(reference, k)
    in_samples = between <= _radii(samples, k)[:, None]
    return Manifolds(
        precision=float(in_reference.any(axis=1).mean()),
        recall=float(in_samples.any(axis=0).mean()),
        density=float(in_reference.sum(axis=1).mean() / k),
        coverage=float(in_reference.any(axis=0).mean()),
    )


def _radii(points: np.ndarray, k: int) -> np.ndarray:
    """Distance of each point to the k-th nearest other one."""
    return np.partition(cdist(points, points), k, axis=1)[:, k]


def vendi_score(kernel: np.ndarray) -> float:
    """Effective number of different samples: n if no two are alike, 1 if all are.

    Args:
        kernel: Likeness (n, n) of every two samples, from a positive kernel with 1 on the diagonal, such as
            `gaussian_kernel`.

    Raises:
        ValueError: The matrix is none of such a kernel.
    """
    matrix = _points(kernel, "kernel")
    n = len(matrix)
    if matrix.shape != (n, n) or not np.allclose(matrix, matrix.T) or not np.allclose(np.diag(matrix), 1):
        raise ValueError(f"kernel: expected a symmetric matrix with 1 on the diagonal, got one of shape {matrix.shape}")
    shares = np.linalg.eigvalsh(matrix) / n
    if shares[0] < -1e-8:
        raise ValueError(f"kernel: expected a positive kernel, got the eigenvalue {n * shares[0]:.3g}")
    shares = shares[shares > 0]
    return float(np.exp(-shares @ np.log(shares)))


def _points(x: np.ndarray, name: str, least: int = 1) -> np.ndarray:
    points = np.asarray(x, dtype=float)
    points = points[:, None] if points.ndim == 1 else points
    if points.ndim != 2 or len(points) < least or not points.shape[1]:
        raise ValueError(f"{name}: expected at least {least} points (points, features), got shape {np.shape(x)}")
    if not np.isfinite(points).all():
        raise ValueError(f"{name}: expected finite numbers, got NaN or infinity")
    return points


def _pair(x: np.ndarray, y: np.ndarray, least: int = 1) -> tuple[np.ndarray, np.ndarray]:
    first, second = _points(x, "first set", least), _points(y, "second set", least)
    if first.shape[1] != second.shape[1]:
        raise ValueError(f"expected points with the same features, got {first.shape[1]} and {second.shape[1]} features")
    return first, second
