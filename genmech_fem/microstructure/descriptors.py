"""Statistical descriptors of periodic two-phase images (batch, nx, ny[, nz]).

Torquato, Random Heterogeneous Materials (2002), doi:10.1007/978-1-4757-6355-3.
Lineal path: Lu and Torquato, Phys. Rev. A 45 (1992), doi:10.1103/PhysRevA.45.922.
Chords: Torquato and Lu, Phys. Rev. E 47 (1993), doi:10.1103/PhysRevE.47.2950.
"""

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import map_coordinates

from genmech_fem.errors import ContractError
from genmech_fem.microstructure.images import binary_images, check_axis


def volume_fraction(phase: np.ndarray) -> np.ndarray:
    """Share of phase 1: the mean of ``phase`` (batch, *grid) over each sample, shape (batch,)."""
    return phase.reshape(len(phase), -1).mean(axis=1)


def two_point_correlation(phase: np.ndarray) -> np.ndarray:
    """S2(r): probability that both ends of r lie in phase 1, on the torus.

    Args:
        phase: Images (batch, *grid), taken as phase 1 where above 0.5.

    Returns:
        S2 (batch, *grid), entry (i, j[, k]) for the vector of i, j[, k] pixels, in the order of
        ``numpy.fft``; entry 0 is the volume fraction of the binary image.
    """
    binary = binary_images(phase)
    axes = tuple(range(1, binary.ndim))
    spectrum = np.abs(np.fft.rfftn(binary, axes=axes)) ** 2
    return np.fft.irfftn(spectrum, s=binary.shape[1:], axes=axes) / binary[0].size


