r"""Convolution over the whole grid in Fourier space.

Li et al., Fourier neural operator (2021), doi:10.48550/arXiv.2010.08895. The transforms are products with the few rows
of the matrix of the discrete Fourier transform that are kept: those run in ONNX Runtime.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from genmech_fem.nn.blocks import convolution_class, cropped


class FourierLayer(nn.Module):
    r"""Product with a complex matrix for each low wave number: :math:`\mathcal{F}^{-1}(R_k \, \mathcal{F} x)`.

    It takes grids of any size, and commutes with shifts of the torus.

    Args:
        channels_in: Channels of the input.
        channels_out: Channels of the output.
        modes: Wave numbers kept along each axis, -modes/2 to modes/2 - 1, along the last 0 to modes/2; even.
        dimension: Dimension of the grid, 2 or 3.

    Raises:
        ValueError: `modes` is odd or below 2.
    """

    def __init__(self, channels_in: int, channels_out: int, modes: int, dimension: int = 2) -> None:
        super().__init__()
        if modes < 2 or modes % 2:
            raise ValueError(f"FourierLayer.modes: expected an even number >= 2, got {modes}")
        self.modes = modes
        kept = modes ** (dimension - 1) * (modes // 2 + 1)
        self.weight = nn.Parameter(torch.randn(2, kept, channels_in, channels_out) / channels_in)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels_in, *grid) to (batch, channels_out, *grid).

        Raises:
            ValueError: The grid does not have more points a side than there are modes.
        """
        grid, half = x.shape[2:], self.modes // 2
        if any(points <= self.modes for points in grid):
            raise ValueError(f"FourierLayer: expected more than {self.modes} points a side, got {tuple(grid)}")
        signed = [waves(points, -half, half, x) for points in grid[:-1]]
        cos, sin = waves(grid[-1], 0, half + 1, x)
        real, imaginary = x @ cos, -x @ sin
        for axis, (c, s) in enumerate(signed, 2):
            real, imaginary = turned(real, imaginary, c, -s, axis)
        real, imaginary = self._mixed(real, imaginary)
        for axis, (c, s) in enumerate(signed, 2):
            real, imaginary = turned(real, imaginary, c.T, s.T, axis)
        count = torch.full_like(cos[0], 2.0)  # wave numbers below zero are the conjugates of those above
        count[0] = 1.0
        return ((count * real) @ cos.T - (count * imaginary) @ sin.T) / math.prod(grid)

    def _mixed(self, real: Tensor, imaginary: Tensor) -> tuple[Tensor, Tensor]:
        """The channels (batch, channels, *wave numbers) of each wave number, mixed by its matrix."""
        a, b = self.weight
        matrix = torch.cat([torch.cat([a, b], 2), torch.cat([-b, a], 2)], 1)
        mixed = torch.cat([real, imaginary], 1).flatten(2).permute(2, 0, 1) @ matrix
        found, other = mixed.permute(1, 2, 0).chunk(2, dim=1)
        return found.reshape(*found.shape[:2], *real.shape[2:]), other.reshape(*other.shape[:2], *real.shape[2:])


class FourierNetwork(nn.Module):
    """Fourier layers, each with a pointwise one beside it.

    Args:
        channels_in: Channels of the input.
        channels_out: Channels of the output.
        width: Channels of all layers.
        depth: Number of layers.
        modes: Wave numbers kept along each axis, even.
        padding: Points of zeros added behind each axis, for fields that are not periodic.
        dimension: Dimension of the grid, 2 or 3.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        width: int = 32,
        depth: int = 4,
        modes: int = 16,
        padding: int = 0,
        dimension: int = 2,
    ) -> None:
        super().__init__()
        if depth < 1 or width < 1 or padding < 0:
            raise ValueError(
                f"FourierNetwork: expected depth, width >= 1 and padding >= 0, got {depth}, {width}, {padding}"
            )
        conv = convolution_class(dimension)
        self.padding = padding
        self.lift = nn.Sequential(conv(channels_in, 2 * width, 1), nn.GELU(), conv(2 * width, width, 1))
        self.spectral = nn.ModuleList(FourierLayer(width, width, modes, dimension) for _ in range(depth))
        self.pointwise = nn.ModuleList(conv(width, width, 1) for _ in range(depth))
        self.project = nn.Sequential(conv(width, 4 * width, 1), nn.GELU(), conv(4 * width, channels_out, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels_in, *grid) to (batch, channels_out, *grid)."""
        h = F.pad(self.lift(x), (0, self.padding) * (x.ndim - 2))
        for spectral, pointwise in zip(self.spectral, self.pointwise, strict=True):
            h = h + F.gelu(spectral(h) + pointwise(h))
        return self.project(cropped(h, x.shape[2:]))


def waves(points: int, first: int, end: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines and sines (points, wave numbers) of the wave numbers from `first` to before `end`."""
    place = torch.arange(points)[:, None]
    count = place[-1] + 1  # a tensor, so that an exported graph works at any number of points
    phase = place * torch.arange(first, end) % count * (2 * math.pi / count)
    return phase.cos().to(like), phase.sin().to(like)


def turned(real: Tensor, imaginary: Tensor, cos: Tensor, sin: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    """The sum along an axis of a complex array times cos + i sin (points, wave numbers)."""
    real, imaginary = real.movedim(axis, -1), imaginary.movedim(axis, -1)
    found = real @ cos - imaginary @ sin, real @ sin + imaginary @ cos
    return found[0].movedim(-1, axis), found[1].movedim(-1, axis)
