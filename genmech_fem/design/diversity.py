"""Diversity of a batch of designs: the log-determinant of a determinantal point process.

Kulesza and Taskar (2012), doi:10.1561/2200000044; Vendi score: Friedman and Dieng (2023),
doi:10.48550/arXiv.2210.02410.
"""

from dataclasses import KW_ONLY, dataclass

import numpy as np
from scipy.spatial.distance import pdist, squareform

from genmech_fem.design.density_field import Pull, density
from genmech_fem.design.features import features_of
from genmech_fem.fields import Arrays
from genmech_fem.forward import DifferentiableForwardModel
from genmech_fem.metrics import vendi_score


@dataclass(frozen=True)
class Diversity:
    r"""A batch whose designs differ: :math:`-\log\det(K + \varepsilon I) / n` for the batch of n.

    K is the Gaussian kernel :math:`\exp(-d^2 / 2 w^2)` of the distances d of features. Each sample gets an n-th of
    the batch's value, so that their sum is that value; it is :math:`-\log(1 + \varepsilon)` at best.

    Args:
        name: The density.
        features: A model with vjp from the density alone to one array, such as an encoder; None takes `Descriptors`.
        width: w, in the unit of the features. None is the median distance within the batch: then the value judges
            how even the distances are, not how large, and its gradient sees the median move.
        ridge: epsilon.

    Raises:
        ContractError: The model does not fit.
        ValueError: A number is out of its range.
    """

    name: str = "density"
    features: DifferentiableForwardModel | None = None
    _: KW_ONLY
    width: float | None = None
    ridge: float = 1e-3

    def __post_init__(self) -> None:
        if not (0 < self.ridge < np.inf and (self.width is None or 0 < self.width < np.inf)):
            raise ValueError(f"Diversity: expected width and ridge above 0, got {self.width} and {self.ridge}")

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """The batch's value over its size, for each sample (batch,)."""
        kernel = self._kernel(self._features(arrays)[0])[0]
        n = len(kernel)
        return np.full(n, -np.linalg.slogdet(kernel + self.ridge * np.eye(n))[1] / n**2)

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative of the batch's value by the density."""
        rows, back = self._features(arrays)
        kernel, squares, width, by_median = self._kernel(rows)
        n = len(kernel)
        slope = np.linalg.inv(kernel + self.ridge * np.eye(n)) * kernel / n
        by_square = slope / (2 * width**2) - np.sum(slope * squares) / width**3 * by_median
        return {self.name: back(4 * (by_square.sum(axis=1, keepdims=True) * rows - by_square @ rows))}

    def measure(self, arrays: Arrays) -> np.ndarray:
        """Vendi score of K, the same for each sample (batch,): n if no two are alike, 1 if all are."""
        kernel = self._kernel(self._features(arrays)[0])[0]
        return np.full(len(kernel), vendi_score(kernel))

    def _features(self, arrays: Arrays) -> tuple[np.ndarray, Pull]:
        return features_of(self.features, density(arrays, self.name), self.name)

    def _kernel(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, float, np.ndarray]:
        """K, the squares of the distances, the width, and its derivative by those squares (n, n)."""
        squares = pdist(rows, "sqeuclidean")
        width, slope = _median(squares) if self.width is None else (self.width, np.zeros_like(squares))
        matrix = squareform(squares)
        return np.exp(-matrix / (2 * width**2)), matrix, width, squareform(slope) / 2


def _median(squares: np.ndarray) -> tuple[float, np.ndarray]:
    """Median distance of pairs that differ, from the squares of all pairs, and its derivative by them."""
    order, slope = np.argsort(squares), np.zeros_like(squares)
    order = order[squares[order] > 0]
    if not order.size:
        return 1.0, slope  # of equal designs, whose kernel is 1 at any width
    middle = order[(order.size - 1) // 2 : order.size // 2 + 1]
    distances = np.sqrt(squares[middle])
    slope[middle] = 1 / (2 * distances * middle.size)
    return float(distances.mean()), slope
