"""Maps of cells in the plane: principal axes of their stiffness, or of their microstructure."""

from collections.abc import Callable

import numpy as np

from genmech_fem.explorer.source import ENTRIES
from genmech_fem.microstructure import radial_average, two_point_correlation, volume_fraction

type Features = Callable[[np.ndarray, np.ndarray], np.ndarray]

_WEIGHTS = np.sqrt([1.0, 2.0, 2.0, 1.0, 2.0, 1.0])


def stiffness_features(phase: np.ndarray, stiffness: np.ndarray) -> np.ndarray:  # noqa: ARG001
    """C* (cells, 6) [GPa], weighted so that distances are those of Frobenius."""
    return stiffness * _WEIGHTS


def microstructure_features(phase: np.ndarray, stiffness: np.ndarray) -> np.ndarray:  # noqa: ARG001
    """Two-point correlation over the distance (cells, shells) of cells (cells, nx, ny)."""
    return radial_average(two_point_correlation(phase))[1]


MAPS: dict[str, Features] = {"stiffness": stiffness_features, "microstructure": microstructure_features}


class Atlas:
    """The plane of the first two principal axes of some cells, scaled so that they fill the square from 0 to 1.

    Args:
        features: One of `MAPS`.
        phase: Cells (cells, nx, ny).
        stiffness: Their C* (cells, 6) [GPa].

    Attributes:
        points: Where the cells lie (cells, 2).
        shares: Share of the variance along each axis (2,).
    """

    def __init__(self, features: Features, phase: np.ndarray, stiffness: np.ndarray) -> None:
        rows = features(phase, stiffness)
        self._features, self._mean = features, rows.mean(axis=0)
        _, scale, axes = np.linalg.svd(rows - self._mean, full_matrices=False)
        self._axes = axes[:2] * np.sign(axes[:2].sum(axis=1, keepdims=True))
        self.shares = (scale[:2] ** 2 / max(float((scale**2).sum()), np.finfo(float).tiny)).tolist()
        plane = (rows - self._mean) @ self._axes.T
        self._low, self._high = plane.min(axis=0), plane.max(axis=0)
        self.points = self(phase, stiffness)

    def __call__(self, phase: np.ndarray, stiffness: np.ndarray) -> np.ndarray:
        """Where cells lie (cells, 2); others than those of the map may lie beyond the square."""
        plane = (self._features(phase, stiffness) - self._mean) @ self._axes.T
        return np.asarray((plane - self._low) / np.maximum(self._high - self._low, np.finfo(float).tiny))


def properties(phase: np.ndarray, stiffness: np.ndarray) -> dict[str, np.ndarray]:
    """What the cells of a map are coloured by (cells,)."""
    by_entry = dict(zip((f"{entry} [GPa]" for entry in ENTRIES), stiffness.T, strict=True))
    return by_entry | {"volume fraction": volume_fraction(phase)}
