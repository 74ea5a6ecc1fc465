"""Convolution blocks on planar grids.

Residual block: He et al. (2016), doi:10.1109/CVPR.2016.90; feature-wise modulation:
Perez et al., FiLM (2018), doi:10.48550/arXiv.1709.07871.
"""

from typing import Literal

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

type PaddingMode = Literal["circular", "zeros"]

GROUP = 8


def convolution(channels_in: int, channels_out: int, padding_mode: PaddingMode) -> nn.Conv2d:
    """3x3 convolution that keeps the grid; ``"circular"`` treats the grid as a torus."""
    if padding_mode not in ("circular", "zeros"):
        raise ValueError(f"padding_mode: expected 'circular' or 'zeros', got {padding_mode!r}")
    return nn.Conv2d(channels_in, channels_out, 3, padding=1, padding_mode=padding_mode)


def check_channels(channels: int) -> None:
    """Raise a ValueError unless `channels` can be normalised in groups."""
    if channels < GROUP or channels % GROUP:
        raise ValueError(f"channels: expected a positive multiple of {GROUP} (group normalisation), got {channels}")


class ResidualBlock(nn.Module):
    r"""Two normalised convolutions with a short cut.

    :math:`y = W x + \mathrm{conv}(\phi((1 + \gamma) \, \mathrm{norm}(\mathrm{conv}(\phi(\mathrm{norm}(x)))) + \beta))`
    with the scale gamma and the shift beta linear in the conditioning vector.

    Args:
        channels_in: Channels of the input, a multiple of 8.
        channels_out: Channels of the output, a multiple of 8.
        condition_features: Length of the conditioning vector; 0 for none.
        padding_mode: ``"circular"`` for periodic fields, else ``"zeros"``.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        condition_features: int = 0,
        padding_mode: PaddingMode = "circular",
    ) -> None:
        super().__init__()
        check_channels(channels_in)
        check_channels(channels_out)
        self.norm_in = nn.GroupNorm(channels_in // GROUP, channels_in)
        self.conv_in = convolution(channels_in, channels_out, padding_mode)
        self.norm_out = nn.GroupNorm(channels_out // GROUP, channels_out)
        self.conv_out = convolution(channels_out, channels_out, padding_mode)
        self.modulation = nn.Linear(condition_features, 2 * channels_out) if condition_features else None
        self.shortcut = nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()
        nn.init.zeros_(self.conv_out.weight)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Map (batch, channels_in, nx, ny) to (batch, channels_out, nx, ny).

        Args:
            x: Features.
            condition: Conditioning vector (batch, condition_features), if the block has one.
        """
        h = self.norm_out(self.conv_in(F.silu(self.norm_in(x))))
        if self.modulation is not None and condition is not None:
            gamma, beta = self.modulation(condition)[:, :, None, None].chunk(2, dim=1)
            h = (1 + gamma) * h + beta
        return self.shortcut(x) + self.conv_out(F.silu(h))
