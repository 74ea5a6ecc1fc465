"""Fields to the properties of the whole cell."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from genmech_fem.nn import Encoder, PaddingMode
from genmech_fem.surrogates.heads import PositiveDefinite, VoigtReuss, symmetric, upper
from genmech_fem.surrogates.losses import Loss, relative_l2
from genmech_fem.surrogates.ranges import TrainingRange
from genmech_fem.training import Batch, Normalizer, Trainable

type Head = Literal["plain", "positive", "voigt_reuss"]

HEADS = ("plain", "positive", "voigt_reuss")


class PropertySurrogate(Trainable):
    """Properties from the means of features over the grid: shifts by the coarsest spacing do not change them.

    Batches hold ``"x"`` (batch, channels, *grid) and ``"y"`` (batch, size), both in physical units.

    Args:
        shape: Shape (channels, *grid) of a sample.
        size: Number of properties; for a tensor those of its upper triangle, in 2D the 6 of 11, 12, 13, 22, 23, 33.
        head: ``"plain"``; ``"positive"`` for symmetric positive definite tensors; ``"voigt_reuss"`` for tensors between
            the means of Voigt and Reuss.
        phases: Tensors of the phases 0 and 1, for ``"voigt_reuss"``; the first channel then is the phase.
        widths: Channels of each level of the encoder, fine to coarse.
        patch: Edge of the square or cube of points that its stem gathers.
        padding_mode: ``"circular"`` for periodic fields, else ``"zeros"``.

    Attributes:
        outside: How far inputs leave the range of the training data, as `TrainingRange` says.
        criterion: The loss: of the plain head the mean square error of the normalised properties, else the relative L2
            error of the tensor. Any other may be set; it is not saved.

    Raises:
        ValueError: The head is unknown, or does not fit `size` and `phases`.
    """

    def __init__(
        self,
        shape: Sequence[int],
        size: int,
        *,
        head: Head = "plain",
        phases: Sequence[Sequence[Sequence[float]]] | None = None,
        widths: Sequence[int] = (16, 32, 64),
        patch: int = 1,
        padding_mode: PaddingMode = "circular",
    ) -> None:
        super().__init__()
        if head not in HEADS or (head == "voigt_reuss") != (phases is not None):
            raise ValueError(
                f"PropertySurrogate: expected a head out of {', '.join(HEADS)}, and phases for voigt_reuss alone, "
                f"got {head!r} {'without' if phases is None else 'with'} phases"
            )
        self._config = {
            "shape": list(shape),
            "size": size,
            "head": head,
            "phases": None if phases is None else [[list(map(float, row)) for row in C] for C in phases],
            "widths": list(widths),
            "patch": patch,
            "padding_mode": padding_mode,
        }
        self.x_scale, self.y_scale = Normalizer(shape[0]), Normalizer(size)
        self.outside = TrainingRange(shape[0])
        self.encoder = Encoder(shape, 1, widths=widths, patch=patch, padding_mode=padding_mode)
        del self.encoder.head, self.encoder.norm
        features = shape[0] + sum(widths)
        self.read = nn.Sequential(nn.Linear(features, 128), nn.SiLU(), nn.Linear(128, size))
        rows = symmetric(torch.zeros(1, size)).shape[1] if head != "plain" else 0
        self.head = VoigtReuss(*phases) if phases is not None else PositiveDefinite(rows) if rows else None
        if self.head is not None and self.head.numbers != size:
            raise ValueError(f"PropertySurrogate: expected size {self.head.numbers} for the head {head!r}, got {size}")
        self.criterion: Loss = self._mean_square if self.head is None else self._of_tensors

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data."""
        return dict(self._config)

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation, unless it is known from an earlier training, and widen the range of inputs."""
        if not self.x_scale.fitted:
            self.x_scale.fit(data["x"])
            if self.head is None:
                self.y_scale.fit(data["y"])
            else:  # entries that are always zero are no fault of a tensor
                self.y_scale.set(data["y"].mean(0), torch.ones_like(self.y_scale.std))
        self.outside.fit(data["x"])

    def forward(self, x: Tensor) -> Tensor:
        """Properties (batch, size) of fields (batch, channels, *grid)."""
        normal = self.x_scale.normalize(x)
        levels = (normal, *self.encoder.maps(normal))
        numbers = self.read(torch.cat([level.flatten(2).mean(2) for level in levels], dim=1))
        if isinstance(self.head, VoigtReuss):
            return upper(self.head(numbers, x[:, :1].flatten(1).mean(1, keepdim=True)))
        if self.head is None:
            return self.y_scale.denormalize(numbers)
        root = self._typical().sqrt()
        return upper(root[:, None] * self.head(numbers) * root)

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """The criterion."""
        return self.criterion(self(batch["x"]), batch["y"], batch)

    def _typical(self) -> Tensor:
        """Mean diagonal (n,) of the tensors of the training data."""
        return torch.diagonal(symmetric(self.y_scale.mean[None])[0])

    def _mean_square(self, prediction: Tensor, truth: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002
        return ((prediction - truth) / self.y_scale.std).square().mean()

    @staticmethod
    def _of_tensors(prediction: Tensor, truth: Tensor, batch: Batch) -> Tensor:
        return relative_l2(symmetric(prediction), symmetric(truth), batch)
