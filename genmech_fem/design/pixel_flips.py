r"""Which pixels of a two-phase cell to flip, and what that does: the steps of `refine_cell`.

The effect of a flip is its derivative times the change of the value times a factor, one for each direction: at contrast
c a pixel that becomes hard does about :math:`c^{-2/3}` of what its derivative says, and one that becomes soft
:math:`c^{1/2}` times as much. Every solve corrects the two factors: Kalman, J. Basic Eng. 82 (1960),
doi:10.1115/1.3662552.
"""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class PixelFlips:
    """How pixels are flipped.

    Args:
        values: What the model takes for the phases 0 and 1, such as their moduli [GPa]; both above zero.
        most: Largest share of the pixels that one step flips.
        roughness: Price of each flip that makes an interface longer, relative to the squared error.
        patience: Steps in turn without progress after which the next start is taken.
        boundary: Whether pixels at opposite sides are neighbours.

    Raises:
        ValueError: A number is outside its range.
    """

    values: tuple[float, float]
    most: float = 0.04
    roughness: float = 0.01
    patience: int = 4
    boundary: Literal["periodic", "open"] = "periodic"

    def __post_init__(self) -> None:
        if not (min(self.values) > 0 and max(self.values) < np.inf and self.values[0] != self.values[1]):
            raise ValueError(f"PixelFlips.values: expected two different values above 0, got {self.values}")
        if not (0 < self.most <= 1 and self.roughness >= 0 and self.patience >= 1):
            raise ValueError(
                "PixelFlips: expected 0 < most <= 1, roughness >= 0 and patience >= 1, "
                f"got {self.most}, {self.roughness} and {self.patience}"
            )

    def unlike(self, phase: np.ndarray) -> np.ndarray:
        """Number of the neighbours across a face (*grid) that are of the other phase than a pixel."""
        padded = np.pad(phase, 1, "wrap" if self.boundary == "periodic" else "edge")
        inner = tuple(slice(1, -1) for _ in phase.shape)
        sides = product(range(phase.ndim), (1, -1))
        return np.sum([np.roll(padded, side, axis)[inner] != phase for axis, side in sides], axis=0)

    @staticmethod
    def best(missing: np.ndarray, effects: np.ndarray, prices: np.ndarray, limit: int) -> np.ndarray:
        """Choose flips one by one whose effects (flips, size) add up to what is `missing` (size,), their indices.

        Args:
            missing: The wanted sum.
            effects: What each flip adds.
            prices: By how much each has to lower the squared error (flips,).
            limit: Most flips.
        """
        chosen: list[int] = []
        rest, price = missing, prices.copy()
        for _ in range(min(limit, len(effects))):
            lost = ((rest - effects) ** 2).sum(axis=1) + price
            i = int(lost.argmin())
            if lost[i] >= rest @ rest:
                break
            chosen.append(i)
            rest, price[i] = rest - effects[i], np.inf
        return np.array(chosen, dtype=int)


class FlipFactors:
    """The factors from derivatives to effects, of flips out of phase 0 and out of phase 1.

    Args:
        values: What the model takes for the phases 0 and 1.
    """

    noise, drift, reach = 0.2, 0.15, 4.0

    def __init__(self, values: tuple[float, float]) -> None:
        contrast = np.array([values[1] / values[0], values[0] / values[1]])
        self.first = np.where(contrast > 1, contrast ** (-2 / 3), contrast ** (-1 / 2))
        self.values, self.covariance = self.first, np.diag((0.5 * self.first) ** 2)

    def learn(self, predicted: np.ndarray, found: np.ndarray) -> None:
        """Correct the factors.

        Args:
            predicted: What the derivatives say of the flips out of each phase (size, 2).
            found: What they did together (size,).
        """
        noise = self.noise**2 * (found @ found) * np.eye(len(found))
        kept = self.covariance @ predicted.T
        gain = kept @ np.linalg.pinv(predicted @ kept + noise)
        corrected = self.values + gain @ (found - predicted @ self.values)
        self.values = np.clip(corrected, self.first / self.reach, self.first * self.reach)
        self.covariance = self.covariance - gain @ kept.T + np.diag((self.drift * self.values) ** 2)
