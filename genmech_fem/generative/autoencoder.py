"""Autoencoder and denoising autoencoder.

Hinton and Salakhutdinov (2006), doi:10.1126/science.1127647. Denoising: Vincent, Larochelle, Bengio, Manzagol (2008),
doi:10.1145/1390156.1390294. Sampling from a density fitted to the latents: Ghosh et al. (2020),
doi:10.48550/arXiv.1903.12436.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.condition import Conditioning
from genmech_fem.generative.gaussians import normal, normal_like
from genmech_fem.generative.model import LatentModel, check_samples
from genmech_fem.training import Batch, Normalizer


class Autoencoder(LatentModel):
    r"""Fields squeezed through a short latent vector, by least squares.

    :math:`\min E \| D(E(x + \sigma \epsilon)) - x \|^2` over normalised fields x; with noise it removes noise from its
    input. It has no prior of its own: `fit_prior` fits a Gaussian to the latents of the training data, which `sample`
    draws from. Batches hold ``"x"`` (batch, channels, *grid) in physical units.

    Args:
        shape: Shape (channels, *grid) of one sample.
        latent: Length of the latent vector.
        network: Sizes of encoder and decoder.
        noise: Standard deviation of the noise on the input of the training [standard deviation of x]; 0 for none.
        bounds: Range of the data [unit of x], to which decoded fields are clipped.
    """

    latent_mean: Tensor
    latent_factor: Tensor

    def __init__(
        self,
        shape: Sequence[int],
        latent: int = 16,
        *,
        network: Architecture | Mapping[str, Any] = Architecture(),  # noqa: B008 - frozen
        noise: float = 0.0,
        bounds: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if latent < 1 or not noise >= 0:
            raise ValueError(f"Autoencoder: expected latent >= 1 and noise >= 0, got {latent=}, {noise=}")
        self.shape, self.latent, self.noise = tuple(shape), latent, noise
        self.bounds = None if bounds is None else tuple(bounds)
        self.sizes = Architecture.of(network)
        self.conditioning = Conditioning(None, "Autoencoder")
        self.data_scale = Normalizer(self.shape[0])
        self.encoder = self.sizes.encoder(self.shape, latent)
        self.decoder = self.sizes.decoder(latent, self.shape)
        self.register_buffer("latent_mean", torch.full((latent,), torch.nan))
        self.register_buffer("latent_factor", torch.full((latent, latent), torch.nan))

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data."""
        return {
            "shape": list(self.shape),
            "latent": self.latent,
            "network": self.sizes.config(),
            "noise": self.noise,
            "bounds": None if self.bounds is None else list(self.bounds),
        }

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation, unless it is known from an earlier training."""
        if not self.data_scale.fitted:
            check_samples(data["x"], self.shape, "Autoencoder")
            self.data_scale.fit(data["x"])

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """Mean square error of the reconstruction of normalised fields."""
        x = self.data_scale.normalize(batch["x"])
        seen = x + self.noise * normal_like(x, generator) if self.noise else x
        return (self.decoder(self.encoder(seen)) - x).square().mean()

    def encode(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Map samples (batch, channels, *grid) to latents (batch, latent)."""
        self.conditioning.check(condition, x.shape[0])
        check_samples(x, self.shape, "Autoencoder")
        return self.encoder(self.data_scale.normalize(x))

    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Map latents (batch, latent) to samples (batch, channels, *grid)."""
        self.conditioning.check(condition, z.shape[0])
        values = self.data_scale.denormalize(self.decoder(z))
        return values if self.bounds is None else values.clamp(*self.bounds)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Samples (batch, channels, *grid) after the way through the latent."""
        return self.decode(self.encode(x))

    @torch.no_grad()
    def fit_prior(self, x: Tensor) -> None:
        """Take mean and covariance of the latents of x (n, channels, *grid), n > 1, as those that `sample` draws."""
        z = self.encode(x)
        covariance = torch.cov(z.T.double()).reshape(self.latent, self.latent)
        values, vectors = torch.linalg.eigh(covariance)
        self.latent_mean.copy_(z.mean(0))
        self.latent_factor.copy_(vectors * values.clamp(min=0).sqrt())

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Tensor:
        """Draw latents of the Gaussian of `fit_prior` and decode them to (n, channels, *grid).

        Raises:
            ValueError: `fit_prior` was not called, or there is a condition.
        """
        if not self.latent_factor.isfinite().all():
            raise ValueError("Autoencoder.sample: expected a fitted prior: call fit_prior(x) after the training")
        white = normal((n, self.latent), generator)
        return self.decode(self.latent_mean + white @ self.latent_factor.T, condition=condition)
