"""Embeddings of scalars.

Vaswani et al., Attention is all you need (2017), doi:10.48550/arXiv.1706.03762.
"""

import math

import torch
from torch import Tensor, nn


class TimeEmbedding(nn.Module):
    r"""Sines and cosines of one number at geometrically spaced frequencies.

    :math:`\sin(\omega_k t), \cos(\omega_k t)` with :math:`\omega_k` from 1 to `fastest`.

    Args:
        features: Length of the embedding, even.
        fastest: Highest angular frequency; t is expected in [0, 1].
    """

    omega: Tensor

    def __init__(self, features: int, *, fastest: float = 200.0) -> None:
        super().__init__()
        if features < 4 or features % 2:
            raise ValueError(f"TimeEmbedding.features: expected an even number >= 4, got {features}")
        self.register_buffer("omega", torch.logspace(0, math.log10(fastest), features // 2), persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        """Embed t (batch,) as (batch, features)."""
        phase = t[:, None] * self.omega
        return torch.cat([phase.sin(), phase.cos()], dim=1)
