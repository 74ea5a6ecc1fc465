"""Novelty: how far a design is from all that is known."""

from dataclasses import KW_ONLY, dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import KDTree
from scipy.special import logsumexp, softmax

from genmech_fem.design.density_field import Pull, density
from genmech_fem.design.features import features_of
from genmech_fem.fields import Arrays
from genmech_fem.forward import DifferentiableForwardModel

CHUNK = 64  # references whose features are found at a time
ROUND = 1e-6
"""Square of the relative distance below which the soft distance is round, as a distance has no derivative at 0."""


@dataclass(frozen=True, eq=False)
class Novelty:
    r"""Far from every reference: minus the smooth distance to the nearest of them.

    Distances d of features are relative to `scale`. The value is :math:`\tau \log \mathrm{mean}\, e^{-d / \tau}`
    over the n nearest references: minus the distance to the nearest one, or less by up to :math:`\tau \log n`.

    Args:
        reference: Known densities (references, *grid), such as a training set.
        features: A model with vjp from the density alone to one array, such as an encoder; None takes `Descriptors`.
        name: The density.
        neighbours: n, at most all references.
        smoothing: tau.

    Raises:
        ContractError: The references or the model do not fit.
        ValueError: Too few references differ, or a number is out of its range.
    """

    reference: np.ndarray
    features: DifferentiableForwardModel | None = None
    _: KW_ONLY
    name: str = "density"
    neighbours: int = 5
    smoothing: float = 0.1

    def __post_init__(self) -> None:
        if self.neighbours < 1 or not 0 < self.smoothing < np.inf:
            raise ValueError(
                f"Novelty: expected neighbours >= 1 and smoothing > 0, got {self.neighbours} and {self.smoothing}"
            )
        object.__setattr__(self, "reference", density({self.name: self.reference}, self.name))
        _ = self.scale

    def __call__(self, arrays: Arrays) -> np.ndarray:
        """Minus the smooth relative distance (batch,)."""
        _, distances = self._to_nearest(self._features(self._images(arrays))[0])
        return self.smoothing * (logsumexp(-distances / self.smoothing, axis=1) - np.log(distances.shape[1]))

    def gradient(self, arrays: Arrays) -> Arrays:
        """Derivative by the density."""
        rows, back = self._features(self._images(arrays))
        steps, distances = self._to_nearest(rows)
        weights = softmax(-distances / self.smoothing, axis=1) / distances
        return {self.name: back(-np.einsum("bn,bnf->bf", weights, steps) / self.scale)}

    def measure(self, arrays: Arrays) -> np.ndarray:
        """Distance to the nearest reference over `scale` (batch,): large is new, 1 as far as references are apart."""
        rows, _ = self._features(self._images(arrays))
        return self._known.query(rows)[0] / self.scale

    @cached_property
    def scale(self) -> float:
        """Median distance of a reference to the nearest other one, in the unit of the features."""
        median = float(np.median(self._known.query(self._known.data, [2])[0]))
        if not 0 < median < np.inf:
            raise ValueError(
                f"Novelty: expected different references to measure distances by, the median distance between "
                f"neighbours of {len(self.reference)} is {median}: drop copies, or give more references"
            )
        return median

    @cached_property
    def _known(self) -> KDTree:
        parts = np.array_split(self.reference, -(-len(self.reference) // CHUNK))
        return KDTree(np.concatenate([self._features(part)[0] for part in parts]))

    def _features(self, images: np.ndarray) -> tuple[np.ndarray, Pull]:
        return features_of(self.features, images, self.name)

    def _images(self, arrays: Arrays) -> np.ndarray:
        return density(arrays, self.name, self.reference.shape[1:])

    def _to_nearest(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Relative vectors (batch, neighbours, features) from the nearest references, and their smooth lengths."""
        nearest = np.arange(1, min(self.neighbours, len(self.reference)) + 1)
        steps = (rows[:, None] - self._known.data[self._known.query(rows, nearest)[1]]) / self.scale
        return steps, np.sqrt((steps**2).sum(axis=2) + ROUND)
