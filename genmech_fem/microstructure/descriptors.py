"""Statistical descriptors of periodic two-phase images.

Torquato, Random Heterogeneous Materials (2002), doi:10.1007/978-1-4757-6355-3.
"""

import numpy as np
from skimage.measure import label, regionprops


def volume_fraction(phase: np.ndarray) -> np.ndarray:
    """Share of phase 1: the mean of ``phase`` (batch, *grid) over each sample, shape (batch,)."""
    return phase.reshape(len(phase), -1).mean(axis=1)


def two_point_correlation(phase: np.ndarray) -> np.ndarray:
    """S2(r): probability that both ends of r lie in phase 1, on the torus.

    Args:
        phase: Images (batch, nx, ny), taken as phase 1 where above 0.5.

    Returns:
        S2 (batch, nx, ny); entry (0, 0) is the volume fraction of the binary image.
    """
    binary = (phase > 0.5).astype(float)
    spectrum = np.abs(np.fft.rfft2(binary)) ** 2
    return np.fft.irfft2(spectrum, s=binary.shape[1:]) / binary[0].size


def circular_share(phase: np.ndarray, tolerance: float = 0.12) -> np.ndarray:
    """Share of the inclusions of each image that are discs.

    An inclusion counts as a disc if it covers at least ``1 - tolerance`` of the disc
    that has its area and its centroid. Inclusions crossing the border are joined
    by tiling the image.

    Args:
        phase: Images (batch, nx, ny), taken as inclusions where above 0.5.
        tolerance: Largest share of the disc that may be missed.

    Returns:
        Share (batch,); 0 for an image without an inclusion.
    """
    return np.array([_circular_share(image > 0.5, tolerance) for image in phase])


def _circular_share(image: np.ndarray, tolerance: float) -> float:
    size = np.array(image.shape)
    good, total = 0, 0
    for region in regionprops(label(np.tile(image, (2, 2)), connectivity=1)):
        low, high = np.array(region.bbox[:2]), np.array(region.bbox[2:])
        inside = (low > 0).all() and (high < 2 * size).all()
        first_copy = (low <= size).all()
        if not (inside and first_copy):
            continue
        points = region.coords - region.coords.mean(axis=0)
        missed = np.mean((points**2).sum(axis=1) > region.area / np.pi + 0.5)
        good += missed <= tolerance
        total += 1
    return good / total if total else 0.0
