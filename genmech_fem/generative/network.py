"""The network that diffusion and flow matching train unless they are given another one."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from genmech_fem.generative.architecture import Architecture
from genmech_fem.nn import TimeEmbedding


class ConditionalNetwork(Protocol):
    """What a network on a Gaussian path has to offer; those of other packages fit with a few lines around them.

    Takes normalised fields x (batch, channels, *grid), times t (batch,) in [0, 1] and the encoded condition: normalised
    numbers or one-hot classes (batch, size), normalised fields (batch, size, *grid), or None; returns fields like x.
    """

    def __call__(self, x: Tensor, t: Tensor, condition: Tensor | None) -> Tensor:
        """The prediction (batch, channels, *grid)."""


class TimedUNet(nn.Module):
    """U-Net whose blocks are modulated by the time and by a condition vector; condition fields enter beside x.

    Args:
        shape: Shape (channels, *grid) of x.
        features: Length of the condition vector; 0 for none.
        channels: Channels of the condition fields; 0 for none.
        sizes: Sizes of the U-Net.
    """

    def __init__(self, shape: Sequence[int], features: int, channels: int, sizes: Architecture) -> None:
        super().__init__()
        hidden = 2 * sizes.widths[0]
        self.channels = channels
        self.time = nn.Sequential(TimeEmbedding(hidden), nn.Linear(hidden, hidden))
        self.condition = (
            nn.Sequential(nn.Linear(features, hidden), nn.SiLU(), nn.Linear(hidden, hidden)) if features else None
        )
        self.unet = sizes.unet(shape[0] + channels, shape, condition_features=hidden)

    def forward(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """See `ConditionalNetwork`."""
        embedding = self.time(t)
        if self.condition is not None and condition is not None:
            embedding = embedding + self.condition(condition)
        if self.channels:
            fields = x.new_zeros(x.shape[0], self.channels, *x.shape[2:]) if condition is None else condition
            x = torch.cat([x, fields], dim=1)
        return self.unet(x, nn.functional.silu(embedding))
