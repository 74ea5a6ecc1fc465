r"""Transformer blocks.

Attention and sinusoidal positions: Vaswani et al., Attention is all you need (2017), doi:10.48550/arXiv.1706.03762.
Normalisation before each part: Xiong et al. (2020), doi:10.48550/arXiv.2002.04745.
"""

import math
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from genmech_fem.nn.perceptron import perceptron

SLOWEST = 10_000.0  # ratio of the highest to the lowest frequency


def sinusoidal_positions(grid: Sequence[int], features: int) -> Tensor:
    """Sines and cosines of the place of each point of a grid (C order), or of a sequence ``(length,)``.

    Args:
        grid: Points along each axis.
        features: Length of the encoding; shared among the axes, 2 per frequency.

    Returns:
        The encoding (points, features).

    Raises:
        ValueError: Twice the number of axes does not divide `features`.
    """
    if features % (2 * len(grid)):
        raise ValueError(
            f"features: expected a multiple of {2 * len(grid)} for positions of {len(grid)} axes, got {features}"
        )
    count = features // (2 * len(grid))
    omega = SLOWEST ** (-torch.arange(count) / count)
    places = torch.cartesian_prod(*[torch.arange(points, dtype=torch.float32) for points in grid]).reshape(
        -1, len(grid), 1
    )
    phase = places * omega
    return torch.cat([phase.sin(), phase.cos()], dim=2).flatten(1)


def check_heads(features: int, heads: int) -> None:
    """Raise a ValueError unless `heads` divides `features`."""
    if heads < 1 or features % heads:
        raise ValueError(f"heads: expected a divisor of the {features} features, got {heads}")


def split(x: Tensor, heads: int) -> Tensor:
    """Deal vectors out to heads: (batch, length, features) to (batch, heads, length, features / heads)."""
    return torch.unflatten(x, 2, (heads, -1)).transpose(1, 2)


def joined(x: Tensor) -> Tensor:
    """Undo `split`: (batch, heads, length, features / heads) to (batch, length, features)."""
    return x.transpose(1, 2).flatten(2)


class Attention(nn.Module):
    r"""Multi-head attention :math:`\mathrm{softmax}(Q K^T / \sqrt{d}) V` of x to itself or to a context.

    Args:
        features: Length of the vectors.
        heads: Number of heads, a divisor of `features`.
        causal: Whether a vector sees only those up to its own place.

    Raises:
        ValueError: `heads` does not divide `features`.
    """

    def __init__(self, features: int, heads: int, *, causal: bool = False) -> None:
        super().__init__()
        check_heads(features, heads)
        self.heads, self.causal = heads, causal
        self.query = nn.Linear(features, features)
        self.key_value = nn.Linear(features, 2 * features)
        self.out = nn.Linear(features, features)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Map x (batch, length, features) to the same shape; context (batch, any length, features) or x itself."""
        q, k, v = self._heads(x, context)
        return self.out(joined(F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)))

    def weights(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """How much each vector of x attends to each of the context: (batch, heads, length, length of the context)."""
        q, k, _ = self._heads(x, context)
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])
        if self.causal:
            later = torch.ones(scores.shape[2:], dtype=torch.bool, device=x.device).triu(1)
            scores = scores.masked_fill(later, -math.inf)
        return scores.softmax(dim=3)

    def _heads(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        key, value = self.key_value(x if context is None else context).chunk(2, dim=2)
        q, k, v = (split(part, self.heads) for part in (self.query(x), key, value))
        return q, k, v


class TransformerBlock(nn.Module):
    """Self-attention, attention to a context if wanted, and a two-layer network, each added to its input.

    Args:
        features: Length of the vectors.
        heads: Number of heads, a divisor of `features`.
        causal: Whether self-attention sees only earlier places and its own.
        cross: Whether there is attention to a context.
    """

    def __init__(self, features: int, heads: int, *, causal: bool = False, cross: bool = False) -> None:
        super().__init__()
        self.norm_self, self.self_attention = nn.LayerNorm(features), Attention(features, heads, causal=causal)
        self.norm_cross = nn.LayerNorm(features) if cross else None
        self.cross_attention = Attention(features, heads) if cross else None
        self.norm_hidden = nn.LayerNorm(features)
        self.hidden = perceptron(features, 4 * features, features)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Map x (batch, length, features) to the same shape."""
        return self.with_weights(x, context, keep=False)[0]

    def with_weights(self, x: Tensor, context: Tensor | None, *, keep: bool = True) -> tuple[Tensor, list[Tensor]]:
        """The output, and the weights of self-attention and of attention to the context."""
        h = self.norm_self(x)
        weights = [self.self_attention.weights(h)] if keep else []
        x = x + self.self_attention(h)
        if self.cross_attention is not None and self.norm_cross is not None:
            h = self.norm_cross(x)
            weights += [self.cross_attention.weights(h, context)] if keep else []
            x = x + self.cross_attention(h, context)
        return x + self.hidden(self.norm_hidden(x)), weights


class Transformer(nn.Module):
    """Blocks one after the other, and a last normalisation; knows of places only what x tells.

    Args:
        features: Length of the vectors.
        depth: Number of blocks.
        heads: Number of heads, a divisor of `features`.
        causal: Whether self-attention sees only earlier places and its own.
        cross: Whether there is attention to a context.
    """

    def __init__(self, features: int, depth: int, *, heads: int = 4, causal: bool = False, cross: bool = False) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"Transformer.depth: expected at least 1, got {depth}")
        self.blocks = nn.ModuleList(TransformerBlock(features, heads, causal=causal, cross=cross) for _ in range(depth))
        self.norm = nn.LayerNorm(features)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Map x (batch, length, features), with its context if any, to the same shape."""
        for block in self.blocks:
            x = block(x, context)
        return self.norm(x)

    def attention_maps(self, x: Tensor, context: Tensor | None = None) -> list[list[Tensor]]:
        """Weights of each block, of self-attention and then of attention to the context if there is one.

        Each is (batch, heads, length, length of what is attended to).
        """
        maps = []
        for block in self.blocks:
            x, weights = cast(TransformerBlock, block).with_weights(x, context)
            maps.append(weights)
        return maps
