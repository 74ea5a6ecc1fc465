"""Images made smooth before they are meshed."""

import numpy as np
from scipy.ndimage import gaussian_filter

from genmech_fem.geometry.splines_on_grids import on_lattice

_SAMPLES = 3  # points along each side of a pixel at which areas are counted


def smooth_image(image: np.ndarray, sigma: float = 1.0, periodic: bool = True) -> np.ndarray:
    """Smooth a binary or grey image into a level set with the same share of phase 1.

    Args:
        image: Values from 0 to 1 (nx, ny) or (nx, ny, nz); their mean is the share of phase 1.
        sigma: Standard deviation of the Gaussian filter [pixels].
        periodic: Whether the image repeats; else its border pixels go on outwards.

    Returns:
        Level set whose contour at 0.5 is the smooth interface, of the shape of the image.

    Raises:
        ValueError: The image holds other values, or sigma is negative.
    """
    values = np.asarray(image, dtype=float)
    if not (values.size and np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        raise ValueError("smooth_image: expected an image with values from 0 to 1: scale it")
    level = _filtered(values, sigma, periodic)
    share = float(values.mean())
    if share in (0.0, 1.0):
        return level
    positions = [(np.arange(n * _SAMPLES) + 0.5) / _SAMPLES for n in values.shape]
    return level + (0.5 - float(np.quantile(on_lattice(level, positions, periodic=periodic), 1 - share)))


def smooth_labels(labels: np.ndarray, sigma: float = 1.0, periodic: bool = True) -> np.ndarray:
    """Smooth an image of labels into one indicator for each phase, as `multiphase_mesh` takes them.

    Args:
        labels: Phases (nx, ny), whole numbers from 0.
        sigma: Standard deviation of the Gaussian filter [pixels].
        periodic: Whether the image repeats; else its border pixels go on outwards.

    Returns:
        Indicators (highest label + 1, nx, ny); the largest tells the phase.

    Raises:
        ValueError: The labels are no whole numbers from 0, or sigma is negative.
    """
    phases = np.asarray(labels)
    if phases.dtype.kind not in "iub" or not phases.size or phases.min() < 0:
        raise ValueError(f"smooth_labels: expected whole numbers from 0, got {phases.dtype} of shape {phases.shape}")
    count = max(int(phases.max()) + 1, 2)
    return np.stack([_filtered((phases == k).astype(float), sigma, periodic) for k in range(count)])


def _filtered(values: np.ndarray, sigma: float, periodic: bool) -> np.ndarray:
    if not 0 <= sigma < np.inf:
        raise ValueError(f"sigma: expected a width of at least 0 pixels, got {sigma}")
    return np.asarray(gaussian_filter(values, sigma, mode="wrap" if periodic else "nearest"))
