"""Adam: Kingma and Ba (2015), doi:10.48550/arXiv.1412.6980."""

from dataclasses import dataclass
from itertools import count
from typing import ClassVar

import numpy as np

from genmech_fem.design.search import Search, Space, given


@dataclass(frozen=True)
class Adam:
    """Gradient descent with momentum, of any number of designs at a time, each on its own.

    Args:
        rate: Length of a step, in the unit of the design variables.
        decay: Share of the mean of gradients, and of their squares, that is kept in a step.
        steps: Over which the rate falls to zero along a cosine; None keeps it.

    Raises:
        ValueError: The rate or the steps are not positive, or a decay is not in [0, 1).
    """

    gradients: ClassVar[bool] = True
    rate: float
    decay: tuple[float, float] = (0.9, 0.99)
    steps: int | None = None

    def __post_init__(self) -> None:
        if not (0 < self.rate < np.inf and all(0 <= share < 1 for share in self.decay)):
            raise ValueError(f"Adam: expected rate > 0 and decays in [0, 1), got {self.rate} and {self.decay}")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"Adam: expected at least one step, got {self.steps}")

    def search(self, space: Space) -> Search:
        """See `Optimizer`."""
        space.check("Adam", constraints=False)
        x, (first, second) = space.start, self.decay
        mean, square = np.zeros_like(x), np.zeros_like(x)
        for step in count(1):
            gradients = given((yield x).gradients)
            if step - 1 == self.steps:
                break
            mean = first * mean + (1 - first) * gradients
            square = second * square + (1 - second) * gradients**2
            change = mean / (1 - first**step) / (np.sqrt(square / (1 - second**step)) + 1e-12)
            x = np.clip(x - self._rate(step) * change, space.lower, space.upper)
        return f"Adam: {self.steps} steps done"

    def _rate(self, step: int) -> float:
        if self.steps is None:
            return self.rate
        return self.rate * (1 + float(np.cos(np.pi * (step - 1) / self.steps))) / 2
