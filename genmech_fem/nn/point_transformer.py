"""Transformer on points of any number and place, such as the nodes of a mesh."""

from typing import Literal

import torch
from torch import Tensor, nn

from genmech_fem.nn.perceptron import perceptron
from genmech_fem.nn.point_attention import LowRankAttention, SliceAttention

type PointAttention = Literal["slice", "low_rank"]
"""Name of the attention of a `PointTransformer`."""

ATTENTIONS: dict[str, type[SliceAttention | LowRankAttention]] = {"slice": SliceAttention, "low_rank": LowRankAttention}


class PointTransformer(nn.Module):
    """Blocks of attention by way of a few tokens; what it knows of a point is its values and its place.

    Args:
        channels_in: Values of a point.
        channels_out: Values of a point that are sought.
        dimension: Coordinates of a point.
        features: Length of the vectors.
        depth: Number of blocks.
        heads: Number of heads, a divisor of `features`.
        attention: ``"slice"`` (Transolver) or ``"low_rank"`` (FLARE).
        tokens: Slices, or queries of each head.

    Raises:
        ValueError: `attention` is unknown, `depth` below 1, or `heads` does not divide `features`.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        dimension: int = 2,
        features: int = 64,
        depth: int = 4,
        heads: int = 4,
        attention: PointAttention = "slice",
        tokens: int = 32,
    ) -> None:
        super().__init__()
        if attention not in ATTENTIONS or depth < 1:
            raise ValueError(
                f"PointTransformer: expected attention out of {', '.join(ATTENTIONS)} and depth >= 1, "
                f"got {attention!r}, {depth}"
            )
        self.dimension = dimension
        self.lift = perceptron(channels_in + dimension, 2 * features, features)
        self.norms = nn.ModuleList(nn.LayerNorm(features) for _ in range(2 * depth))
        self.attentions = nn.ModuleList(ATTENTIONS[attention](features, heads, tokens) for _ in range(depth))
        self.hidden = nn.ModuleList(perceptron(features, 2 * features, features) for _ in range(depth))
        self.project = nn.Sequential(nn.LayerNorm(features), nn.Linear(features, channels_out))

    def forward(self, x: Tensor, points: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map x (batch, channels_in, points) at points (batch, dimension, points) to (batch, channels_out, points).

        Args:
            x: Values.
            points: Coordinates, of order 1.
            mask: Which points (batch, points) there are, where meshes of different size share a batch; what is found
                for the others means nothing.

        Raises:
            ValueError: Values and points do not fit.
        """
        if points.shape != (x.shape[0], self.dimension, x.shape[2]):
            raise ValueError(
                f"PointTransformer: expected points of shape {(x.shape[0], self.dimension, x.shape[2])}, "
                f"got {tuple(points.shape)}"
            )
        h = self.lift(torch.cat([x, points], dim=1).transpose(1, 2))
        for k, (attention, hidden) in enumerate(zip(self.attentions, self.hidden, strict=True)):
            h = h + attention(self.norms[2 * k](h), mask)
            h = h + hidden(self.norms[2 * k + 1](h))
        return self.project(h).transpose(1, 2)
