"""Several networks that were trained alike: their mean is better than one, their spread says how sure they are.

Lakshminarayanan, Pritzel, Blundell, Deep ensembles (2017), doi:10.48550/arXiv.1612.01474.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Ensemble(nn.Module):
    """Mean and standard deviation over the members, of one output.

    Args:
        members: Modules with the same inputs and one output each.

    Raises:
        ValueError: There are fewer than two members.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        if len(members) < 2:
            raise ValueError(f"Ensemble: expected at least 2 members, which can differ, got {len(members)}")
        self.members = nn.ModuleList(members)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (batch, ...) of the members' outputs."""
        found = torch.stack([member(*inputs) for member in self.members])
        return found.mean(0), found.std(0)
