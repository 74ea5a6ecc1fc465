"""Ways between noise and data along a Gaussian path: all steps of a sampler, with or without chance.

Steps that are taken anew from noised data: Lugmayr et al., RePaint (2022), doi:10.1109/CVPR52688.2022.01117.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from genmech_fem.generative.gaussians import normal_like
from genmech_fem.generative.paths import GaussianPath
from genmech_fem.generative.samplers import Denoise, Velocity, ancestral_step, heun_step, renoise

type Project = Callable[[Tensor, Tensor], Tensor]
"""Normalised x (batch, channels, *grid) at the time s () to what is kept of it."""


@dataclass(frozen=True)
class Walk:
    """A sampler on a path; x is normalised (batch, channels, *grid), the noise is at the time 1, the data at 0.

    Args:
        path: The path.
        sampler: ``("heun" | "ddim" | "ddpm", steps)`` for the whole path.
        velocity: dx/dt, from data to noise.
        denoise: Data and noise that are seen in x.
    """

    path: GaussianPath
    sampler: tuple[str, int]
    velocity: Velocity
    denoise: Denoise

    def follow(self, x: Tensor, *, start: float = 1.0, stop: float = 0.0, noise: Tensor | None = None) -> Tensor:
        """Take all steps from one time to another, each with its noise (steps, batch, ...) if that is given."""
        for step, (t, s) in enumerate(pairwise(self._times(x, start, stop))):
            x = self._step(x, t, s, None if noise is None else noise[step])
        return x

    def draw(
        self,
        x: Tensor,
        generator: torch.Generator,
        *,
        start: float = 1.0,
        project: Project | None = None,
        repeats: int = 1,
    ) -> Tensor:
        """Take all steps from a time to the data, with fresh noise where the sampler adds some.

        Args:
            x: Where to begin.
            generator: Source of the noise.
            start: First time.
            project: Changes x after each step.
            repeats: How often each step is taken, with noise added in between.
        """
        for t, s in pairwise(self._times(x, start, 0.0)):
            for again in reversed(range(repeats)):
                y = self._step(x, t, s, normal_like(x, generator) if self.sampler[0] == "ddpm" else None)
                y = y if project is None else project(y, s)
                if again:
                    x = renoise(self.path, y, s, t, generator)
            x = y
        return x

    def _times(self, x: Tensor, start: float, stop: float) -> Tensor:
        """Times (steps + 1,), as many as this share of the path takes, of the type and place of x."""
        count = max(1, round(self.sampler[1] * abs(stop - start)))
        return torch.linspace(start, stop, count + 1, dtype=x.dtype, device=x.device)

    def _step(self, x: Tensor, t: Tensor, s: Tensor, noise: Tensor | None) -> Tensor:
        if self.sampler[0] == "heun":
            return heun_step(self.velocity, x, t, s)
        return ancestral_step(self.denoise, self.path, x, t, s, noise=noise)
