"""Network from a periodic field to another field and to numbers of the whole cell."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genmech_fem.nn import UNet
from genmech_fem.training import Batch, Normalizer, Trainable


class FieldSurrogate(Trainable):
    """U-Net with a second head for a vector, such as an effective stiffness.

    The vector is read off the spatial means of the features of every level, so it is
    invariant under the shifts that the U-Net commutes with. Batches hold ``"x"``
    (batch, channels_in, nx, ny), ``"vector"`` (batch, vector_size) and ``"field"``
    (batch, channels_field, nx, ny), all in physical units.

    Args:
        channels_in: Channels of the input field.
        vector_size: Length of the vector.
        channels_field: Channels of the output field (its value shape, flattened).
        widths: Channels of the U-Net's levels, fine to coarse.
        patch: Edge of the square of pixels gathered by the stem.
        hidden: Width of the vector's head.
    """

    def __init__(
        self,
        channels_in: int,
        vector_size: int,
        channels_field: int,
        *,
        widths: Sequence[int] = (32, 64, 96),
        patch: int = 2,
        hidden: int = 128,
    ) -> None:
        super().__init__()
        self._config = {
            "channels_in": channels_in,
            "vector_size": vector_size,
            "channels_field": channels_field,
            "widths": list(widths),
            "patch": patch,
            "hidden": hidden,
        }
        self.x_scale, self.vector_scale = Normalizer(channels_in), Normalizer(vector_size)
        self.field_scale = Normalizer(channels_field)
        self.network = UNet(channels_in, channels_field, channels=widths, patch=patch)
        self.head = nn.Sequential(
            nn.Linear(channels_in + sum(widths), hidden), nn.SiLU(), nn.Linear(hidden, vector_size)
        )

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data."""
        return dict(self._config)

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation, unless it is known from an earlier training."""
        if not self.x_scale.fitted:
            self.x_scale.fit(data["x"])
            self.vector_scale.fit(data["vector"])
            self.field_scale.fit(data["field"])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Vector (batch, vector_size) and field (batch, channels_field, nx, ny) of x, in physical units."""
        vector, field = self._normalized(x)
        return self.vector_scale.denormalize(vector), self.field_scale.denormalize(field)

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """Mean square error of the normalised vector plus that of the normalised field."""
        vector, field = self._normalized(batch["x"])
        vector_error = vector - self.vector_scale.normalize(batch["vector"])
        field_error = field - self.field_scale.normalize(batch["field"])
        return vector_error.square().mean() + field_error.square().mean()

    def _normalized(self, x: Tensor) -> tuple[Tensor, Tensor]:
        normal = self.x_scale.normalize(x)
        features = self.network.features(normal)
        means = torch.cat([level.mean(dim=(2, 3)) for level in (normal, *features)], dim=1)
        return self.head(means), self.network.project(features[-1])
