r"""How far a predicted field is from the true one.

Each loss is a function of prediction and truth (batch, channels, *grid), in physical units, and of the batch. H1 and
energy norms measure gradients: Sobolev training, Czarnecki et al. (2017), doi:10.48550/arXiv.1706.04859.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from genmech_fem.training import Batch

type Loss = Callable[[Tensor, Tensor, Batch], Tensor]
"""Prediction, truth and batch to a number."""

TINY = 1e-12


def relative_l2(prediction: Tensor, truth: Tensor, batch: Batch | None = None) -> Tensor:  # noqa: ARG001
    r"""Mean over the samples of :math:`\|p - y\| / \|y\|`."""
    return (norm(prediction - truth) / norm(truth).clamp(min=TINY)).mean()


def relative_h1(prediction: Tensor, truth: Tensor, batch: Batch | None = None) -> Tensor:
    r"""Relative error of the field plus that of its differences between neighbouring points."""
    error, scale = differences(prediction - truth), differences(truth)
    return relative_l2(prediction, truth, batch) + (norm(error) / norm(scale).clamp(min=TINY)).mean()


@dataclass(frozen=True)
class EnergyNorm:
    r"""Mean over the samples of :math:`\sqrt{\int e : C : e \,/ \int y : C : y}`, for strains y with the error e.

    Args:
        stiffness: Gives C (batch, channels, channels, *grid) for a batch, in the basis of the channels.
    """

    stiffness: Callable[[Batch], Tensor]

    def __call__(self, prediction: Tensor, truth: Tensor, batch: Batch) -> Tensor:
        """The error."""
        C = self.stiffness(batch)
        energies = [
            (e * torch.einsum("bij...,bj...->bi...", C, e)).flatten(1).sum(1) for e in (prediction - truth, truth)
        ]
        return (energies[0].clamp(min=0) / energies[1].clamp(min=TINY) + TINY).sqrt().mean()


def norm(x: Tensor) -> Tensor:
    """Euclidean norm (batch,) of each sample, differentiable at zero."""
    return (x.square().flatten(1).sum(1) + TINY**2).sqrt()


def differences(x: Tensor) -> Tensor:
    """Differences between neighbours along all axes (batch, number), in units of the spacing of a unit square."""
    along = [x.diff(dim=axis) * (x.shape[axis] - 1) for axis in range(2, x.ndim)]
    return torch.cat([part.flatten(1) for part in along], dim=1)


LOSSES: dict[str, Loss] = {"relative_l2": relative_l2, "relative_h1": relative_h1}
