"""What every generative model offers."""

from abc import abstractmethod

import torch
from torch import Tensor

from genmech_fem.training import Trainable


class GenerativeModel(Trainable):
    """A distribution that one can sample."""

    @abstractmethod
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Tensor:
        """Draw n samples (n, channels, nx, ny) in physical units.

        Args:
            n: Number of samples.
            condition: One vector (features,) for all, or one per sample (n, features), in
                physical units; left out by an unconditional model.
            generator: Source of random numbers, on the device of the model.
        """


class LatentModel(GenerativeModel):
    """A generative model that maps latent vectors to samples and back."""

    @abstractmethod
    def encode(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Map samples (batch, channels, nx, ny) to latents (batch, ...)."""

    @abstractmethod
    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Map latents (batch, ...) to samples (batch, channels, nx, ny)."""
