"""The settings of a training run."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How to train; written into the checkpoint.

    Args:
        steps: Optimiser steps of each player.
        batch_size: Samples per step.
        learning_rate: Peak of the schedule: linear warm-up, then half a cosine to zero.
        seed: Seed of batches, augmentation and the loss.
        weight_decay: Decoupled decay of AdamW (doi:10.48550/arXiv.1711.05101).
        average: Decay of the moving average of the weights, which is what the model
            holds at the end; 0 keeps the last weights.
        save_every: Steps between checkpoints.

    Raises:
        ValueError: A number is outside its range.
    """

    steps: int
    batch_size: int = 16
    learning_rate: float = 3e-3
    seed: int = 0
    weight_decay: float = 1e-4
    average: float = 0.99
    save_every: int = 200

    def __post_init__(self) -> None:
        if min(self.steps, self.batch_size, self.save_every) < 1:
            raise ValueError(
                "Recipe: expected steps, batch_size and save_every >= 1, "
                f"got {self.steps}, {self.batch_size}, {self.save_every}"
            )
        if not (0 < self.learning_rate < math.inf and 0 <= self.weight_decay < math.inf and 0 <= self.average < 1):
            raise ValueError(
                "Recipe: expected learning_rate > 0, weight_decay >= 0 and average in [0, 1), "
                f"got {self.learning_rate}, {self.weight_decay}, {self.average}"
            )

    def rate(self, step: int) -> float:
        """Learning rate of the step numbered from 0."""
        warm_up = max(1, self.steps // 20)
        cosine = 0.5 * (1 + math.cos(math.pi * step / self.steps))
        return self.learning_rate * min((step + 1) / warm_up, 1.0) * cosine

    def decay(self, step: int) -> float:
        """Decay of the moving average: shorter memory in the first steps."""
        return min(self.average, (1 + step) / (10 + step))
