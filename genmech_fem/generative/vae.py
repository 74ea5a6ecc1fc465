"""Variational autoencoder.

Kingma and Welling, Auto-encoding variational Bayes (2014), doi:10.48550/arXiv.1312.6114. Weight of the KL term:
Higgins et al., beta-VAE (2017), openreview.net/forum?id=Sy2fzU9gl. Learned noise of the Gaussian likelihood: Rybkin,
Daniilidis, Levine (2021), doi:10.48550/arXiv.2006.13202.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.condition import Conditioning
from genmech_fem.generative.gaussians import gaussian_kl, normal, normal_log_density, reparametrize
from genmech_fem.generative.mixture_prior import MixturePrior
from genmech_fem.generative.model import LatentModel, check_samples
from genmech_fem.training import Batch, Normalizer

LIKELIHOODS = ("bernoulli", "gaussian")


class VAE(LatentModel):
    r"""Encoder and decoder that maximise the evidence lower bound.

    :math:`\ln p(x) \ge E_{q(z|x)} \ln p(x|z) - \mathrm{KL}(q(z|x) \| p(z))`, the KL term weighted by beta; it is in
    closed form for the standard normal prior and estimated from the draw of z for a learned mixture. The mixture
    leaves no holes between clusters of the data, from which samples would be of no kind or of a wrong one.
    Batches hold ``"x"`` (batch, channels, *grid) and, if conditional, ``"condition"``, in physical units.

    Args:
        shape: Shape (channels, *grid) of one sample.
        latent: Length of the latent vector.
        condition: Kind and size of the condition, ``("scalars", 6)`` or ``("class", 4)``; None for none.
        beta: Weight of the KL term; below 1 for sharper samples, above 1 for fewer active latents.
        likelihood: ``"bernoulli"`` for phases in [0, 1], ``"gaussian"`` with a learned deviation for other fields.
        components: Gaussians of a learned prior; 0 for the standard normal distribution.
        network: Sizes of encoder and decoder.
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent: int = 16,
        condition: Sequence[object] | None = None,
        *,
        beta: float = 1.0,
        likelihood: str = "bernoulli",
        components: int = 0,
        network: Architecture | Mapping[str, Any] = Architecture(),  # noqa: B008 - frozen
    ) -> None:
        super().__init__()
        if latent < 1 or components < 0 or not beta >= 0 or likelihood not in LIKELIHOODS:
            raise ValueError(
                f"VAE: expected latent >= 1, components >= 0, beta >= 0 and a likelihood of {', '.join(LIKELIHOODS)}, "
                f"got {latent=}, {components=}, {beta=}, {likelihood=}"
            )
        self.shape, self.latent, self.beta, self.likelihood = tuple(shape), latent, beta, likelihood
        self.sizes = Architecture.of(network)
        self.conditioning = Conditioning(condition, "VAE", ("scalars", "class"))
        self.data_scale = Normalizer(self.shape[0])
        features = self.conditioning.features
        self.encoder = self.sizes.encoder(self.shape, 2 * latent, condition_features=features)
        self.decoder = self.sizes.decoder(latent, self.shape, condition_features=features)
        self.prior = MixturePrior(components, latent) if components else None
        self.log_sigma = nn.Parameter(torch.zeros(())) if likelihood == "gaussian" else None

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data."""
        return {
            "shape": list(self.shape),
            "latent": self.latent,
            "condition": self.conditioning.config,
            "beta": self.beta,
            "likelihood": self.likelihood,
            "components": 0 if self.prior is None else len(self.prior.logits),
            "network": self.sizes.config(),
        }

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation, unless it is known from an earlier training.

        Raises:
            ValueError: The fields do not fit the model, or its likelihood.
        """
        if self.data_scale.fitted:
            return
        x = data["x"]
        check_samples(x, self.shape, "VAE")
        if self.likelihood == "bernoulli" and not ((x >= 0) & (x <= 1)).all():
            raise ValueError(
                f"VAE: expected x in [0, 1] for likelihood='bernoulli', got {x.min():.3g} to {x.max():.3g}: "
                "scale it, or use likelihood='gaussian'"
            )
        self.data_scale.fit(x)
        self.conditioning.fit(data.get("condition"))

    def posterior(self, x: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log-variance (batch, latent) of q(z | x), given checked conditions in physical units."""
        found = self.encoder(self.data_scale.normalize(x), self.conditioning.encode(condition))
        mean, log_variance = found.chunk(2, dim=1)
        return mean, log_variance

    def log_likelihood(self, x: Tensor, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Log-density ln p(x | z) (batch,) [nat] of samples for latents (batch, latent)."""
        raw = self.decoder(z, self.conditioning.encode(condition))
        if self.log_sigma is None:
            return -F.binary_cross_entropy_with_logits(raw, x, reduction="none").flatten(1).sum(1)
        residual = (self.data_scale.normalize(x) - raw) / self.log_sigma.exp()
        density = -0.5 * (residual.square() + math.log(2 * math.pi)) - self.log_sigma
        return (density - self.data_scale.std.log().reshape(-1, *[1] * (x.ndim - 2))).flatten(1).sum(1)

    def terms(self, batch: Batch, *, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """The two terms (batch,) [nat] of the bound: ln p(x | z) and the KL divergence.

        z is one draw of the posterior, or its mean without a generator.
        """
        x, condition = batch["x"], batch.get("condition")
        mean, log_variance = self.posterior(x, condition)
        z = mean if generator is None else reparametrize(mean, log_variance, generator)
        if self.prior is None:
            return self.log_likelihood(x, z, condition), gaussian_kl(mean, log_variance)
        return self.log_likelihood(x, z, condition), normal_log_density(z, mean, log_variance) - self.prior.log_prob(z)

    def elbo(self, x: Tensor, *, condition: Tensor | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Evidence lower bound (batch,) [nat] of samples (batch, channels, *grid), whatever beta is.

        Estimated from one draw of the posterior, or taken at its mean without a generator.
        """
        condition = self.conditioning.check(condition, x.shape[0])
        batch = {"x": x} if condition is None else {"x": x, "condition": condition}
        likelihood, kl = self.terms(batch, generator=generator)
        return likelihood - kl

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """Negative bound with the weight beta, per entry of x [nat]."""
        likelihood, kl = self.terms(batch, generator=generator)
        return (self.beta * kl - likelihood).mean() / math.prod(self.shape)

    def encode(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Map samples (batch, channels, *grid) to the means (batch, latent) of their posteriors."""
        check_samples(x, self.shape, "VAE")
        return self.posterior(x, self.conditioning.check(condition, x.shape[0]))[0]

    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Map latents (batch, latent) to the means (batch, channels, *grid) of the likelihood."""
        raw = self.decoder(z, self.conditioning.given(condition, z.shape[0]))
        return raw.sigmoid() if self.log_sigma is None else self.data_scale.denormalize(raw)

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Tensor:
        """Draw latents from the prior and decode them to (n, channels, *grid)."""
        z = normal((n, self.latent), generator) if self.prior is None else self.prior.sample(n, generator)
        return self.decode(z, condition=condition)
