"""What every generative model offers."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from genmech_fem.training import Trainable


class GenerativeModel(Trainable):
    """A distribution that one can sample."""

    @abstractmethod
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Tensor:
        """Draw n samples (n, channels, *grid) in physical units.

        Args:
            n: Number of samples.
            condition: One for all or one per sample, in physical units: numbers (n, size), classes (n,) or fields
                (n, size, *grid); left out by an unconditional model.
            generator: Source of random numbers, on the device of the model.
        """


class LatentModel(GenerativeModel):
    """A generative model that maps latents to samples and back."""

    @abstractmethod
    def encode(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Map samples (batch, channels, *grid) to latents (batch, ...)."""

    @abstractmethod
    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Map latents (batch, ...) to samples (batch, channels, *grid)."""


def check_samples(x: Tensor, shape: Sequence[int], name: str) -> None:
    """Raise a ValueError unless x (batch, *shape) are samples of the model `name`."""
    if tuple(x.shape[1:]) != tuple(shape):
        raise ValueError(f"{name}: expected samples of shape (n, {', '.join(map(str, shape))}), got {tuple(x.shape)}")
