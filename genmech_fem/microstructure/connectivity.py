"""Descriptors of the connected parts of phase 1: inclusions, their shape and distances, percolation.

Circularity: Zunic, Hirota and Rosin, Pattern Recognit. 43 (2010), doi:10.1016/j.patcog.2009.06.017.
"""

import numpy as np
from scipy.ndimage import label
from scipy.spatial import KDTree
from skimage.measure import regionprops

from genmech_fem.microstructure.connected_parts import components
from genmech_fem.microstructure.images import binary_images


def component_count(phase: np.ndarray, diagonal: bool = False, periodic: bool = True) -> np.ndarray:
    """Number of connected parts (batch,) of phase 1 of each image (batch, *grid); see `components`."""
    return np.array([len(components(i, diagonal, periodic).sizes) for i in binary_images(phase)])


def percolation(phase: np.ndarray, diagonal: bool = False, periodic: bool = True) -> np.ndarray:
    """Whether phase 1 of each image (batch, *grid) percolates along each axis: (batch, dimension); see `components`."""
    return np.array([components(i, diagonal, periodic).percolates.any(axis=0) for i in binary_images(phase)])


def nearest_neighbour_distances(phase: np.ndarray, pixel: float = 1.0, diagonal: bool = False) -> list[np.ndarray]:
    """Distance from the centroid of each inclusion to the nearest other one, on the torus.

    Args:
        phase: Images (batch, *grid), taken as inclusions where above 0.5.
        pixel: Edge of a pixel [length].
        diagonal: Whether pixels that share only a corner or an edge are connected.

    Returns:
        For each image the distances (inclusions,) [length], in the order of `components`; empty where
        there are fewer than two inclusions. A component that percolates is no inclusion.
    """
    distances = []
    for image in binary_images(phase):
        found = components(image, diagonal)
        centres = found.centroids[~found.percolates.any(axis=1)]
        if len(centres) < 2:
            distances.append(np.empty(0))
            continue
        tree = KDTree(centres, boxsize=np.array(image.shape, dtype=float))
        distances.append(pixel * tree.query(centres, 2)[0][:, 1])
    return distances


def circularity(phase: np.ndarray, diagonal: bool = False) -> list[np.ndarray]:
    """How nearly each component of each image (batch, *grid) is a disc or ball; see `Components.circularity`.

    A square has 0.955, an equilateral triangle 0.827, a cube 0.924, whatever the size and rotation.

    Returns:
        For each image the circularity (components,).
    """
    return [components(image, diagonal).circularity for image in binary_images(phase)]


def circular_share(phase: np.ndarray, tolerance: float = 0.12) -> np.ndarray:
    """Share of the inclusions of each image that are discs.

    An inclusion counts as a disc if it covers at least ``1 - tolerance`` of the disc
    that has its area and its centroid (a square covers 0.91). Inclusions crossing the
    border are joined by tiling the image.

    Args:
        phase: Images (batch, nx, ny), taken as inclusions where above 0.5.
        tolerance: Largest share of the disc that may be missed.

    Returns:
        Share (batch,); 0 for an image without an inclusion.
    """
    return np.array([_circular_share(image > 0.5, tolerance) for image in phase])


def _circular_share(image: np.ndarray, tolerance: float) -> float:
    """The share for one image; on the tiled image each inclusion counts where it begins in the first copy."""
    size = np.array(image.shape)
    good, total = 0, 0
    for region in regionprops(label(np.tile(image, (2, 2)))[0]):
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
