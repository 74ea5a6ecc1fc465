"""Transformer on the patches of a grid.

Dosovitskiy et al., An image is worth 16x16 words (2021), doi:10.48550/arXiv.2010.11929.
"""

from torch import Tensor, nn

from genmech_fem.nn.attention import Transformer, sinusoidal_positions
from genmech_fem.nn.blocks import convolution, convolution_class, gather, spread


class VisionTransformer(nn.Module):
    """Every patch attends to every other; a last convolution smooths the borders between patches.

    Args:
        channels_in: Channels of the input.
        channels_out: Channels of the output.
        patch: Edge of a patch, which divides the grid.
        features: Length of the vectors, a multiple of 2 `dimension`.
        depth: Number of blocks.
        heads: Number of heads, a divisor of `features`.
        dimension: Dimension of the grid, 2 or 3.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        patch: int = 4,
        features: int = 96,
        depth: int = 4,
        heads: int = 4,
        dimension: int = 2,
    ) -> None:
        super().__init__()
        conv = convolution_class(dimension)
        self.patch = patch
        self.lift = conv(channels_in * patch**dimension, features, 1)
        self.transformer = Transformer(features, depth, heads=heads)
        self.project = conv(features, 2 * channels_out * patch**dimension, 1)
        self.smooth = convolution(2 * channels_out, channels_out, "zeros", dimension)

    @property
    def stride(self) -> int:
        """What the sides of the grid must be multiples of."""
        return self.patch

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels_in, *grid) to (batch, channels_out, *grid).

        Raises:
            ValueError: The grid is not a multiple of the patch.
        """
        seen = self.transformer(placed_patches(x, self.lift, self.patch))
        maps = seen.transpose(1, 2).unflatten(2, [points // self.patch for points in x.shape[2:]])
        return self.smooth(spread(self.project(maps), self.patch))


def placed_patches(x: Tensor, lift: nn.Module, patch: int) -> Tensor:
    """Vectors (batch, patches, features) of the patches of x in C order, and of their places.

    Args:
        x: Fields (batch, channels, *grid).
        lift: Maps gathered patches (batch, channels patch^dimension, *grid / patch) to features.
        patch: Edge of a patch.

    Raises:
        ValueError: The patch does not divide the grid.
    """
    if any(points % patch for points in x.shape[2:]):
        raise ValueError(f"patch: expected a grid that {patch} divides, got {tuple(x.shape[2:])}")
    h = lift(gather(x, patch))
    places = sinusoidal_positions(h.shape[2:], h.shape[1]).to(h)
    return h.flatten(2).transpose(1, 2) + places
