"""Statistics of each phase image of a set, from which the scores of the report card come."""

from dataclasses import dataclass, fields, replace

import numpy as np

from genmech_fem.microstructure import (
    circular_share,
    components,
    lineal_path,
    radial_average,
    seam_mismatch,
    two_point_correlation,
    volume_fraction,
)

GREY = (0.1, 0.9)
SEAM_LIMIT = 100.0  # an image of which only the sides differ must not rule the mean
PIXELS = 2**23  # of images whose correlations are held at a time


@dataclass(frozen=True)
class ImageStatistics:
    """Statistics of n images.

    Args:
        volume_fraction: Mean of each image (n,).
        radii: Distances at which `correlation` is known (shells,) [pixel].
        correlation: S2 in the mean over all directions (n, shells).
        lineal_path: L(r) for r = 0, 1, ... [pixel] in the mean over the axes (n, pixels).
        component_count: Number of inclusions (n,).
        circularity: Mean circularity of the inclusions (n,); 0 without one.
        disc_share: Share of the inclusions that are discs (n,); None in 3D.
        seam: Jump over the border over that between neighbours inside, in the mean over the axes (n,).
        grey_share: Share of the pixels between `GREY` (n,).
    """

    volume_fraction: np.ndarray
    radii: np.ndarray
    correlation: np.ndarray
    lineal_path: np.ndarray
    component_count: np.ndarray
    circularity: np.ndarray
    disc_share: np.ndarray | None
    seam: np.ndarray
    grey_share: np.ndarray

    @classmethod
    def of(cls, images: np.ndarray) -> "ImageStatistics":
        """Statistics of phase images (n, *grid), binary at 0.5 where the descriptor wants that."""
        parts = np.array_split(images, -(-images.size // PIXELS))
        radial = [radial_average(two_point_correlation(part)) for part in parts]
        found = [components(image) for image in images]
        grey = (images > GREY[0]) & (images < GREY[1])
        return cls(
            volume_fraction=volume_fraction(images),
            radii=radial[0][0],
            correlation=np.concatenate([values for _, values in radial]),
            lineal_path=np.concatenate([_mean_lineal_path(part) for part in parts]),
            component_count=np.array([len(one.sizes) for one in found]),
            circularity=np.array([one.circularity.mean() if len(one.sizes) else 0.0 for one in found]),
            disc_share=circular_share(images) if images.ndim == 3 else None,
            seam=np.minimum(seam_mismatch(images), SEAM_LIMIT).mean(axis=1),
            grey_share=grey.reshape(len(images), -1).mean(axis=1),
        )

    def take(self, rows: np.ndarray) -> "ImageStatistics":
        """Those of the images of the numbers `rows` (m,)."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "radii"}
        return replace(self, **{name: array[rows] for name, array in arrays.items() if array is not None})

    @property
    def autocovariance(self) -> np.ndarray:
        """S2(r) less the square of the volume fraction of the same binary image (n, shells)."""
        return self.correlation - self.correlation[:, :1] ** 2

    def features(self) -> np.ndarray:
        """Descriptors as one point for each image (n, features).

        Volume fraction, autocovariance and lineal path at 1, 2, 4, ... pixels, number of inclusions, circularity.
        """
        radii = 2 ** np.arange(int(np.log2(len(self.radii) - 1)) + 1)
        return np.column_stack(
            [
                self.volume_fraction,
                self.autocovariance[:, radii],
                self.lineal_path[:, radii],
                self.component_count,
                self.circularity,
            ]
        )


def _mean_lineal_path(images: np.ndarray) -> np.ndarray:
    """Mean over the axes (n, pixels), up to the shortest side."""
    shortest = min(images.shape[1:])
    return np.mean([lineal_path(images, axis)[:, :shortest] for axis in range(images.ndim - 1)], axis=0)
