r"""Attention between many points by way of a few: its cost grows with the number of points, not with its square.

Slices: Wu et al., Transolver (2024), doi:10.48550/arXiv.2402.02366. Low rank: Puri et al., FLARE (2025),
doi:10.48550/arXiv.2508.12594.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from genmech_fem.nn.attention import check_heads, joined, split


class SliceAttention(nn.Module):
    """Points are gathered into slices by learned weights, the slices attend to each other, and hand back.

    Args:
        features: Length of the vectors.
        heads: Number of heads, a divisor of `features`.
        slices: Number of slices.
    """

    def __init__(self, features: int, heads: int, slices: int = 32) -> None:
        super().__init__()
        check_heads(features, heads)
        self.heads, size = heads, features // heads
        self.value = nn.Linear(features, 2 * features)
        self.slices = nn.Linear(size, slices)
        self.temperature = nn.Parameter(torch.full((heads, 1, 1), 0.5))
        self.query_key_value = nn.Linear(size, 3 * size, bias=False)
        self.out = nn.Linear(features, features)
        nn.init.orthogonal_(self.slices.weight)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map x (batch, points, features) to the same shape; where mask (batch, points) is False no point counts."""
        place, value = (split(part, self.heads) for part in self.value(x).chunk(2, dim=2))
        weights = (self.slices(place) / self.temperature.clamp(0.1, 5.0)).softmax(dim=3)
        counted = weights if mask is None else weights * mask[:, None, :, None]
        tokens = counted.transpose(2, 3) @ value / (counted.sum(2)[..., None] + 1e-5)
        q, k, v = self.query_key_value(tokens).chunk(3, dim=3)
        return self.out(joined(weights @ F.scaled_dot_product_attention(q, k, v)))


class LowRankAttention(nn.Module):
    r"""Points hand their values to learned queries and take them back.

    :math:`\mathrm{softmax}(K Q^T) \, \mathrm{softmax}(Q K^T) V` with few rows Q.

    Args:
        features: Length of the vectors.
        heads: Number of heads, a divisor of `features`.
        rank: Number of queries of each head.
    """

    def __init__(self, features: int, heads: int, rank: int = 32) -> None:
        super().__init__()
        check_heads(features, heads)
        self.heads = heads
        self.query = nn.Parameter(0.1 * torch.randn(1, heads, rank, features // heads))
        self.key_value = nn.Linear(features, 2 * features)
        self.out = nn.Linear(features, features)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Map x (batch, points, features) to the same shape; where mask (batch, points) is False no point counts."""
        k, v = (split(part, self.heads) for part in self.key_value(x).chunk(2, dim=2))
        q = self.query.expand(x.shape[0], -1, -1, -1)
        hidden = (
            None
            if mask is None
            else torch.zeros_like(k[:, :1, None, :, 0]).masked_fill(~mask[:, None, None], -math.inf)
        )
        gathered = F.scaled_dot_product_attention(q, k, v, attn_mask=hidden, scale=1.0)
        return self.out(joined(F.scaled_dot_product_attention(k, q, gathered, scale=1.0)))
