"""CycleGAN: translation between two kinds of fields, learned without pairs.

Zhu, Park, Isola, Efros (2017), doi:10.1109/ICCV.2017.244.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from genmech_fem.generative.adversarial import discriminator_loss, generator_loss, to_physical
from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.condition import Conditioning
from genmech_fem.generative.model import GenerativeModel, check_samples
from genmech_fem.training import Batch, Normalizer

DOMAINS = ("a", "b")


class CycleGAN(GenerativeModel):
    r"""Two translators, each of which undoes the other and deceives a discriminator of its target domain.

    They lower the adversarial losses plus :math:`\lambda E |G_a(G_b(x_a)) - x_a| + \mu E |G_b(x_b) - x_b|` and the same
    with a and b exchanged, in standard deviations of the data. Without pairs a translation cannot be told from one
    followed by a shift, or by another symmetry of the target domain, but for two things: the translators are U-Nets
    that begin near the identity, and the term with mu keeps what is already in the target domain. Batches hold
    ``"a"`` and ``"b"``, each (batch, channels, *grid) in physical units, not paired.

    Args:
        shape: Shape (channels, *grid) of one sample of either domain.
        cycle: Weight lambda of the cycle consistency.
        identity: Weight mu of keeping samples of the target domain; 0 saves a third of the time.
        network: Sizes of all four networks.
        bounds: Range of the data of both domains, into which translations are squashed.
    """

    players = ("discriminator", "translator")
    betas: ClassVar[tuple[float, float]] = (0.5, 0.99)

    def __init__(
        self,
        shape: Sequence[int],
        cycle: float = 10.0,
        *,
        identity: float = 5.0,
        network: Architecture | Mapping[str, Any] = Architecture(),  # noqa: B008 - frozen
        bounds: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if not (cycle >= 0 and identity >= 0):
            raise ValueError(f"CycleGAN: expected cycle >= 0 and identity >= 0, got {cycle=}, {identity=}")
        self.shape, self.cycle, self.identity = tuple(shape), cycle, identity
        self.bounds = None if bounds is None else tuple(bounds)
        self.sizes = Architecture.of(network)
        self.conditioning = Conditioning(("field", self.shape[0]), "CycleGAN")
        self.scale = nn.ModuleDict({domain: Normalizer(self.shape[0]) for domain in DOMAINS})
        self.translator = nn.ModuleDict({domain: self.sizes.unet(self.shape[0], self.shape) for domain in DOMAINS})
        self.discriminator = nn.ModuleDict({domain: self.sizes.encoder(self.shape, 1) for domain in DOMAINS})

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data."""
        return {
            "shape": list(self.shape),
            "cycle": self.cycle,
            "identity": self.identity,
            "network": self.sizes.config(),
            "bounds": None if self.bounds is None else list(self.bounds),
        }

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation of both domains, unless it is known from an earlier training."""
        if not self._scale("a").fitted:
            for domain in DOMAINS:
                check_samples(data[domain], self.shape, "CycleGAN")
                self._scale(domain).fit(data[domain])
            self.conditioning.fit(data["a"])

    def parameters_of(self, player: str) -> list[nn.Parameter]:
        """Those of both translators, or of both discriminators."""
        return list(self.get_submodule(player).parameters())

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:
        """Sum over both directions: hinge objectives, with the cycle consistency on the side of the translators."""
        loss = batch["a"].new_zeros(())
        for start, to in (("a", "b"), ("b", "a")):
            x, real = self._normalize(batch[start], start), self._normalize(batch[to], to)
            with torch.set_grad_enabled(player == "translator"):
                fake = self._translate(x, to)
            if player == "discriminator":
                loss = loss + discriminator_loss(self.discriminator[to], real, fake, generator=generator)
                continue
            loss = loss + generator_loss(self.discriminator[to](fake))
            loss = loss + self.cycle * (self._translate(fake, start) - x).abs().mean()
            if self.identity:
                loss = loss + self.identity * (self._translate(real, to) - real).abs().mean()
        return loss

    @torch.no_grad()
    def translate(self, x: Tensor, to: str = "b") -> Tensor:
        """Map samples (batch, channels, *grid) of one domain to the other one.

        Args:
            x: Samples of domain a if `to` is ``"b"``, else of b.
            to: Domain to translate to.

        Raises:
            ValueError: There is no such domain, or the shape differs.
        """
        if to not in DOMAINS:
            raise ValueError(f"CycleGAN.translate: expected to='a' or to='b', got {to!r}")
        check_samples(x, self.shape, "CycleGAN")
        known = self._normalize(x, "b" if to == "a" else "a")
        return self._scale(to).denormalize(self._translate(known, to))

    def cycle_error(self, x: Tensor, start: str = "a") -> Tensor:
        """Root mean square (batch,) [unit of x] of what the way to the other domain and back changes."""
        there = self.translate(x, "b" if start == "a" else "a")
        return (self.translate(there, start) - x).flatten(1).square().mean(1).sqrt()

    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """Translate n fields of domain a, the condition, to b: one translation each, nothing is drawn."""
        return self.translate(cast(Tensor, self.conditioning.check(condition, n)))

    def _scale(self, domain: str) -> Normalizer:
        return cast(Normalizer, self.scale[domain])

    def _normalize(self, x: Tensor, domain: str) -> Tensor:
        return self._scale(domain).normalize(x)

    def _translate(self, x: Tensor, to: str) -> Tensor:
        """Normalised samples of the domain `to` from normalised ones of the other, or of either."""
        return self._normalize(to_physical(x + self.translator[to](x), self._scale(to), self.bounds), to)
