"""What generative adversarial networks share: objectives, gradient penalties, and a count of the modes they reach.

Original game with its non-saturating generator loss: Goodfellow et al. (2014), doi:10.48550/arXiv.1406.2661. Hinge
loss: Lim and Ye (2017), doi:10.48550/arXiv.1705.02894. Wasserstein distance: Arjovsky, Chintala, Bottou (2017),
doi:10.48550/arXiv.1701.07875, with the gradient penalty of Gulrajani et al. (2017), doi:10.48550/arXiv.1704.00028.
Penalty around slope zero for the other objectives: Thanh-Tung, Tran, Venkatesh (2019), doi:10.48550/arXiv.1902.03984.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from genmech_fem.training import Normalizer

type Score = Callable[[Tensor], Tensor]
"""Samples (batch, channels, *grid) to scores, one each, high for real ones."""

OBJECTIVES = ("hinge", "bce", "wasserstein")
PENALTY = 10.0  # usual weight of the gradient penalty


def check_objective(objective: str, name: str) -> str:
    """The objective itself; raises a ValueError unless the model `name` knows it."""
    if objective not in OBJECTIVES:
        raise ValueError(f"{name}: expected an objective of {', '.join(OBJECTIVES)}, got {objective!r}")
    return objective


def discriminator_loss(
    score: Score,
    real: Tensor,
    fake: Tensor,
    *,
    generator: torch.Generator,
    objective: str = "hinge",
    penalty: float = PENALTY,
) -> Tensor:
    """What the discriminator lowers: its objective on real and generated samples, and the gradient penalty."""
    loss = game(objective, score(real), score(fake))
    return loss + penalty * gradient_penalty(objective, score, real, fake, generator) if penalty else loss


def game(objective: str, real: Tensor, fake: Tensor) -> Tensor:
    """What the discriminator lowers, from its scores of real and of generated samples."""
    if objective == "bce":
        return F.softplus(-real).mean() + F.softplus(fake).mean()
    if objective == "hinge":
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()
    return fake.mean() - real.mean()


def generator_loss(fake: Tensor, objective: str = "hinge") -> Tensor:
    """What the generator lowers, from the scores of generated samples."""
    return F.softplus(-fake).mean() if objective == "bce" else -fake.mean()


def gradient_penalty(objective: str, score: Score, real: Tensor, fake: Tensor, generator: torch.Generator) -> Tensor:
    r"""Mean penalty on the slope of the score at random points between real and generated samples.

    :math:`(\|\nabla D(\hat x)\| - 1)^2` for ``"wasserstein"``, which wants the slope 1, else
    :math:`\|\nabla D(\hat x)\|^2`.
    """
    share = torch.rand(len(real), *[1] * (real.ndim - 1), generator=generator, device=real.device)
    between = torch.lerp(fake, real, share).detach().requires_grad_()
    (slope,) = torch.autograd.grad(score(between).sum(), between, create_graph=True)
    squares = slope.flatten(1).square().sum(1)
    return (squares.sqrt() - 1).square().mean() if objective == "wasserstein" else squares.mean()


def to_physical(raw: Tensor, scale: Normalizer, bounds: Sequence[float] | None) -> Tensor:
    """Samples in physical units from the output of a network: squashed into the bounds, or denormalised."""
    if bounds is None:
        return scale.denormalize(raw)
    low, high = bounds
    return low + (high - low) * raw.sigmoid()


def mode_shares(samples: Tensor, modes: Tensor) -> Tensor:
    """Share (modes,) of the samples (n, ...) whose nearest mode is each of `modes` (modes, ...): 0 where collapsed."""
    nearest = torch.cdist(samples.flatten(1), modes.flatten(1)).argmin(1)
    return torch.bincount(nearest, minlength=len(modes)) / len(samples)
