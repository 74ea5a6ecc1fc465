"""Generative adversarial network: DCGAN, WGAN-GP and conditional GAN.

Goodfellow et al. (2014), doi:10.48550/arXiv.1406.2661. Convolutional: Radford, Metz, Chintala (2016),
doi:10.48550/arXiv.1511.06434. WGAN-GP: Gulrajani et al. (2017), doi:10.48550/arXiv.1704.00028. Conditional: Mirza and
Osindero (2014), doi:10.48550/arXiv.1411.1784.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from genmech_fem.generative.adversarial import (
    PENALTY,
    check_objective,
    discriminator_loss,
    generator_loss,
    to_physical,
)
from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.condition import Conditioning
from genmech_fem.generative.gaussians import normal, normal_like
from genmech_fem.generative.model import GenerativeModel, check_samples
from genmech_fem.training import Batch, Normalizer

CRITIC_STEPS = 3


class GAN(GenerativeModel):
    """A generator that learns to deceive a discriminator.

    Batches hold ``"x"`` (batch, channels, *grid) and, if conditional, ``"condition"``, in physical units; both networks
    see the condition.

    Args:
        shape: Shape (channels, *grid) of one sample.
        latent: Length of the latent vector.
        condition: Kind and size of the condition, ``("scalars", 6)`` or ``("class", 4)``; None for none.
        objective: ``"hinge"``, ``"bce"`` (the original game), or ``"wasserstein"`` (WGAN-GP, which takes
            several steps of the critic for each of the generator).
        penalty: Weight of the gradient penalty.
        network: Sizes of both networks.
        bounds: Range of the data [unit of x], into which the generator squashes its output.
    """

    betas: ClassVar[tuple[float, float]] = (0.0, 0.99)

    def __init__(
        self,
        shape: Sequence[int],
        latent: int = 32,
        condition: Sequence[object] | None = None,
        *,
        objective: str = "hinge",
        penalty: float = PENALTY,
        network: Architecture | Mapping[str, Any] = Architecture(),  # noqa: B008 - frozen
        bounds: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.objective = check_objective(objective, "GAN")
        self.penalty = penalty
        if latent < 1 or not penalty >= 0:
            raise ValueError(f"GAN: expected latent >= 1 and penalty >= 0, got {latent=}, {penalty=}")
        self.players = ("discriminator",) * (CRITIC_STEPS if objective == "wasserstein" else 1) + ("generator",)
        self.shape, self.latent = tuple(shape), latent
        self.bounds = None if bounds is None else tuple(bounds)
        self.sizes = Architecture.of(network)
        self.conditioning = Conditioning(condition, "GAN", ("scalars", "class"))
        self.data_scale = Normalizer(self.shape[0])
        features = self.conditioning.features
        self.generator = self.sizes.decoder(latent, self.shape, condition_features=features)
        self.discriminator = self.sizes.encoder(self.shape, 1, condition_features=features)

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data."""
        return {
            "shape": list(self.shape),
            "latent": self.latent,
            "condition": self.conditioning.config,
            "objective": self.objective,
            "penalty": self.penalty,
            "network": self.sizes.config(),
            "bounds": None if self.bounds is None else list(self.bounds),
        }

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation, unless it is known from an earlier training."""
        if not self.data_scale.fitted:
            check_samples(data["x"], self.shape, "GAN")
            self.data_scale.fit(data["x"])
            self.conditioning.fit(data.get("condition"))

    def parameters_of(self, player: str) -> list[nn.Parameter]:
        """Those of the generator or of the discriminator."""
        return list(self.get_submodule(player).parameters())

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:
        """The objective of one side, with the gradient penalty on that of the discriminator."""
        x, given = self.data_scale.normalize(batch["x"]), self.conditioning.encode(batch.get("condition"))
        z = normal_like(x.new_empty(x.shape[0], self.latent), generator)
        with torch.set_grad_enabled(player == "generator"):
            fake = self.data_scale.normalize(self._generate(z, given))
        if player == "generator":
            return generator_loss(self.discriminator(fake, given), self.objective)
        return discriminator_loss(
            lambda x: self.discriminator(x, given),
            x,
            fake,
            generator=generator,
            objective=self.objective,
            penalty=self.penalty,
        )

    def discriminate(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Score (batch,) of samples (batch, channels, *grid), high for those that look real."""
        check_samples(x, self.shape, "GAN")
        given = self.conditioning.given(condition, x.shape[0])
        return self.discriminator(self.data_scale.normalize(x), given).flatten()

    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Map latents (batch, latent) to samples (batch, channels, *grid)."""
        return self._generate(z, self.conditioning.given(condition, z.shape[0]))

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Tensor:
        """Draw standard normal latents and decode them to (n, channels, *grid)."""
        return self.decode(normal((n, self.latent), generator), condition=condition)

    def _generate(self, z: Tensor, given: Tensor | None) -> Tensor:
        return to_physical(self.generator(z, given), self.data_scale, self.bounds)
