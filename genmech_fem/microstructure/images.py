"""What descriptors take: batches of images, binary at 0.5."""

import numpy as np

from genmech_fem.errors import ContractError


def binary_images(phase: np.ndarray) -> np.ndarray:
    """Phase 1 of each image, as booleans (batch, *grid): where `phase` is above 0.5.

    Raises:
        ContractError: Not a batch of 2D or 3D images, or not finite.
    """
    images = np.asarray(phase)
    if images.ndim not in (3, 4) or 0 in images.shape:
        raise ContractError(f"expected images (batch, nx, ny) or (batch, nx, ny, nz), got shape {images.shape}")
    if not np.isfinite(images).all():
        raise ContractError("expected images of finite numbers, got NaN or infinity")
    return images if images.dtype == bool else images > 0.5


def check_axis(axis: int, images: np.ndarray) -> None:
    """Demand that `axis` is an axis of the grid of `images` (batch, *grid).

    Raises:
        ValueError: It is not.
    """
    if not 0 <= axis < images.ndim - 1:
        raise ValueError(f"axis: expected 0 to {images.ndim - 2}, got {axis}")
