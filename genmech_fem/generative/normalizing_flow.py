"""Normalising flows: densities of latents and of design parameters.

Neural spline flows: Durkan, Bekasov, Murray, Papamakarios (2019), doi:10.48550/arXiv.1906.04032, as the package zuko
has them.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genmech_fem.errors import MissingExtraError
from genmech_fem.generative.condition import Conditioning
from genmech_fem.generative.gaussians import normal
from genmech_fem.generative.model import LatentModel, check_samples
from genmech_fem.training import Batch, Normalizer


class NormalizingFlow(LatentModel):
    r"""Density of vectors that can be evaluated and drawn from.

    :math:`\ln p(x | c) = \ln N(f(x, c); 0, 1) + \ln |\det \partial f / \partial x|` with monotone rational-quadratic
    splines f. Batches hold ``"x"`` (batch, features) and, if conditional, ``"condition"``, in physical units. Needs
    the extra ``flows``.

    Args:
        features: Length of the vectors.
        condition: Kind and size of the condition, ``("scalars", 6)`` or ``("class", 4)``; None for none.
        transforms: Number of spline transforms.
        hidden: Widths of the hidden layers of each.
        bins: Pieces of each spline.

    Raises:
        MissingExtraError: The package zuko is not installed.
    """

    def __init__(
        self,
        features: int,
        condition: Sequence[object] | None = None,
        *,
        transforms: int = 3,
        hidden: Sequence[int] = (64, 64),
        bins: int = 8,
    ) -> None:
        try:
            import zuko
        except ImportError as error:
            raise MissingExtraError("zuko", "flows") from error
        super().__init__()
        if features < 2:
            raise ValueError(f"NormalizingFlow.features: expected at least 2, got {features}")
        self.features, self.transforms, self.hidden, self.bins = features, transforms, tuple(hidden), bins
        self.conditioning = Conditioning(condition, "NormalizingFlow", ("scalars", "class"))
        self.data_scale = Normalizer(features)
        self.flow = zuko.flows.NSF(
            features, self.conditioning.features, transforms=transforms, hidden_features=self.hidden, bins=bins
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a sample."""
        return (self.features,)

    @property
    def latent(self) -> int:
        """Length of the latent vector."""
        return self.features

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data."""
        return {
            "features": self.features,
            "condition": self.conditioning.config,
            "transforms": self.transforms,
            "hidden": list(self.hidden),
            "bins": self.bins,
        }

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation, unless it is known from an earlier training."""
        if not self.data_scale.fitted:
            check_samples(data["x"], (self.features,), "NormalizingFlow")
            self.data_scale.fit(data["x"])
            self.conditioning.fit(data.get("condition"))

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """Mean negative log-density of normalised vectors, per entry [nat]."""
        z, volume = self._transform(batch.get("condition")).call_and_ladj(self.data_scale.normalize(batch["x"]))
        return -(self._base(z) + volume).mean() / self.features

    def log_prob(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log-density (batch,) of vectors x (batch, features) in physical units."""
        check_samples(x, (self.features,), "NormalizingFlow")
        transform = self._transform(self.conditioning.check(condition, x.shape[0]))
        z, volume = transform.call_and_ladj(self.data_scale.normalize(x))
        return self._base(z) + volume - self.data_scale.std.log().sum()

    def encode(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Map vectors (batch, features) to standard normal ones."""
        return self._transform(self.conditioning.check(condition, x.shape[0]))(self.data_scale.normalize(x))

    def decode(self, z: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Map standard normal vectors (batch, features) to vectors in physical units."""
        return self.data_scale.denormalize(self._transform(self.conditioning.check(condition, z.shape[0])).inv(z))

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Tensor:
        """Draw n vectors (n, features) in physical units."""
        return self.decode(normal((n, self.features), generator), condition=condition)

    def _transform(self, condition: Tensor | None) -> Any:
        """From data to noise, under checked conditions."""
        return self.flow(self.conditioning.encode(condition)).transform

    def _base(self, z: Tensor) -> Tensor:
        return -0.5 * (z.square().sum(1) + self.features * math.log(2 * math.pi))
