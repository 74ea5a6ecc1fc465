"""Distances to a set of normal points: its mean and covariance, or its nearest members.

Mahalanobis (1936), doi:10.1007/s13171-019-00164-5 (reprint). Nearest neighbours: Ramaswamy, Rastogi, Shim (2000),
doi:10.1145/342009.335437.
"""

import torch
from torch import Tensor, nn

SHRINKAGE = 1e-3  # of the covariance towards its diagonal, so that units do not matter


class MahalanobisDistance(nn.Module):
    """Distance from the mean in standard deviations of normal points, whatever their correlation.

    Args:
        size: Length of a point.
    """

    mean: Tensor
    whitening: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.full((size,), torch.nan))
        self.register_buffer("whitening", torch.full((size, size), torch.nan))

    def fit(self, points: Tensor) -> None:
        """Take mean and covariance of points (n, size).

        Raises:
            ValueError: A number is not finite.
        """
        size = points.shape[1]
        if not points.isfinite().all():
            raise ValueError("expected descriptors or latents of normal samples that are finite, got NaN or infinity")
        covariance = torch.cov(points.T.double()).reshape(size, size)
        scale = covariance.diagonal().sqrt().clamp(min=1e-6 * points.double().abs().mean(0)).clamp(min=1e-18)
        unit = torch.eye(size).to(covariance)
        root = torch.linalg.cholesky(covariance / scale / scale[:, None] + SHRINKAGE * unit)
        self.mean.copy_(points.double().mean(0))
        self.whitening.copy_(torch.linalg.solve_triangular(root, (1 / scale).diag(), upper=False).T)

    def forward(self, points: Tensor) -> Tensor:
        """Distances (n,) of points (n, size)."""
        return ((points - self.mean) @ self.whitening).square().sum(1).sqrt()


class NeighbourDistance(nn.Module):
    """Distance to the k-th nearest of the normal points, each entry in its standard deviation.

    Args:
        neighbours: Which neighbour, k.
    """

    deviation: Tensor
    members: Tensor

    def __init__(self, neighbours: int = 1) -> None:
        super().__init__()
        if neighbours < 1:
            raise ValueError(f"neighbours: expected at least 1, got {neighbours}")
        self.neighbours = neighbours
        self.register_buffer("deviation", torch.empty(0))
        self.register_buffer("members", torch.empty(0, 0))

    def fit(self, points: Tensor) -> None:
        """Keep points (n >= neighbours, size)."""
        if len(points) < self.neighbours:
            raise ValueError(f"expected at least {self.neighbours} normal samples, one a neighbour, got {len(points)}")
        deviation = points.std(0)
        self.deviation = torch.where(deviation > 0, deviation, 1.0)
        self.members = points / self.deviation

    def forward(self, points: Tensor) -> Tensor:
        """Distances (n,) of points (n, size)."""
        squares = square_distances(points / self.deviation, self.members)
        return squares.topk(self.neighbours, dim=1, largest=False).values[:, -1].sqrt()


def square_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squares of the distances (n, m) between points (n, size) and (m, size)."""
    squares = x.square().sum(1, keepdim=True) - 2 * x @ y.T + y.square().sum(1)
    return squares.clamp(min=0)
