"""Integration of a velocity in time.

Heun's method (order 2): Hairer, Norsett, Wanner, Solving ordinary differential
equations I (1993), doi:10.1007/978-3-540-78862-1.
"""

from collections.abc import Callable

from torch import Tensor

type Velocity = Callable[[Tensor, Tensor], Tensor]


def heun(velocity: Velocity, x: Tensor, *, start: float = 0.0, stop: float = 1.0, steps: int) -> Tensor:
    """Integrate dx/dt = velocity(x, t) by equal steps of Heun's method.

    Args:
        velocity: Takes x (batch, ...) and t (batch,).
        x: Start (batch, ...).
        start: First time.
        stop: Last time; below `start` to go back.
        steps: Number of steps, two evaluations each.
    """
    h = (stop - start) / steps
    for step in range(steps):
        t = x.new_full((len(x),), start + step * h)
        slope = velocity(x, t)
        x = x + 0.5 * h * (slope + velocity(x + h * slope, t + h))
    return x
