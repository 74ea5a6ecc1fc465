"""InfoGAN: a generative adversarial network whose codes can be read off its samples.

Chen, Duan, Houthooft, Schulman, Sutskever, Abbeel (2016), doi:10.48550/arXiv.1606.03657. The bound on the mutual
information: Barber and Agakov (2003), doi:10.5555/2981345.2981371.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from genmech_fem.generative.adversarial import discriminator_loss, generator_loss, to_physical
from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.gaussians import normal
from genmech_fem.generative.model import GenerativeModel, check_samples
from genmech_fem.training import Batch, Normalizer

SIGMA = 0.3  # deviation of the Gaussian that a recognised value is taken for


class Codes(NamedTuple):
    """Logits (batch, classes) of the categorical code, and the continuous codes (batch, values) in [-1, 1]."""

    logits: Tensor
    values: Tensor


class InfoGAN(GenerativeModel):
    r"""A GAN whose latent vector is noise, a one-hot class and uniform values, which a recogniser reads off the sample.

    Both players raise the bound :math:`E \ln q(c | G(z, c)) + H(c) \le I(c; G(z, c))` on the information that samples
    hold about their codes c, so that codes come to stand for what varies most, without labels. The recogniser shares
    the network of the discriminator. Batches hold ``"x"`` (batch, channels, *grid) in physical units.

    Args:
        shape: Shape (channels, *grid) of one sample.
        latent: Length of the noise.
        classes: Number of classes of the categorical code.
        values: Number of continuous codes.
        information: Weight of the bound.
        network: Sizes of both networks.
        bounds: Range of the data [unit of x], into which the generator squashes its output.
    """

    players = ("discriminator", "generator")
    betas: ClassVar[tuple[float, float]] = (0.0, 0.99)

    def __init__(
        self,
        shape: Sequence[int],
        latent: int = 16,
        *,
        classes: int = 4,
        values: int = 1,
        information: float = 0.3,
        network: Architecture | Mapping[str, Any] = Architecture(),  # noqa: B008 - frozen
        bounds: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if latent < 1 or classes < 1 or values < 0 or not information >= 0:
            raise ValueError(
                "InfoGAN: expected latent >= 1, classes >= 1, values >= 0 and information >= 0, "
                f"got {latent=}, {classes=}, {values=}, {information=}"
            )
        self.shape, self.latent, self.classes, self.values = tuple(shape), latent, classes, values
        self.information = information
        self.bounds = None if bounds is None else tuple(bounds)
        self.sizes = Architecture.of(network)
        self.data_scale = Normalizer(self.shape[0])
        self.generator = self.sizes.decoder(latent + classes + values, self.shape)
        self.discriminator = self.sizes.encoder(self.shape, 1 + classes + values)

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data."""
        return {
            "shape": list(self.shape),
            "latent": self.latent,
            "classes": self.classes,
            "values": self.values,
            "information": self.information,
            "network": self.sizes.config(),
            "bounds": None if self.bounds is None else list(self.bounds),
        }

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation, unless it is known from an earlier training."""
        if not self.data_scale.fitted:
            check_samples(data["x"], self.shape, "InfoGAN")
            self.data_scale.fit(data["x"])

    def parameters_of(self, player: str) -> list[nn.Parameter]:
        """Those of the generator, or of the discriminator with the recogniser."""
        return list(self.get_submodule(player).parameters())

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:
        """Hinge objective of one side, less the bound on the information in generated samples."""
        z = self.draw(len(batch["x"]), generator=generator)
        with torch.set_grad_enabled(player == "generator"):
            fake = self.data_scale.normalize(self.decode(z))
        score, codes = self._recognize(fake)
        gain = self.information * information_bound(codes, *self._codes_of(z))
        if player == "generator":
            return generator_loss(score) - gain
        real = self.data_scale.normalize(batch["x"])
        return discriminator_loss(lambda x: self._recognize(x)[0], real, fake, generator=generator) - gain

    def draw(self, n: int, *, generator: torch.Generator) -> Tensor:
        """Latent vectors (n, latent + classes + values): normal noise, one-hot class, values uniform in [-1, 1]."""
        device, noise = generator.device, normal((n, self.latent), generator)
        labels = torch.randint(self.classes, (n,), generator=generator, device=device)
        values = 2 * torch.rand((n, self.values), generator=generator, device=device) - 1
        return self.join(noise, labels, values)

    def join(self, noise: Tensor, labels: Tensor, values: Tensor) -> Tensor:
        """Latent vectors from noise (n, latent), classes (n,) and values (n, values)."""
        return torch.cat([noise, F.one_hot(labels, self.classes).to(noise), values], dim=1)

    def decode(self, z: Tensor) -> Tensor:
        """Map latent vectors (batch, latent + classes + values) to samples (batch, channels, *grid)."""
        return to_physical(self.generator(z), self.data_scale, self.bounds)

    def codes(self, x: Tensor) -> Codes:
        """The codes that the recogniser reads off samples (batch, channels, *grid)."""
        check_samples(x, self.shape, "InfoGAN")
        return self._recognize(self.data_scale.normalize(x))[1]

    def discriminate(self, x: Tensor) -> Tensor:
        """Score (batch,) of samples (batch, channels, *grid), high for those that look real."""
        check_samples(x, self.shape, "InfoGAN")
        return self._recognize(self.data_scale.normalize(x))[0]

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Tensor:
        """Draw latent vectors and decode them to (n, channels, *grid); there is no condition.

        Raises:
            ValueError: There is a condition.
        """
        if condition is not None:
            raise ValueError("InfoGAN.sample: expected no condition: choose codes with join() and decode() them")
        return self.decode(self.draw(n, generator=generator))

    def _recognize(self, x: Tensor) -> tuple[Tensor, Codes]:
        found = self.discriminator(x)
        return found[:, 0], Codes(found[:, 1 : 1 + self.classes], found[:, 1 + self.classes :])

    def _codes_of(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return z[:, self.latent : self.latent + self.classes].argmax(1), z[:, self.latent + self.classes :]


def information_bound(codes: Codes, labels: Tensor, values: Tensor) -> Tensor:
    """Mean lower bound [nat] on the information about classes (batch,) and values (batch, values) in recognised codes.

    At most ln(classes) about a class; a value, uniform in [-1, 1], is taken for Gaussian about the one read off.
    """
    about_class = math.log(codes.logits.shape[1]) - F.cross_entropy(codes.logits, labels)
    log_q = -0.5 * ((values - codes.values) / SIGMA).square() - math.log(SIGMA * math.sqrt(2 * math.pi))
    return about_class + (math.log(2) + log_q).sum(1).mean()
