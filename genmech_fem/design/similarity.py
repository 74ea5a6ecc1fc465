"""A design that looks like a picture, by the structural similarity.

Wang, Bovik, Sheikh and Simoncelli (2004), doi:10.1109/TIP.2003.819861.
"""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
from scipy.ndimage import gaussian_filter

from genmech_fem.design.density_field import SOLID, cell_mean, density
from genmech_fem.fields import Arrays

C1, C2 = 0.01**2, 0.03**2  # the usual constants for pictures from 0 to 1


@dataclass(frozen=True, eq=False)
class Similarity:
    """Like a picture: one minus the mean structural similarity, between 0 and 2.

    Args:
        reference: The picture (*grid), from 0 to 1.
        name: The density.
        width: Standard deviation of the Gaussian windows [cell]; 1.5 is usual to compare pictures, but windows in
            which the reference is flat give descent a hard way.

    Raises:
        ContractError: The reference is no picture.
        ValueError: The width is not positive.
    """

    reference: np.ndarray
    name: str = "density"
    _: KW_ONLY
    width: float = 3.0

    def __post_init__(self) -> None:
        if not 0 < self.width < np.inf:
            raise ValueError(f"width: expected a number above 0, got {self.width}")
        picture = density({self.name: np.asarray(self.reference)[None]}, self.name)[0]
        object.__setattr__(self, "reference", picture)

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """One minus the mean structural similarity (batch,)."""
        return 1 - cell_mean(self._similarity(self._images(arrays))[0])

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative by the density."""
        x, y = self._images(arrays), self.reference
        _, by_mean, by_square, by_product = self._similarity(x)
        # the blur with reflection at the border is symmetric
        slope = self._blur(by_mean) + 2 * x * self._blur(by_square) + y * self._blur(by_product)
        return {self.name: -slope / y.size}

    def measure(self, arrays: Arrays) -> np.ndarray:
        """Intersection over union of the solid cells (batch,): large is alike, 1 if they are the same."""
        x, y = self._images(arrays) > SOLID, self.reference > SOLID
        both, either = ((x & y).reshape(len(x), -1).sum(axis=1), (x | y).reshape(len(x), -1).sum(axis=1))
        return np.where(either > 0, both / np.maximum(either, 1), 1.0)

    def _images(self, arrays: Arrays) -> np.ndarray:
        return density(arrays, self.name, self.reference.shape)

    def _blur(self, x: np.ndarray) -> np.ndarray:
        return gaussian_filter(x, (0, *[self.width] * self.reference.ndim), mode="reflect")

    @cached_property
    def _reference_means(self) -> tuple[np.ndarray, np.ndarray]:
        """Local means of the reference and of its square, each (1, *grid)."""
        y = self.reference[None]
        return self._blur(y), self._blur(y**2)

    def _similarity(self, x: np.ndarray) -> tuple[np.ndarray, ...]:
        """Map of the similarity, and its derivatives by the local means of x, x^2 and x times the reference."""
        mean, (other, other_square) = self._blur(x), self._reference_means
        luminance, brightness = 2 * mean * other + C1, mean**2 + other**2 + C1
        covariance = 2 * (self._blur(x * self.reference) - mean * other) + C2
        variance = self._blur(x**2) - mean**2 + other_square - other**2 + C2
        scale = brightness * variance
        similarity = luminance * covariance / scale
        by_mean = 2 * other * (covariance - luminance) / scale - 2 * mean * similarity * (1 / brightness - 1 / variance)
        return similarity, by_mean, -similarity / variance, 2 * luminance / scale
