"""Stored arrays as training tensors."""

from collections.abc import Sequence

from genmech_fem.errors import MissingExtraError
from genmech_fem.fields import Arrays, Spec

try:
    import torch
except ImportError as error:
    raise MissingExtraError("torch", "learn") from error


def to_tensors(arrays: Arrays, specs: Sequence[Spec]) -> dict[str, torch.Tensor]:
    """Turn arrays into float32 tensors of the layout that networks see.

    Args:
        arrays: Arrays (samples, *spec.shape).
        specs: The arrays to take.

    Returns:
        Tensors by name: fields (samples, channels, *grid), vectors (samples, size).
    """
    return {
        spec.name: torch.as_tensor(arrays[spec.name].reshape(-1, *spec.channel_shape), dtype=torch.float32)
        for spec in specs
    }
