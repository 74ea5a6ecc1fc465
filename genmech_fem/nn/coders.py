"""Networks between fields and vectors: the halves of autoencoders and of generative adversarial networks.

Residual generators and critics without batch statistics: Gulrajani et al. (2017), doi:10.48550/arXiv.1704.00028.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from genmech_fem.nn.blocks import (
    GROUP,
    PaddingMode,
    ResidualBlock,
    convolution,
    convolution_class,
    doubled,
    gather,
    spread,
)


class Encoder(nn.Module):
    """Fields (batch, channels, *grid) to vectors (batch, features).

    Args:
        shape: Shape (channels, *grid) of a sample; `patch` times 2 per level after the first divides the grid.
        features: Length of the vector.
        widths: Channels of each level, fine to coarse, multiples of 8.
        condition_features: Length of the conditioning vector; 0 for none.
        patch: Edge of the square or cube of points that the stem gathers into channels.
        padding_mode: ``"circular"`` for periodic fields, else ``"zeros"``.

    Raises:
        ValueError: The grid cannot be halved so often.
    """

    def __init__(
        self,
        shape: Sequence[int],
        features: int,
        *,
        widths: Sequence[int] = (32, 64, 96),
        condition_features: int = 0,
        patch: int = 1,
        padding_mode: PaddingMode = "circular",
    ) -> None:
        super().__init__()
        self.patch, dimension = patch, len(shape) - 1
        coarse = coarse_grid(shape, widths, patch)
        self.stem = convolution(shape[0] * patch**dimension, widths[0], padding_mode, dimension)
        self.blocks = nn.ModuleList(
            ResidualBlock(c, c, condition_features=condition_features, padding_mode=padding_mode, dimension=dimension)
            for c in widths
        )
        conv = convolution_class(dimension)
        self.coarsen = nn.ModuleList(conv(a, b, 2, stride=2) for a, b in pairwise(widths))
        self.norm = nn.GroupNorm(widths[-1] // GROUP, widths[-1])
        self.head = nn.Linear(widths[-1] * math.prod(coarse), features)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map x (batch, channels, *grid) and its condition (batch, condition_features) to (batch, features)."""
        return self.head(self.features(x, condition))

    def features(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The coarsest features, flattened: (batch, widths[-1] * points of the coarsest grid)."""
        return F.silu(self.norm(self.maps(x, condition)[-1])).flatten(1)

    def maps(self, x: Tensor, condition: Tensor | None = None) -> list[Tensor]:
        """The features (batch, widths[level], *grid) of each level, fine to coarse."""
        h, maps = self.stem(gather(x, self.patch)), []
        for level, block in enumerate(self.blocks):
            h = block(self.coarsen[level - 1](h) if level else h, condition)
            maps.append(h)
        return maps


class Decoder(nn.Module):
    """Vectors (batch, features) to fields (batch, channels, *grid); the mirror of `Encoder`.

    Args:
        features: Length of the vector.
        shape: Shape (channels, *grid) of a sample.
        widths: Channels of each level, fine to coarse, multiples of 8.
        condition_features: Length of the conditioning vector; 0 for none.
        patch: Edge of the square or cube of points that the head spreads channels to.
        padding_mode: ``"circular"`` for periodic fields, else ``"zeros"``.

    Raises:
        ValueError: The grid cannot be halved so often.
    """

    def __init__(
        self,
        features: int,
        shape: Sequence[int],
        *,
        widths: Sequence[int] = (32, 64, 96),
        condition_features: int = 0,
        patch: int = 1,
        padding_mode: PaddingMode = "circular",
    ) -> None:
        super().__init__()
        self.patch, dimension = patch, len(shape) - 1
        self.coarse = (widths[-1], *coarse_grid(shape, widths, patch))
        self.stem = nn.Linear(features, math.prod(self.coarse))
        upwards = list(reversed(widths))
        self.blocks = nn.ModuleList(
            ResidualBlock(c, c, condition_features=condition_features, padding_mode=padding_mode, dimension=dimension)
            for c in upwards
        )
        conv = convolution_class(dimension)
        self.refine = nn.ModuleList(conv(a, b, 1) for a, b in pairwise(upwards))
        self.norm = nn.GroupNorm(widths[0] // GROUP, widths[0])
        self.head = convolution(widths[0], shape[0] * patch**dimension, padding_mode, dimension)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map z (batch, features) and its condition (batch, condition_features) to (batch, channels, *grid)."""
        h = self.stem(z).reshape(-1, *self.coarse)
        for level, block in enumerate(self.blocks):
            finer = doubled(self.refine[level - 1](h)) if level else h
            h = block(finer, condition)
        return spread(self.head(F.silu(self.norm(h))), self.patch)


def coarse_grid(shape: Sequence[int], widths: Sequence[int], patch: int) -> tuple[int, ...]:
    """The grid of the coarsest level.

    Raises:
        ValueError: The grid of `shape` (channels, *grid) cannot be gathered and halved so often.
    """
    stride = patch * 2 ** (len(widths) - 1)
    if len(shape) not in (3, 4) or any(points % stride for points in shape[1:]):
        raise ValueError(
            f"shape: expected (channels, *grid) with 2 or 3 sides that {stride} divides (patch {patch}, "
            f"{len(widths)} levels), got {tuple(shape)}"
        )
    return tuple(points // stride for points in shape[1:])
