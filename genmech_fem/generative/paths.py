"""Gaussian paths from data to noise.

Kingma, Salimans, Poole, Ho, Variational diffusion models (2021), doi:10.48550/arXiv.2107.00630. Cosine path:
Nichol and Dhariwal (2021), doi:10.48550/arXiv.2102.09672; linear path: Liu, Gong, Liu (2022),
doi:10.48550/arXiv.2209.03003. Prediction of v: Salimans and Ho (2022), doi:10.48550/arXiv.2202.00512.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

type Prediction = Literal["x0", "eps", "v"]
PREDICTIONS = ("x0", "eps", "v")
LEAST_DATA = 0.02  # share by which what is left of x_t is divided: less would blow up the errors of a predicted noise
LEAST_NOISE = 1e-3  # the same for a predicted x_0


@dataclass(frozen=True)
class GaussianPath:
    r"""The path :math:`x_t = \alpha_t x_0 + \sigma_t \epsilon` of data x_0 and standard normal noise.

    Time t runs from the data (0) to the noise (1). The velocity is
    :math:`\dot x_t = s \, v`, :math:`v = \beta_t \epsilon - \gamma_t x_0`, with the constant `speed` s.

    Args:
        name: Name in configurations.
        speed: Length of the velocity in units of v.
        alpha: Share of the data, of t.
        sigma: Share of the noise, of t.
        beta: Share of the noise in v, of t; alpha beta + sigma gamma = 1.
        gamma: Share of the data in -v, of t.
    """

    name: str
    speed: float
    alpha: Callable[[Tensor], Tensor]
    sigma: Callable[[Tensor], Tensor]
    beta: Callable[[Tensor], Tensor]
    gamma: Callable[[Tensor], Tensor]

    def mix(self, x_0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """x_t of data and noise (batch, ...) at the times t (batch,)."""
        t = like(t, x_0)
        return self.alpha(t) * x_0 + self.sigma(t) * eps

    def target(self, prediction: Prediction, x_0: Tensor, eps: Tensor, t: Tensor) -> Tensor:
        """What a network with this prediction learns."""
        if prediction == "v":
            t = like(t, x_0)
            return self.beta(t) * eps - self.gamma(t) * x_0
        return x_0 if prediction == "x0" else eps

    def data_and_noise(
        self, prediction: Prediction, predicted: Tensor, x_t: Tensor, t: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Data and noise (batch, ...) that x_t and a prediction at the times t (batch,) stand for."""
        t = like(t, x_t)
        alpha, sigma = self.alpha(t), self.sigma(t)
        if prediction == "v":
            return self.beta(t) * x_t - sigma * predicted, alpha * predicted + self.gamma(t) * x_t
        if prediction == "x0":
            return predicted, (x_t - alpha * predicted) / sigma.clamp(min=LEAST_NOISE)
        return (x_t - sigma * predicted) / alpha.clamp(min=LEAST_DATA), predicted


def like(t: Tensor, x: Tensor) -> Tensor:
    """Times (batch,) in the shape (batch, 1, ...) of x."""
    return t.reshape(-1, *[1] * (x.ndim - 1))


def _cosine(t: Tensor) -> Tensor:
    return torch.cos(math.pi / 2 * t)


def _sine(t: Tensor) -> Tensor:
    return torch.sin(math.pi / 2 * t)


COSINE = GaussianPath("cosine", math.pi / 2, _cosine, _sine, _cosine, _sine)
LINEAR = GaussianPath("linear", 1.0, lambda t: 1 - t, lambda t: t, torch.ones_like, torch.ones_like)
PATHS = {path.name: path for path in (COSINE, LINEAR)}
