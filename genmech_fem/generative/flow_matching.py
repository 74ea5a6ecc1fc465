"""Conditional flow matching.

Lipman, Chen, Ben-Hamu, Nickel, Le, Flow matching for generative modeling (2023),
doi:10.48550/arXiv.2210.02747. Density of t: Esser et al. (2024),
doi:10.48550/arXiv.2403.03206.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genmech_fem.generative.model import LatentModel
from genmech_fem.generative.ode import Velocity, heun
from genmech_fem.nn import TimeEmbedding, UNet
from genmech_fem.training import Batch, Normalizer


class FlowMatching(LatentModel):
    r"""Transport of noise x_0 to data x_1 along :math:`\dot x_t = v(x_t, t, c)`.

    The network learns the velocity of the straight path
    :math:`x_t = (1 - t) x_0 + t x_1` by least squares against :math:`x_1 - x_0`. Data
    are periodic fields. Batches hold ``"x"`` (batch, channels, nx, ny) and, if
    conditional, ``"condition"`` (batch, condition_features), both in physical units.

    The latent of a sample is its noise x_0, standard normal, of the shape of x.

    Args:
        shape: Shape (channels, nx, ny) of one sample.
        condition_features: Length of the condition vector; 0 for none.
        widths: Channels of the U-Net's levels, fine to coarse.
        patch: Edge of the square of pixels gathered by the stem.
        bounds: Range of the data [unit of x], to which samples are clipped.
        steps: Heun steps from noise to data, two evaluations of the network each.
    """

    def __init__(
        self,
        shape: Sequence[int],
        condition_features: int = 0,
        *,
        widths: Sequence[int] = (32, 64, 96),
        patch: int = 2,
        bounds: tuple[float, float] | None = None,
        steps: int = 5,
    ) -> None:
        super().__init__()
        if steps < 1:
            raise ValueError(f"FlowMatching.steps: expected at least 1, got {steps}")
        self.shape, self.condition_features, self.widths = tuple(shape), condition_features, tuple(widths)
        self.patch, self.bounds, self.steps = patch, bounds, steps
        hidden = 2 * self.widths[0]
        self.data_scale = Normalizer(self.shape[0])
        self.condition_scale = Normalizer(condition_features)
        self.time = nn.Sequential(TimeEmbedding(hidden), nn.Linear(hidden, hidden))
        self.condition = (
            nn.Sequential(nn.Linear(condition_features, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
            if condition_features
            else None
        )
        self.network = UNet(self.shape[0], self.shape[0], channels=self.widths, condition_features=hidden, patch=patch)

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data."""
        return {
            "shape": list(self.shape),
            "condition_features": self.condition_features,
            "widths": list(self.widths),
            "patch": self.patch,
            "bounds": None if self.bounds is None else list(self.bounds),
            "steps": self.steps,
        }

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation, unless it is known from an earlier training."""
        if not self.data_scale.fitted:
            self.data_scale.fit(data["x"])
            if self.condition_features:
                self.condition_scale.fit(data["condition"])

    def velocity(self, x_t: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """Velocity (batch, channels, nx, ny) of the normalised field.

        Args:
            x_t: Normalised fields (batch, channels, nx, ny); standard normal at t = 0.
            t: Times (batch,) in [0, 1].
            condition: Condition (batch, condition_features) in physical units.
        """
        embedding = self.time(t)
        if self.condition is not None and condition is not None:
            embedding = embedding + self.condition(self.condition_scale.normalize(condition))
        return self.network(x_t, nn.functional.silu(embedding))

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """Mean square of ``v(x_t, t) - (x_1 - x_0)`` over logit-normal t and normal x_0."""
        x_1 = self.data_scale.normalize(batch["x"])
        x_0 = _normal_like(x_1, generator)
        t = _normal_like(x_1[:, 0, 0, 0], generator).sigmoid()
        s = t[:, None, None, None]
        return (self.velocity((1 - s) * x_0 + s * x_1, t, batch.get("condition")) - (x_1 - x_0)).square().mean()

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Tensor:
        """Draw n samples (n, channels, nx, ny) in physical units, clipped to `bounds`.

        Args:
            n: Number of samples.
            condition: (condition_features,) for all, or (n, condition_features).
            generator: Source of the noise, on the device of the model.

        Raises:
            ValueError: The condition is missing, unwanted, or of another shape.
        """
        noise = torch.randn((n, *self.shape), generator=generator, device=generator.device)
        return self.decode(noise, condition=condition)

    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Carry noise (batch, channels, nx, ny) to samples; differentiable."""
        x = self.data_scale.denormalize(heun(self._field(condition, len(z)), z, steps=self.steps))
        return x if self.bounds is None else x.clamp(*self.bounds)

    def encode(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Carry samples (batch, channels, nx, ny) back to their noise."""
        field = self._field(condition, len(x))
        return heun(field, self.data_scale.normalize(x), start=1.0, stop=0.0, steps=self.steps)

    def _field(self, condition: Tensor | None, n: int) -> Velocity:
        expected = [(n, self.condition_features), (self.condition_features,)] if self.condition_features else [None]
        given = None if condition is None else tuple(condition.shape)
        if given not in expected:
            raise ValueError(f"FlowMatching: expected a condition of shape {expected[0]}, got {given}")
        c = None if condition is None else condition.expand(n, -1)
        return lambda x, t: self.velocity(x, t, c)


def _normal_like(x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
