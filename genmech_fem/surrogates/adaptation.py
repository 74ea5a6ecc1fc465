"""What of a trained network may change when it learns something else.

Low-rank updates: Hu et al., LoRA (2021), doi:10.48550/arXiv.2106.09685.
"""

import fnmatch
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

LAYERS = (nn.Linear, nn.Conv2d, nn.Conv3d)


class LowRankUpdate(nn.Module):
    """A weight, and a product of two thin matrices added to it, which is zero at first.

    Args:
        shape: Shape (out, ...) of the weight.
        rank: Columns of the first matrix.
    """

    def __init__(self, shape: Sequence[int], rank: int) -> None:
        super().__init__()
        columns = math.prod(shape[1:])
        self.down = nn.Parameter(torch.randn(rank, columns) / math.sqrt(columns))
        self.up = nn.Parameter(torch.zeros(shape[0], rank))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight as it is used."""
        return weight + (self.up @ self.down).reshape(weight.shape)


def low_rank(model: nn.Module, rank: int = 4) -> int:
    """Freeze a model and give each linear and convolution layer a low-rank update, in place.

    Train it with `fit`, then `merge` it, and only then save or export it.

    Returns:
        How many numbers are trained.

    Raises:
        ValueError: The rank is below 1, or the model has no such layer.
    """
    layers = [layer for layer in model.modules() if isinstance(layer, LAYERS)]
    if rank < 1 or not layers:
        raise ValueError(f"low_rank: expected rank >= 1 and a model with linear layers, got {rank}, {len(layers)}")
    model.requires_grad_(False)
    for layer in layers:
        update = LowRankUpdate(layer.weight.shape, rank).to(layer.weight)
        parametrize.register_parametrization(layer, "weight", update)
    return _trained(model)


def merge(model: nn.Module) -> None:
    """Write low-rank updates into the weights, in place, and let all of them be trained again."""
    for layer in model.modules():
        if isinstance(layer, LAYERS) and parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    model.requires_grad_(True)


def only(model: nn.Module, patterns: Sequence[str]) -> int:
    """Freeze a model but for the parameters whose names match, in place.

    Args:
        model: The model.
        patterns: Shell patterns, such as ``"network.head*"``.

    Returns:
        How many numbers are trained.

    Raises:
        ValueError: No parameter matches.
    """
    names = [name for name, _ in model.named_parameters()]
    chosen = {name for pattern in patterns for name in fnmatch.filter(names, pattern)}
    if not chosen:
        raise ValueError(f"only: expected patterns of parameters such as {names[-1]!r}, got {list(patterns)}")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in chosen)
    return _trained(model)


def _trained(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