def radial_average(correlation: np.ndarray, spacing: float | Sequence[float] = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Mean over all directions of a function of a vector on the torus, such as S2.

    Args:
        correlation: The function (batch, *grid), in the order of ``numpy.fft``.
        spacing: Edges of a pixel [length], one per axis or one for all.

    Returns:
        The mean length of the vectors in each shell (shells,) [length] and the mean of the
        function over the shell (batch, shells). Shell n holds the vectors of n - 1/2 to
        n + 1/2 shortest pixel edges, up to half the shortest side of the cell.
    """
    shape = correlation.shape[1:]
    edges = _spacing(spacing, len(shape))
    square = sum(
        np.meshgrid(*[(np.fft.fftfreq(n, 1 / n) * h) ** 2 for n, h in zip(shape, edges, strict=True)], indexing="ij")
    )
    length = np.sqrt(square).ravel()
    shell = np.rint(length / edges.min()).astype(int)
    shells = int((edges * shape).min() / edges.min()) // 2 + 1
    used = shell < shells
    count = np.maximum(np.bincount(shell[used], minlength=shells), 1)
    means = [np.bincount(shell[used], c.ravel()[used], shells) for c in correlation]
    return np.bincount(shell[used], length[used], shells) / count, np.stack(means) / count


def directional_line(
    correlation: np.ndarray, direction: Sequence[float], spacing: float | Sequence[float] = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """A function of a vector on the torus, such as S2, along one direction.

    Args:
        correlation: The function (batch, *grid), in the order of ``numpy.fft``; linear between pixels.
        direction: The direction, of any length but 0.
        spacing: Edges of a pixel [length], one per axis or one for all.

    Returns:
        Distances (points,) [length], in steps of the shortest pixel edge up to half the
        shortest side of the cell, and the values there (batch, points).

    Raises:
        ValueError: The direction is zero or has another dimension.
    """
    shape = correlation.shape[1:]
    edges, vector = _spacing(spacing, len(shape)), np.asarray(direction, dtype=float)
    if vector.shape != edges.shape or not np.linalg.norm(vector) > 0:
        raise ValueError(f"direction: expected {len(shape)} numbers, not all 0, got {direction}")
    distance = edges.min() * np.arange(int((edges * shape).min() / edges.min()) // 2 + 1)
    pixels = np.outer(vector / np.linalg.norm(vector) / edges, distance)
    return distance, np.stack([map_coordinates(c, pixels, order=1, mode="grid-wrap") for c in correlation])


def _spacing(spacing: float | Sequence[float], dimension: int) -> np.ndarray:
    edges = np.broadcast_to(np.asarray(spacing, dtype=float), (dimension,))
    if not (edges > 0).all():
        raise ValueError(f"spacing: expected numbers above 0, got {spacing}")
    return edges


def lineal_path(phase: np.ndarray, axis: int = 0) -> np.ndarray:
    """L(r): probability that a segment of r pixels along `axis`, ends included, lies in phase 1, on the torus.

    Args:
        phase: Images (batch, *grid), taken as phase 1 where above 0.5.
        axis: Axis of the grid, 0 for x.

    Returns:
        L (batch, n) for r = 0, ..., n - 1 pixels between the centres of the end pixels, with n pixels
        along the axis; L(0) is the volume fraction, and L(r) <= S2(r) with equality at r = 0 and 1.
    """
    runs = _runs(phase, axis)
    n = runs.shape[-1]
    longer = _counts(runs, n)[:, ::-1].cumsum(axis=1)[:, ::-1]
    return longer[:, 1:] / np.prod(runs.shape[1:])


def chord_length_distribution(phase: np.ndarray, axis: int = 0) -> np.ndarray:
    """Share of the chords of each length among the chords of phase 1 along `axis`, on the torus.

    A chord is a run of pixels of phase 1 between two pixels of phase 0; lines wholly in phase 1 have none.

    Args:
        phase: Images (batch, *grid), taken as phase 1 where above 0.5.
        axis: Axis of the grid, 0 for x.

    Returns:
        Share (batch, n) of the chords of 0, ..., n - 1 pixels; all 0 for an image without a chord.
    """
    runs = _runs(phase, axis)
    n = runs.shape[-1]
    starts = (np.roll(runs, 1, axis=-1) == 0) & (runs > 0)
    counts = _counts(np.where(starts, runs, 0), n)[:, :n]
    counts[:, 0] = 0
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _runs(phase: np.ndarray, axis: int) -> np.ndarray:
    """Number of pixels of phase 1 from each pixel onwards (batch, ..., n along the axis), at most n."""
    images = binary_images(phase)
    check_axis(axis, images)
    lines = np.moveaxis(images, axis + 1, -1)
    n = lines.shape[-1]
    twice = np.concatenate([lines, lines], axis=-1)
    ends = np.where(twice, 2 * n, np.arange(2 * n))
    next_end = np.minimum.accumulate(ends[..., ::-1], axis=-1)[..., ::-1]
    return np.minimum(next_end[..., :n] - np.arange(n), n)


def _counts(runs: np.ndarray, n: int) -> np.ndarray:
    """How often each number 0, ..., n is in each sample of `runs` (batch, ...): (batch, n + 1)."""
    flat = runs.reshape(len(runs), -1) + (n + 1) * np.arange(len(runs))[:, None]
    return np.bincount(flat.ravel(), minlength=(n + 1) * len(runs)).reshape(len(runs), n + 1)


def seam_mismatch(field: np.ndarray) -> np.ndarray:
    """How much larger the jump over the border is than between neighbours inside: a test of periodicity.

    Args:
        field: Images (batch, *grid), of any values.

    Returns:
        For each sample and axis (batch, dimension) the mean absolute difference of the first and the
        last layer over that of neighbouring layers: about 1 in the mean over periodic images, larger where
        the sides do not fit together; 1 where nothing differs, huge where only the sides differ.

    Raises:
        ContractError: Not a batch of images, or only one layer along an axis.
    """
    images = np.asarray(field, dtype=float)
    if images.ndim < 2 or min(images.shape[1:]) < 2:
        raise ContractError(f"expected images (batch, *grid) of at least 2 pixels a side, got shape {images.shape}")
    ratios = []
    for axis in range(1, images.ndim):
        others = tuple(a for a in range(1, images.ndim) if a != axis)
        jumps = np.abs(images - np.roll(images, 1, axis)).mean(axis=others)
        seam, inside = jumps[:, 0], jumps[:, 1:].mean(axis=1)
        ratios.append(np.where(seam == inside, 1.0, seam / np.where(inside > 0, inside, np.finfo(float).tiny)))
    return np.stack(ratios, axis=1)
