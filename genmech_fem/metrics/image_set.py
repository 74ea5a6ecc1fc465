"""A set of images with everything about them that the report card compares."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from genmech_fem.errors import ContractError, NotFiniteError
from genmech_fem.forward import ForwardModel
from genmech_fem.metrics.classes import Classes
from genmech_fem.metrics.effective import EffectiveProperties, solve_each
from genmech_fem.metrics.image_statistics import ImageStatistics
from genmech_fem.metrics.memorization import nearest_distance

ROUNDING = 1e-6


@dataclass(frozen=True)
class ImageSet:
    """Images with what was measured on each.

    Args:
        images: Phase images (n, *grid).
        statistics: Their statistics.
        classes: Their classes, if there is a classifier.
        distances: Distance (n,) to the nearest training image, if there are any.
        properties: Their effective properties, if there is a solver.
    """

    images: np.ndarray
    statistics: ImageStatistics
    classes: Classes | None
    distances: np.ndarray | None
    properties: EffectiveProperties | None

    @classmethod
    def measure(
        cls,
        images: np.ndarray,
        *,
        training: np.ndarray | None = None,
        solver: ForwardModel | None = None,
        labels: Callable[[np.ndarray], np.ndarray] | None = None,
        progress: Callable[[], None] = lambda: None,
    ) -> "ImageSet":
        """Measure all images (n, *grid); see `report_card` for the other arguments."""
        return cls(
            images,
            ImageStatistics.of(images),
            None if labels is None else Classes.of(images, labels),
            None if training is None else nearest_distance(images, training)[0],
            None if solver is None else solve_each(solver, images, progress),
        )

    def take(self, rows: np.ndarray) -> "ImageSet":
        """The images of the numbers `rows` (m,)."""
        return ImageSet(
            self.images[rows],
            self.statistics.take(rows),
            None if self.classes is None else self.classes.take(rows),
            None if self.distances is None else self.distances[rows],
            None if self.properties is None else self.properties.take(rows),
        )


def phase_images(images: np.ndarray, name: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Return `images` (n, *grid) as floating-point numbers after a check.

    Args:
        images: Phase images, 2D or 3D.
        name: What errors call them.
        shape: The grid that they have to have.

    Raises:
        ContractError: Not images of this shape in [0, 1].
        NotFiniteError: A pixel is NaN or infinite.
    """
    array = np.asarray(images)
    if array.dtype.kind not in "fiub" or array.ndim not in (3, 4) or not len(array) or min(array.shape[1:]) < 2:
        raise ContractError(
            f"{name}: expected phase images (n, nx, ny[, nz]) without an axis of channels, "
            f"got shape {array.shape} of {array.dtype}"
        )
    if shape is not None and array.shape[1:] != shape:
        raise ContractError(f"{name}: expected images of the shape {shape} of the samples, got {array.shape[1:]}")
    array = array.astype(float)
    if not np.isfinite(array).all():
        raise NotFiniteError(f"{name}: expected finite numbers, got NaN or infinity")
    if array.min() < -ROUNDING or array.max() > 1 + ROUNDING:
        raise ContractError(
            f"{name}: expected phase images in [0, 1], got {array.min():.4g} to {array.max():.4g}: scale or clip them"
        )
    return array
