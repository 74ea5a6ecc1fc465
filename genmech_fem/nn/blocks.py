"""Convolution blocks on grids of two or three dimensions.

Residual block: He et al. (2016), doi:10.1109/CVPR.2016.90; feature-wise modulation:
Perez et al., FiLM (2018), doi:10.48550/arXiv.1709.07871.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

type PaddingMode = Literal["circular", "zeros"]
"""What convolutions see beyond the border: the other side of the torus, or zeros."""

GROUP = 8


class Convolution3d(nn.Conv3d):
    """Convolution in 3D; exported graphs hold it as a sum of convolutions of planes, which ONNX Runtime does faster."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels_in, *grid) to (batch, channels_out, *grid)."""
        if not torch.compiler.is_exporting() or self.stride != (1, 1, 1) or self.kernel_size[0] == 1:
            return super().forward(x)
        mode = "constant" if self.padding_mode == "zeros" else self.padding_mode
        planes = F.pad(x, (int(self.padding[0]),) * 6, mode=mode).movedim(2, 0)
        count = planes.shape[0] - self.kernel_size[0] + 1
        first, *others = [
            F.conv2d(planes[k : k + count].flatten(0, 1), weight, None if k else self.bias)
            for k, weight in enumerate(self.weight.unbind(2))
        ]
        found = sum(others, first)
        return found.reshape(count, x.shape[0], *found.shape[1:]).movedim(0, 2)


CONVOLUTIONS: dict[int, type[nn.Conv2d | nn.Conv3d]] = {2: nn.Conv2d, 3: Convolution3d}


def convolution(
    channels_in: int, channels_out: int, padding_mode: PaddingMode, dimension: int = 2
) -> nn.Conv2d | nn.Conv3d:
    """Convolution of 3 points a side that keeps the grid; ``"circular"`` treats the grid as a torus."""
    if padding_mode not in ("circular", "zeros"):
        raise ValueError(f"padding_mode: expected 'circular' or 'zeros', got {padding_mode!r}")
    return convolution_class(dimension)(channels_in, channels_out, 3, padding=1, padding_mode=padding_mode)


def convolution_class(dimension: int) -> type[nn.Conv2d | nn.Conv3d]:
    """The convolution of this dimension.

    Raises:
        ValueError: The dimension is neither 2 nor 3.
    """
    if dimension not in CONVOLUTIONS:
        raise ValueError(f"dimension: expected 2 or 3, got {dimension}")
    return CONVOLUTIONS[dimension]


def check_channels(channels: int) -> None:
    """Raise a ValueError unless `channels` can be normalised in groups."""
    if channels < GROUP or channels % GROUP:
        raise ValueError(f"channels: expected a positive multiple of {GROUP} (group normalisation), got {channels}")


def gather(x: Tensor, patch: int) -> Tensor:
    """Move each patch of points into channels: (batch, channels, *grid) to (batch, channels patch^d, *grid / patch)."""
    if x.ndim == 4:
        return F.pixel_unshuffle(x, patch)
    batch, channels, nx, ny, nz = x.shape
    blocks = x.reshape(batch, channels, nx // patch, patch, ny // patch, patch, nz // patch, patch)
    return blocks.permute(0, 1, 3, 5, 7, 2, 4, 6).reshape(batch, -1, nx // patch, ny // patch, nz // patch)


def spread(x: Tensor, patch: int) -> Tensor:
    """Move channels back to patches of points: undoes `gather`."""
    if x.ndim == 4:
        return F.pixel_shuffle(x, patch)
    batch, channels, nx, ny, nz = x.shape
    blocks = x.reshape(batch, channels // patch**3, patch, patch, patch, nx, ny, nz)
    return blocks.permute(0, 1, 5, 2, 6, 3, 7, 4).reshape(batch, -1, nx * patch, ny * patch, nz * patch)


def doubled(x: Tensor) -> Tensor:
    """Repeat each point: (batch, channels, *grid) to twice as many points along each axis."""
    if x.ndim == 4:
        return F.interpolate(x, scale_factor=2.0, mode="nearest")
    for axis in (4, 3, 2):  # ONNX Runtime interpolates volumes slowly
        x = torch.stack([x, x], axis + 1).flatten(axis, axis + 1)
    return x


def cropped(x: Tensor, grid: Sequence[int]) -> Tensor:
    """The first points of x (batch, channels, ...) along each axis (batch, channels, *grid)."""
    for axis, points in enumerate(grid, 2):
        x = x.narrow(axis, 0, points)
    return x


class ResidualBlock(nn.Module):
    r"""Two normalised convolutions with a short cut.

    :math:`y = W x + \mathrm{conv}(\phi((1 + \gamma) \, \mathrm{norm}(\mathrm{conv}(\phi(\mathrm{norm}(x)))) + \beta))`
    with the scale gamma and the shift beta linear in the conditioning vector.

    Args:
        channels_in: Channels of the input, a multiple of 8.
        channels_out: Channels of the output, a multiple of 8.
        condition_features: Length of the conditioning vector; 0 for none.
        padding_mode: ``"circular"`` for periodic fields, else ``"zeros"``.
        dimension: Dimension of the grid, 2 or 3.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        condition_features: int = 0,
        padding_mode: PaddingMode = "circular",
        dimension: int = 2,
    ) -> None:
        super().__init__()
        check_channels(channels_in)
        check_channels(channels_out)
        self.norm_in = nn.GroupNorm(channels_in // GROUP, channels_in)
        self.conv_in = convolution(channels_in, channels_out, padding_mode, dimension)
        self.norm_out = nn.GroupNorm(channels_out // GROUP, channels_out)
        self.conv_out = convolution(channels_out, channels_out, padding_mode, dimension)
        self.modulation = nn.Linear(condition_features, 2 * channels_out) if condition_features else None
        self.shortcut = (
            convolution_class(dimension)(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()
        )
        nn.init.zeros_(self.conv_out.weight)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map (batch, channels_in, *grid) to (batch, channels_out, *grid).

        Args:
            x: Features.
            condition: Conditioning vector (batch, condition_features), if the block has one.
        """
        h = self.norm_out(self.conv_in(F.silu(self.norm_in(x))))
        if self.modulation is not None and condition is not None:
            modulation = self.modulation(condition)
            gamma, beta = modulation.reshape(*modulation.shape, *[1] * (x.ndim - 2)).chunk(2, dim=1)
            h = (1 + gamma) * h + beta
        return self.shortcut(x) + self.conv_out(F.silu(h))
