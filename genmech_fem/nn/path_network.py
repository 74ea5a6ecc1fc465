"""Sequences of fields along a path of loads.

Encoder-decoder transformer: Vaswani et al. (2017), doi:10.48550/arXiv.1706.03762.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genmech_fem.nn.attention import Transformer, sinusoidal_positions
from genmech_fem.nn.blocks import PaddingMode, convolution_class
from genmech_fem.nn.unet import UNet
from genmech_fem.nn.vision_transformer import placed_patches


class PathNetwork(nn.Module):
    """A field and a path of loads to the fields at all steps of the path.

    Patches of the field are the encoder's sequence. The steps of the path are the decoder's: each attends to the steps
    before it and to all patches, and what it then knows modulates a U-Net that turns the field into that of the step.
    So no step depends on later loads, and the path may have any length.

    Args:
        channels_in: Channels of the field, such as the coefficient or an initial temperature.
        channels_out: Channels of the field of one step.
        loads: Numbers of one step.
        features: Length of the vectors, a multiple of 2 `dimension`.
        depth: Blocks of encoder and decoder each.
        heads: Number of heads, a divisor of `features`.
        patch: Edge of a patch, which divides the grid.
        widths: Channels of the U-Net's levels, fine to coarse.
        padding_mode: ``"circular"`` for periodic fields, else ``"zeros"``.
        dimension: Dimension of the grid, 2 or 3.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        loads: int,
        *,
        features: int = 64,
        depth: int = 2,
        heads: int = 4,
        patch: int = 4,
        widths: Sequence[int] = (16, 32),
        padding_mode: PaddingMode = "zeros",
        dimension: int = 2,
    ) -> None:
        super().__init__()
        self.features, self.patch = features, patch
        self.patches = convolution_class(dimension)(channels_in * patch**dimension, features, 1)
        self.encoder = Transformer(features, depth, heads=heads)
        self.loads = nn.Linear(loads, features)
        self.decoder = Transformer(features, depth, heads=heads, causal=True, cross=True)
        self.unet = UNet(
            channels_in,
            channels_out,
            channels=widths,
            condition_features=features,
            padding_mode=padding_mode,
            dimension=dimension,
        )

    def forward(self, x: Tensor, path: Tensor) -> Tensor:
        """Map x (batch, channels_in, *grid) and path (batch, steps, loads) to (batch, steps, channels_out, *grid).

        Raises:
            ValueError: The patch does not divide the grid.
        """
        steps = path.shape[1]
        context = self.encoder(placed_patches(x, self.patches, self.patch))
        times = sinusoidal_positions((steps,), self.features).to(context)
        state = self.decoder(self.loads(path) + times, context)
        fields = torch.repeat_interleave(x, steps, dim=0)
        return self.unet(fields, state.flatten(0, 1)).unflatten(0, (-1, steps))
