"""Normal distributions of independent numbers: draws, densities and divergences.

Draws that are differentiable in mean and variance: Kingma and Welling (2014), doi:10.48550/arXiv.1312.6114.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def normal(shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Standard normal numbers of this shape, on the device of the generator."""
    return torch.randn(tuple(shape), generator=generator, device=generator.device)


def normal_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal numbers of the shape, type and place of x."""
    return torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)


def reparametrize(mean: Tensor, log_variance: Tensor, generator: torch.Generator) -> Tensor:
    r"""Draw :math:`z = \mu + \sigma \epsilon`, differentiable in mean and log-variance (batch, latent)."""
    return mean + (0.5 * log_variance).exp() * normal_like(mean, generator)


def normal_log_density(z: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Log-density (...) [nat] of z (..., latent) under independent normal distributions."""
    return -0.5 * ((z - mean).square() / log_variance.exp() + log_variance + math.log(2 * math.pi)).sum(-1)


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""KL divergence [nat] of N(mean, variance), each (batch, latent), from the standard normal distribution.

    :math:`\tfrac12 \sum_i (\mu_i^2 + \sigma_i^2 - 1 - \ln \sigma_i^2)`, one for each sample.
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(1)
