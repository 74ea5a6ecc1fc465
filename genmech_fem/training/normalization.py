"""Affine normalisation that travels with the network."""

from typing import Self

import torch
from torch import Tensor, nn


class Normalizer(nn.Module):
    """Map each channel to zero mean and unit standard deviation.

    The buffers are NaN until `fit`, so that forgetting it cannot pass unnoticed.

    Args:
        channels: Number of channels (axis 1 of the values).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((channels,), torch.nan))
        self.register_buffer("std", torch.full((channels,), torch.nan))

    @property
    def fitted(self) -> bool:
        """Whether mean and standard deviation are known."""
        return bool(self.std.isfinite().all())

    def fit(self, values: Tensor) -> Self:
        """Take mean and standard deviation from values (samples, channels, *grid).

        Raises:
            ValueError: The number of channels differs, a value is not finite, or a channel
                is constant.
        """
        if values.ndim < 2 or values.shape[1] != len(self.mean):
            raise ValueError(
                f"Normalizer.fit: expected (samples, {len(self.mean)}, ...) values, got {tuple(values.shape)}"
            )
        axes = [axis for axis in range(values.ndim) if axis != 1]
        mean = values.double().mean(dim=axes)
        std = values.double().std(dim=axes, correction=0)
        if not std.isfinite().all():
            raise ValueError("Normalizer.fit: expected finite values, got NaN, infinity or no samples")
        return self.set(mean, std)

    def set(self, mean: Tensor, std: Tensor) -> Self:
        """Take the mean and the standard deviation of each channel (channels,), as of a training split.

        Raises:
            ValueError: Their number differs, or a channel is constant.
        """
        if mean.shape != self.mean.shape or std.shape != self.std.shape:
            raise ValueError(
                f"Normalizer.set: expected ({len(self.mean)},) numbers, got {tuple(mean.shape)} and {tuple(std.shape)}"
            )
        constant = (std <= 1e-6 * mean.abs()).nonzero().flatten().tolist()
        if constant:
            raise ValueError(
                f"Normalizer: channels {constant} are constant over the training data: leave them out or vary them"
            )
        self.mean.copy_(mean)
        self.std.copy_(std)
        return self

    def normalize(self, values: Tensor) -> Tensor:
        """Map physical values (batch, channels, *grid) to normalised ones."""
        return (values - self._like(self.mean, values)) / self._like(self.std, values)

    def denormalize(self, values: Tensor) -> Tensor:
        """Map normalised values (batch, channels, *grid) to physical ones."""
        return values * self._like(self.std, values) + self._like(self.mean, values)

    @staticmethod
    def _like(channels: Tensor, values: Tensor) -> Tensor:
        return channels.reshape(-1, *[1] * (values.ndim - 2))
