"""A learned prior of latents.

Mixture priors for variational autoencoders: Dilokthanakul et al. (2016), doi:10.48550/arXiv.1611.02648; Tomczak and
Welling (2018), doi:10.48550/arXiv.1705.07120.
"""

import torch
from torch import Tensor, nn

from genmech_fem.generative.gaussians import normal_log_density, reparametrize


class MixturePrior(nn.Module):
    r"""Mixture :math:`p(z) = \sum_k w_k N(z; \mu_k, \mathrm{diag}(\sigma_k^2))` with learned weights and components.

    Args:
        components: Number of Gaussians.
        latent: Length of z.

    Raises:
        ValueError: There is no component.
    """

    def __init__(self, components: int, latent: int) -> None:
        super().__init__()
        if components < 1:
            raise ValueError(f"components: expected at least 1, got {components}")
        self.logits = nn.Parameter(torch.zeros(components))
        self.mean = nn.Parameter(torch.randn(components, latent))
        self.log_variance = nn.Parameter(torch.full((components, latent), -1.0))

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density (batch,) [nat] of z (batch, latent)."""
        each = normal_log_density(z[:, None], self.mean, self.log_variance)
        return torch.logsumexp(self.logits.log_softmax(0) + each, dim=1)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw z (n, latent)."""
        chosen = torch.multinomial(self.logits.softmax(0), n, replacement=True, generator=generator)
        return reparametrize(self.mean[chosen], self.log_variance[chosen], generator)
