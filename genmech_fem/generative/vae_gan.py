"""VAE-GAN: an autoencoder that measures its error in the features of a discriminator.

Larsen, Sonderby, Larochelle, Winther, Autoencoding beyond pixels using a learned similarity metric (2016),
doi:10.48550/arXiv.1512.09300.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from genmech_fem.generative.adversarial import discriminator_loss, generator_loss, to_physical
from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.condition import Conditioning
from genmech_fem.generative.gaussians import gaussian_kl, normal, normal_like, reparametrize
from genmech_fem.generative.model import LatentModel, check_samples
from genmech_fem.training import Batch, Normalizer


class VAEGAN(LatentModel):
    r"""A VAE whose likelihood is Gaussian in the features f of a discriminator, and whose decoder is its generator.

    The autoencoder lowers :math:`\tfrac12 \| f(x) - f(D(z)) \|^2 + \beta \, \mathrm{KL}(q(z|x) \| N(0, 1))`; its
    decoder also deceives the discriminator, with reconstructions and with samples of the prior. The features are
    normalised, so their scale is fixed. Batches hold ``"x"`` (batch, channels, *grid) and, if conditional,
    ``"condition"``, in physical units.

    Args:
        shape: Shape (channels, *grid) of one sample.
        latent: Length of the latent vector.
        condition: Kind and size of the condition, ``("scalars", 6)`` or ``("class", 4)``; None for none.
        beta: Weight of the KL term.
        adversarial: Weight of deceiving the discriminator.
        network: Sizes of the three networks.
        bounds: Range of the data [unit of x], into which the decoder squashes its output.
    """

    players = ("discriminator", "autoencoder")
    betas: ClassVar[tuple[float, float]] = (0.0, 0.99)

    def __init__(
        self,
        shape: Sequence[int],
        latent: int = 16,
        condition: Sequence[object] | None = None,
        *,
        beta: float = 1.0,
        adversarial: float = 1.0,
        network: Architecture | Mapping[str, Any] = Architecture(),  # noqa: B008 - frozen
        bounds: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if latent < 1 or not (beta >= 0 and adversarial >= 0):
            raise ValueError(
                f"VAEGAN: expected latent >= 1, beta >= 0 and adversarial >= 0, got {latent=}, {beta=}, {adversarial=}"
            )
        self.shape, self.latent, self.beta, self.adversarial = tuple(shape), latent, beta, adversarial
        self.bounds = None if bounds is None else tuple(bounds)
        self.sizes = Architecture.of(network)
        self.conditioning = Conditioning(condition, "VAEGAN", ("scalars", "class"))
        self.data_scale = Normalizer(self.shape[0])
        features = self.conditioning.features
        self.encoder = self.sizes.encoder(self.shape, 2 * latent, condition_features=features)
        self.decoder = self.sizes.decoder(latent, self.shape, condition_features=features)
        self.discriminator = self.sizes.encoder(self.shape, 1, condition_features=features)

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data."""
        return {
            "shape": list(self.shape),
            "latent": self.latent,
            "condition": self.conditioning.config,
            "beta": self.beta,
            "adversarial": self.adversarial,
            "network": self.sizes.config(),
            "bounds": None if self.bounds is None else list(self.bounds),
        }

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation, unless it is known from an earlier training."""
        if not self.data_scale.fitted:
            check_samples(data["x"], self.shape, "VAEGAN")
            self.data_scale.fit(data["x"])
            self.conditioning.fit(data.get("condition"))

    def parameters_of(self, player: str) -> list[nn.Parameter]:
        """Those of the discriminator, or of encoder and decoder."""
        parts = [self.discriminator] if player == "discriminator" else [self.encoder, self.decoder]
        return [parameter for part in parts for parameter in part.parameters()]

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:
        """Hinge objective of the discriminator, or the loss of the autoencoder [nat]."""
        x, given = self.data_scale.normalize(batch["x"]), self.conditioning.encode(batch.get("condition"))
        if player == "discriminator":
            return self._discriminator_loss(x, given, generator)
        mean, log_variance = self._posterior(x, given)
        z = reparametrize(mean, log_variance, generator)
        with torch.no_grad():
            wanted = self.discriminator.features(x, given)
        found = self.discriminator.features(self._generate(z, given), given)
        error = 0.5 * (found - wanted).square().sum(1)
        loss = (error + self.beta * gaussian_kl(mean, log_variance)).mean()
        if self.adversarial == 0:
            return loss
        # detached: the encoder has no share in deceiving
        score = self.discriminator(self._fake(z.detach(), given, generator), given)
        return loss + self.adversarial * generator_loss(score)

    def encode(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Map samples (batch, channels, *grid) to the means (batch, latent) of their posteriors."""
        check_samples(x, self.shape, "VAEGAN")
        return self._posterior(self.data_scale.normalize(x), self.conditioning.given(condition, x.shape[0]))[0]

    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Map latents (batch, latent) to samples (batch, channels, *grid)."""
        raw = self.decoder(z, self.conditioning.given(condition, z.shape[0]))
        return to_physical(raw, self.data_scale, self.bounds)

    def discriminate(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Score (batch,) of samples (batch, channels, *grid), high for those that look real."""
        check_samples(x, self.shape, "VAEGAN")
        given = self.conditioning.given(condition, x.shape[0])
        return self.discriminator(self.data_scale.normalize(x), given).flatten()

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Tensor:
        """Draw latents from the prior and decode them to (n, channels, *grid)."""
        return self.decode(normal((n, self.latent), generator), condition=condition)

    def _discriminator_loss(self, x: Tensor, given: Tensor | None, generator: torch.Generator) -> Tensor:
        with torch.no_grad():
            fake = self._fake(reparametrize(*self._posterior(x, given), generator), given, generator)
        return discriminator_loss(lambda x: self.discriminator(x, given), x, fake, generator=generator)

    def _fake(self, z: Tensor, given: Tensor | None, generator: torch.Generator) -> Tensor:
        """Normalised reconstructions from z, every other one replaced by a sample of the prior."""
        mixed = z.clone()
        mixed[::2] = normal_like(z[::2], generator)
        return self._generate(mixed, given)

    def _posterior(self, x: Tensor, given: Tensor | None) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.encoder(x, given).chunk(2, dim=1)
        return mean, log_variance

    def _generate(self, z: Tensor, given: Tensor | None) -> Tensor:
        return self.data_scale.normalize(to_physical(self.decoder(z, given), self.data_scale, self.bounds))
