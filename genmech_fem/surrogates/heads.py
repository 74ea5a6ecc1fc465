r"""What turns features into the properties of a cell, so that impossible ones cannot be said.

Effective stiffnesses lie between the means of Voigt (1889), doi:10.1002/andp.18892741206, and Reuss (1929),
doi:10.1002/zamm.19290090104. A head that keeps them there: Keshav, Herb, Fritzen, Voigt-Reuss net (2025),
doi:10.48550/arXiv.2504.00712.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


def upper(tensor: Tensor) -> Tensor:
    """Upper triangle (batch, n (n + 1) / 2), row by row, of symmetric matrices (batch, n, n)."""
    rows, columns = torch.triu_indices(tensor.shape[1], tensor.shape[2])
    return tensor[:, rows, columns]


def symmetric(triangle: Tensor) -> Tensor:
    """Symmetric matrices (batch, n, n) with this upper triangle (batch, n (n + 1) / 2)."""
    n = math.isqrt(2 * triangle.shape[1])
    rows, columns = torch.triu_indices(n, n)
    place = torch.empty((n, n), dtype=torch.long)
    place[rows, columns] = place[columns, rows] = torch.arange(len(rows))
    return triangle[:, place.flatten()].reshape(-1, n, n)


class PositiveDefinite(nn.Module):
    r"""Symmetric positive definite matrices :math:`L L^T`.

    Args:
        size: Rows n of a matrix; in the Mandel basis 3 in 2D and 6 in 3D.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size, self.numbers = size, size * (size + 1) // 2

    def forward(self, numbers: Tensor) -> Tensor:
        """Map any numbers (batch, n (n + 1) / 2) to matrices (batch, n, n); zeros to the unit matrix."""
        rows, columns = torch.tril_indices(self.size, self.size)
        place = torch.full((self.size, self.size), self.numbers)
        place[rows, columns] = torch.arange(len(rows))
        filled = F.pad(numbers, (0, 1))[:, place.flatten()].reshape(-1, self.size, self.size)
        diagonal = torch.eye(self.size).to(numbers)
        lower = (1 - diagonal) * filled + diagonal * F.softplus(filled + math.log(math.e - 1))
        return lower @ lower.transpose(1, 2)


class VoigtReuss(nn.Module):
    r"""Stiffnesses between the means of Voigt and Reuss of two phases.

    Both stiffnesses are diagonal in one basis, :math:`C_0 = P P^T` and :math:`C_1 = P \mathrm{diag}(\mu) P^T`, and so
    are both means. Between them lies :math:`R + P \sqrt{D} \, \xi \sqrt{D} P^T` with :math:`P D P^T = V - R` and any
    symmetric :math:`\xi` with eigenvalues from 0 to 1. Those are :math:`Q \, \mathrm{diag}(\sigma) \, Q^T` with the
    rotation Q a product of plane ones.

    Args:
        soft: Stiffness C_0 (n, n), or conductivity, where the phase is 0, symmetric positive definite.
        stiff: C_1 (n, n), where it is 1.

    Raises:
        ValueError: They are not symmetric positive definite, of one shape.
    """

    basis: Tensor
    ratio: Tensor

    def __init__(self, soft: Sequence[Sequence[float]], stiff: Sequence[Sequence[float]]) -> None:
        super().__init__()
        first, second = np.asarray(soft, dtype=float), np.asarray(stiff, dtype=float)
        for name, C in (("soft", first), ("stiff", second)):
            if C.shape != first.shape or C.ndim != 2 or not np.allclose(C, C.T) or np.linalg.eigvalsh(C).min() <= 0:
                raise ValueError(f"VoigtReuss.{name}: expected a symmetric positive definite matrix, got {C.tolist()}")
        root = np.linalg.cholesky(first)
        ratio, vectors = np.linalg.eigh(np.linalg.solve(root, np.linalg.solve(root, second).T))
        self.register_buffer("basis", torch.as_tensor(root @ vectors, dtype=torch.float32))
        self.register_buffer("ratio", torch.as_tensor(ratio, dtype=torch.float32))
        self.size = len(first)
        self.planes = [(i, j) for i in range(self.size) for j in range(i + 1, self.size)]
        self.numbers = self.size + len(self.planes)

    def bounds(self, fraction: Tensor) -> tuple[Tensor, Tensor]:
        """Means of Reuss and Voigt (batch, n), diagonal in the basis, for the fraction (batch, 1) of phase 1."""
        return 1 / (1 - fraction + fraction / self.ratio), 1 - fraction + fraction * self.ratio

    def forward(self, numbers: Tensor, fraction: Tensor) -> Tensor:
        """Map any numbers (batch, n (n + 1) / 2) and the fraction (batch, 1) of phase 1 to tensors (batch, n, n)."""
        reuss, voigt = self.bounds(fraction)
        Q = self._rotation(numbers[:, self.size :])
        xi = Q @ (numbers[:, : self.size].sigmoid()[:, :, None] * Q.transpose(1, 2))
        root = (voigt - reuss).clamp(min=0).sqrt()
        inside = torch.diag_embed(reuss) + root[:, :, None] * xi * root[:, None, :]
        return self.basis @ inside @ self.basis.T

    def outside(self, stiffness: Tensor, fraction: Tensor, tolerance: float = 1e-5) -> Tensor:
        """Which stiffnesses (batch, n, n) are not between the means (batch,), by more than a share of Voigt's."""
        reuss, voigt = self.bounds(fraction.double())
        inverse = torch.linalg.inv(self.basis.double())
        seen = inverse @ stiffness.double() @ inverse.T
        scale = voigt.rsqrt()
        gaps = (
            torch.linalg.eigvalsh(scale[:, :, None] * gap * scale[:, None, :]).amin(1)
            for gap in (seen - torch.diag_embed(reuss), torch.diag_embed(voigt) - seen)
        )
        return torch.stack(list(gaps)).amin(0) < -tolerance

    def _rotation(self, angles: Tensor) -> Tensor:
        """Product of rotations (batch, n, n) in all planes by these angles (batch, planes)."""
        Q = torch.eye(self.size).to(angles).expand(len(angles), -1, -1)
        for k, (i, j) in enumerate(self.planes):
            turn, unit = torch.zeros((2, self.size, self.size)).to(angles)
            unit[i, i] = unit[j, j] = 1.0
            turn[i, j], turn[j, i] = -1.0, 1.0
            angle = angles[:, k, None, None]
            Q = Q @ (torch.eye(self.size).to(angles) + (angle.cos() - 1) * unit + angle.sin() * turn)
        return Q
