"""Anomalies as what no latent of a generator gives.

Schlegl et al., AnoGAN (2017), doi:10.1007/978-3-319-59050-9_12. The search over latents is that of Levenberg (1944),
doi:10.1090/qam/10666, and Marquardt (1963), doi:10.1137/0111030.
"""

import torch
from torch import Tensor

from genmech_fem.anomaly.distances import square_distances
from genmech_fem.anomaly.map_detector import MapDetector
from genmech_fem.generative import GAN, VAE, VAEGAN

STEP = 1e-2  # of the central differences
DAMPINGS = (1e-3, 1e-1)  # in the mean eigenvalue of the normal matrix: the better of the two steps is taken


class Inversion(MapDetector):
    r"""Square error of the best sample that the generator makes, :math:`\min_z |G(z) - x|^2 + w |z|^2`.

    The search starts at the nearest of many random samples. Its derivatives are differences of decoded samples, so
    that it runs wherever the decoder does, in ONNX Runtime too.

    Args:
        model: A trained generator with a standard normal latent vector.
        summary: How the map becomes a score, as for `MapDetector`.
        starts: Random samples to start from.
        steps: Steps of the search.
        weight: Weight w of the length of the latent, per point of the sample.
        seed: Of the starts.
    """

    latents: Tensor
    starts: Tensor

    def __init__(
        self,
        model: GAN | VAE | VAEGAN,
        summary: str | int = "mean",
        *,
        starts: int = 1000,
        steps: int = 5,
        weight: float = 1e-3,
        seed: int = 0,
    ) -> None:
        super().__init__(model.shape, summary)
        if starts < 1 or steps < 0 or not weight >= 0:
            raise ValueError(
                f"Inversion: expected starts >= 1, steps >= 0 and weight >= 0, got {starts=}, {steps=}, {weight=}"
            )
        self.model, self.steps, self.weight = model, steps, weight
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("latents", torch.randn((starts, model.latent), generator=generator))
        self.register_buffer("starts", torch.empty(0, 0))

    def learn(self, x: Tensor) -> None:  # noqa: ARG002
        """Decode the starts."""
        self.starts = torch.cat([self._decode(z) for z in torch.split(self.latents, 100)])

    def normalize(self, x: Tensor) -> Tensor:
        """Samples in standard deviations of the training data."""
        return self.model.data_scale.normalize(x)

    def invert(self, x: Tensor) -> Tensor:
        """Latents (batch, latent) whose samples are closest to x (batch, channels, *grid)."""
        goal = self.normalize(x).flatten(1)
        z = self.latents[square_distances(goal, self.starts).argmin(1)]
        loss = self._loss(z, goal)
        for _ in range(self.steps):
            for candidate in self._candidates(z, goal):
                tried = self._loss(candidate, goal)
                better = tried < loss
                z, loss = torch.where(better[:, None], candidate, z), torch.where(better, tried, loss)
        return z

    def map(self, x: Tensor) -> Tensor:
        """Square errors (batch, *grid)."""
        best = self._decode(self.invert(x)).reshape(x.shape)
        return (best - self.normalize(x)).square().mean(1)

    def _decode(self, z: Tensor) -> Tensor:
        return self.normalize(self.model.decode(z)).flatten(1)

    def _loss(self, z: Tensor, goal: Tensor) -> Tensor:
        return (self._decode(z) - goal).square().mean(1) + self.weight * z.square().sum(1)

    def _candidates(self, z: Tensor, goal: Tensor) -> list[Tensor]:
        """Where damped Gauss-Newton steps lead from z."""
        size, points = z.shape[1], goal.shape[1]
        moves = STEP * torch.eye(size, device=z.device)
        around = (z[:, None] + torch.cat([moves, -moves])).reshape(-1, size)
        ahead, behind = self._decode(around).reshape(-1, 2, size, points).unbind(1)
        jacobian = (ahead - behind) / (2 * STEP)  # (batch, latent, points)
        residual = self._decode(z) - goal
        slope = (jacobian @ residual[..., None])[..., 0] / points + self.weight * z
        normal = jacobian @ jacobian.transpose(1, 2) / points + self.weight * torch.eye(size, device=z.device)
        scale = normal.diagonal(dim1=1, dim2=2).mean(1)[:, None, None]
        return [z - conjugate_gradients(normal + d * scale * torch.eye(size, device=z.device), slope) for d in DAMPINGS]


def conjugate_gradients(matrix: Tensor, right: Tensor) -> Tensor:
    """Solutions (batch, size) of as many equations as unknowns, by positive definite matrices (batch, size, size)."""
    x, residual = torch.zeros_like(right), right
    direction, square = residual, residual.square().sum(1, keepdim=True)
    for _ in range(right.shape[1]):
        image = (matrix @ direction[..., None])[..., 0]
        length = square / (direction * image).sum(1, keepdim=True).clamp(min=torch.finfo().tiny)
        x, residual = x + length * direction, residual - length * image
        old, square = square, residual.square().sum(1, keepdim=True)
        direction = residual + square / old.clamp(min=torch.finfo().tiny) * direction
    return x
