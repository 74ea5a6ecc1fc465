"""Convolutional network over several scales.

Ronneberger, Fischer, Brox, U-Net (2015), doi:10.48550/arXiv.1505.04597.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from genmech_fem.nn.blocks import (
    GROUP,
    PaddingMode,
    ResidualBlock,
    check_channels,
    convolution,
    convolution_class,
    cropped,
    doubled,
    gather,
    spread,
)


class UNet(nn.Module):
    """Compact U-Net on grids of any size; a periodic one on those that `stride` divides.

    Other grids are continued by their last values up to the next multiple of the stride. Grids are halved by
    convolutions of 2 points a side and stride 2 and doubled by repeating each point: neither looks across the border,
    so with circular padding the network commutes with every torus shift by a multiple of `stride` (bilinear doubling,
    which clamps at the border, would not).

    Args:
        channels_in: Channels of the input.
        channels_out: Channels of the output.
        channels: Channels of each level, fine to coarse, multiples of 8.
        condition_features: Length of the conditioning vector; 0 for none.
        patch: Edge of the square or cube of points that the stem gathers into channels; the
            network then costs about patch^dimension times less.
        padding_mode: ``"circular"`` for periodic fields, else ``"zeros"``.
        dimension: Dimension of the grid, 2 or 3.

    Raises:
        ValueError: A number of channels is not a multiple of 8, or `patch` is below 1.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        channels: Sequence[int] = (32, 64, 96),
        condition_features: int = 0,
        patch: int = 1,
        padding_mode: PaddingMode = "circular",
        dimension: int = 2,
    ) -> None:
        super().__init__()
        if patch < 1 or not channels:
            raise ValueError(f"UNet: expected patch >= 1 and at least one level, got patch={patch}, {channels=}")
        for width in channels:
            check_channels(width)
        self.channels, self.patch, self.condition_features = tuple(channels), patch, condition_features
        self.padding_mode = padding_mode

        def block(width_in: int, width_out: int) -> ResidualBlock:
            return ResidualBlock(
                width_in,
                width_out,
                condition_features=condition_features,
                padding_mode=padding_mode,
                dimension=dimension,
            )

        conv = convolution_class(dimension)

        finer, coarser = self.channels[:-1], self.channels[1:]
        self.stem = convolution(channels_in * patch**dimension, channels[0], padding_mode, dimension)
        self.down = nn.ModuleList(block(c, c) for c in finer)
        self.coarsen = nn.ModuleList(conv(a, b, 2, stride=2) for a, b in zip(finer, coarser, strict=True))
        self.middle = block(channels[-1], channels[-1])
        self.refine = nn.ModuleList(conv(b, a, 1) for a, b in zip(finer, coarser, strict=True))
        self.up = nn.ModuleList(block(2 * c, c) for c in finer)
        self.norm = nn.GroupNorm(channels[0] // GROUP, channels[0])
        self.head = convolution(channels[0], channels_out * patch**dimension, padding_mode, dimension)

    @property
    def stride(self) -> int:
        """Points of the grid per point of the coarsest level, along each axis."""
        return self.patch * 2 ** (len(self.channels) - 1)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map (batch, channels_in, *grid) to (batch, channels_out, *grid).

        Args:
            x: Fields.
            condition: Conditioning vector (batch, condition_features).

        Raises:
            ValueError: The grid is periodic and not a multiple of `stride`, or the condition is missing
                or unwanted.
        """
        grid = x.shape[2:]
        unknown = any(isinstance(points, torch.SymInt) for points in grid)  # in a graph for any grid
        if self.padding_mode == "circular" or not (unknown or any(points % self.stride for points in grid)):
            return self.project(self.features(x, condition)[-1])
        missing = [(points + self.stride - 1) // self.stride * self.stride - points for points in grid]
        continued = F.pad(x, [n for points in reversed(missing) for n in (0, points)], mode="replicate")
        return cropped(self.project(self.features(continued, condition)[-1]), grid)

    def features(self, x: Tensor, condition: Tensor | None = None) -> list[Tensor]:
        """Features (batch, channels, ...) of every level on the way up, coarse to fine; `stride` divides the grid."""
        self._check(x, condition)
        h = self.stem(gather(x, self.patch))
        skips = []
        for block, coarsen in zip(self.down, self.coarsen, strict=True):
            h = block(h, condition)
            skips.append(h)
            h = coarsen(h)
        found = [self.middle(h, condition)]
        for block, refine in zip(reversed(self.up), reversed(self.refine), strict=True):
            h = doubled(refine(found[-1]))
            found.append(block(torch.cat([h, skips.pop()], dim=1), condition))
        return found

    def project(self, features: Tensor) -> Tensor:
        """Turn the finest features into the output (batch, channels_out, *grid)."""
        return spread(self.head(F.silu(self.norm(features))), self.patch)

    def _check(self, x: Tensor, condition: Tensor | None) -> None:
        if any(points % self.stride for points in x.shape[2:]):
            raise ValueError(f"UNet: expected a grid that {self.stride} divides, got {tuple(x.shape[2:])}")
        if (condition is None) != (self.condition_features == 0):
            raise ValueError(
                f"UNet: expected a condition of {self.condition_features} features (0: none), "
                f"got {None if condition is None else tuple(condition.shape)}"
            )
