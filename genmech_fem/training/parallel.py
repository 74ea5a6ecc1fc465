"""What `fit` needs of ``torch.distributed``; without a process group everything is done by one process.

Start processes with torch's own launcher, ``torchrun``, and call ``torch.distributed.init_process_group`` before `fit`.
"""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn


def world() -> tuple[int, int]:
    """Rank of this process and number of processes."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def share(model: nn.Module) -> None:
    """Give every process the weights of the first one."""
    if world()[1] > 1:
        for tensor in model.state_dict().values():
            dist.broadcast(tensor, 0)


def add_up(tensors: Iterable[Tensor]) -> None:
    """Replace each tensor by its sum over the processes."""
    if world()[1] == 1:
        return
    together = list(tensors)
    flat = torch.cat([tensor.flatten() for tensor in together])
    dist.all_reduce(flat)
    sizes = [tensor.numel() for tensor in together]
    for tensor, part in zip(together, torch.split(flat, sizes), strict=True):
        tensor.copy_(part.reshape(tensor.shape))


def of_first(value: float) -> float:
    """The value that the first process has."""
    if world()[1] == 1:
        return value
    tensor = torch.tensor([value], dtype=torch.float64)
    dist.broadcast(tensor, 0)
    return float(tensor)
