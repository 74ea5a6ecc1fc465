"""The settings of a training run."""

import math
from dataclasses import dataclass

WARM_UP = 0.05  # share of the budget in which the learning rate rises


@dataclass(frozen=True)
class Recipe:
    """How to train; written into the checkpoint.

    The budget is one of `steps`, `epochs` and `seconds`.

    Args:
        steps: Optimiser steps of each player.
        batch_size: Samples per step.
        learning_rate: Peak of the schedule: linear warm-up, then half a cosine to zero.
        seed: Seed of batches, augmentation and the loss.
        weight_decay: Decoupled decay of AdamW (doi:10.48550/arXiv.1711.05101).
        average: Decay of the moving average of the weights, which is what the model
            holds at the end; 0 keeps the last weights.
        clip: Largest norm of a player's gradient.
        save_every: Steps between checkpoints.
        epochs: Passes through the data.
        seconds: Wall time of the steps [s], earlier calls of a resumed run included.
        parts: Parts of a batch whose gradients are averaged, each with random numbers of its own. Several
            processes share the parts, so the number of processes does not change the result.

    Raises:
        ValueError: A number is outside its range, or there is not exactly one budget.
    """

    steps: int | None = None
    batch_size: int = 16
    learning_rate: float = 3e-3
    seed: int = 0
    weight_decay: float = 1e-4
    average: float = 0.99
    clip: float = 1.0
    save_every: int = 200
    epochs: float | None = None
    seconds: float | None = None
    parts: int = 1

    def __post_init__(self) -> None:
        budgets = [budget for budget in (self.steps, self.epochs, self.seconds) if budget is not None]
        if len(budgets) != 1 or not 0 < budgets[0] < math.inf:
            raise ValueError(
                "Recipe: expected one budget out of steps, epochs and seconds, above 0, "
                f"got steps={self.steps}, epochs={self.epochs}, seconds={self.seconds}"
            )
        if min(self.batch_size, self.save_every, self.parts) < 1 or self.batch_size % self.parts:
            raise ValueError(
                "Recipe: expected batch_size, save_every and parts >= 1, and parts to divide batch_size, "
                f"got {self.batch_size}, {self.save_every}, {self.parts}"
            )
        if not (0 < self.learning_rate < math.inf and 0 <= self.weight_decay < math.inf and 0 <= self.average < 1):
            raise ValueError(
                "Recipe: expected learning_rate > 0, weight_decay >= 0 and average in [0, 1), "
                f"got {self.learning_rate}, {self.weight_decay}, {self.average}"
            )
        if not self.clip > 0:
            raise ValueError(f"Recipe: expected clip > 0, got {self.clip}")

    def fraction(self, step: int, samples: int, seconds: float) -> float:
        """Share of the budget, 0 to 1, that is used after so many steps and seconds of training on so many samples."""
        if self.seconds is not None:
            return min(1.0, seconds / self.seconds)
        steps = self.steps or max(1, round((self.epochs or 0) * (samples // self.batch_size)))
        return min(1.0, step / steps)

    def rate(self, fraction: float) -> float:
        """Learning rate once this share of the budget is used."""
        rise = min(1.0, max(fraction, 0.1 * WARM_UP) / WARM_UP)
        return self.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * fraction))

    def decay(self, step: int) -> float:
        """Decay of the moving average: shorter memory in the first steps."""
        return min(self.average, (1 + step) / (10 + step))
