"""Steps from noise to data along a Gaussian path.

Heun's method (order 2): Hairer, Norsett, Wanner, Solving ordinary differential equations I (1993),
doi:10.1007/978-3-540-78862-1. DDPM: Ho, Jain, Abbeel (2020), doi:10.48550/arXiv.2006.11239. DDIM: Song, Meng,
Ermon (2021), doi:10.48550/arXiv.2010.02502.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from genmech_fem.generative.gaussians import normal_like
from genmech_fem.generative.paths import GaussianPath

type Velocity = Callable[[Tensor, Tensor], Tensor]
"""x (batch, ...) and t (batch,) to dx/dt (batch, ...)."""
type Denoise = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""x_t (batch, ...) and t (batch,) to estimates of data and noise (batch, ...)."""

SAMPLERS = ("heun", "ddim", "ddpm")


def check_sampler(sampler: Sequence[object]) -> tuple[str, int]:
    """Name and number of steps.

    Raises:
        ValueError: There is no such sampler, or no step.
    """
    name, steps = sampler
    if name not in SAMPLERS or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"sampler: expected (one of {', '.join(SAMPLERS)}, steps >= 1), got {tuple(sampler)}")
    return str(name), steps


def heun_step(velocity: Velocity, x: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """One step of Heun's method from the time t () to the time s ()."""
    slope = velocity(x, t.expand(x.shape[0]))
    return x + 0.5 * (s - t) * (slope + velocity(x + (s - t) * slope, s.expand(x.shape[0])))


def heun(velocity: Velocity, x: Tensor, *, start: float = 0.0, stop: float = 1.0, steps: int) -> Tensor:
    """Integrate dx/dt = velocity(x, t) by equal steps of Heun's method.

    Args:
        velocity: The right-hand side.
        x: Start (batch, ...).
        start: First time.
        stop: Last time; below `start` to go back.
        steps: Number of steps, two evaluations each.
    """
    for t, s in pairwise(torch.linspace(start, stop, steps + 1, dtype=x.dtype, device=x.device)):
        x = heun_step(velocity, x, t, s)
    return x


def ancestral_step(
    denoise: Denoise, path: GaussianPath, x: Tensor, t: Tensor, s: Tensor, *, noise: Tensor | None = None
) -> Tensor:
    """One step from the time t () to the time s () by way of the estimated data and noise.

    With fresh noise, of the shape of x, as much of it is taken as in the posterior of the path (DDPM), without it none
    (DDIM).
    """
    x_0, eps = denoise(x, t.expand(x.shape[0]))
    if noise is None:
        return path.alpha(s) * x_0 + path.sigma(s) * eps
    ratio = path.alpha(t) * path.sigma(s) / (path.alpha(s) * path.sigma(t))
    fresh = path.sigma(s) * (1 - ratio**2).clamp(min=0).sqrt()
    kept = (path.sigma(s) ** 2 - fresh**2).clamp(min=0).sqrt()
    return path.alpha(s) * x_0 + kept * eps + fresh * noise


def renoise(path: GaussianPath, x: Tensor, s: Tensor, t: Tensor, generator: torch.Generator) -> Tensor:
    """Carry x_s back to a later time t () by adding noise."""
    ratio = path.alpha(t) / path.alpha(s)
    added = (path.sigma(t) ** 2 - (ratio * path.sigma(s)) ** 2).clamp(min=0).sqrt()
    return ratio * x + added * normal_like(x, generator)
