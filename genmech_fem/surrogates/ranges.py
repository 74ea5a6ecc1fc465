"""Which inputs a network has seen."""

import torch
from torch import Tensor, nn


class TrainingRange(nn.Module):
    """Lowest and highest value of each channel over the training data.

    Args:
        channels: Number of channels.
    """

    low: Tensor
    high: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("low", torch.full((channels,), torch.inf))
        self.register_buffer("high", torch.full((channels,), -torch.inf))

    def fit(self, x: Tensor) -> None:
        """Widen the range to x (samples, channels, ...)."""
        values = x.transpose(0, 1).flatten(1)
        self.low.copy_(torch.minimum(self.low, values.amin(1)))
        self.high.copy_(torch.maximum(self.high, values.amax(1)))

    def forward(self, x: Tensor) -> Tensor:
        """How far samples x (batch, channels, ...) leave the range (batch,), in widths of the range; 0 inside."""
        low, high = (bound.reshape(-1, *[1] * (x.ndim - 2)) for bound in (self.low, self.high))
        return (torch.maximum(low - x, x - high).clamp(min=0) / (high - low)).flatten(1).amax(1)
