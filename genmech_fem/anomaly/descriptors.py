"""Anomalies by plain descriptors, without a network: what every detector has to beat."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from genmech_fem.anomaly.detector import Detector
from genmech_fem.anomaly.distances import MahalanobisDistance
from genmech_fem.nn.fourier import turned, waves

LEAST = 1e-12


class DescriptorDistance(Detector):
    """Mahalanobis distance of a descriptor from that of normal samples.

    Args:
        shape: Shape (channels, *grid) of one sample.
        descriptor: Name of one of `DESCRIPTORS`, or a function of samples (batch, channels, *grid) that returns
            numbers (batch, size).
    """

    def __init__(self, shape: Sequence[int], descriptor: str | Callable[[Tensor], Tensor]) -> None:
        super().__init__(shape)
        if isinstance(descriptor, str) and descriptor not in DESCRIPTORS:
            raise ValueError(f"DescriptorDistance: expected one of {', '.join(DESCRIPTORS)}, got '{descriptor}'")
        self.descriptor = DESCRIPTORS[descriptor] if isinstance(descriptor, str) else descriptor
        self.distance = MahalanobisDistance(self.descriptor(torch.zeros(1, *self.shape)).shape[1])

    def learn(self, x: Tensor) -> None:
        """Take mean and covariance of the descriptor."""
        self.distance.fit(self.descriptor(x))

    def evaluate(self, x: Tensor) -> tuple[Tensor, None]:
        """Distance (batch,); there is no map."""
        return self.distance(self.descriptor(x)), None


def area(x: Tensor) -> Tensor:
    """Mean of each channel (batch, channels): the area of phase 1."""
    return x.flatten(2).mean(2)


def statistics(x: Tensor) -> Tensor:
    """Mean, standard deviation, skewness, kurtosis, least and largest value of each channel (batch, 6 channels)."""
    values = x.flatten(2)
    mean = values.mean(2, keepdim=True)
    deviation = (values - mean).square().mean(2, keepdim=True).clamp(min=LEAST).sqrt()
    unit = (values - mean) / deviation
    high = [unit.pow(power).mean(2) for power in (3, 4)]
    return torch.cat([mean[..., 0], deviation[..., 0], *high, values.amin(2), values.amax(2)], dim=1)


def moments(x: Tensor) -> Tensor:
    """Polar moments of the absolute values in each channel about their centre (batch, 3 channels).

    The volume m, and the mean second and fourth powers of the distance from the centre in units of m^(1/d), which do
    not change with position, rotation and size.
    """
    dimension = x.ndim - 2
    places = torch.meshgrid(*[torch.arange(n, dtype=x.dtype, device=x.device) for n in x.shape[2:]], indexing="ij")
    position = torch.stack([place.flatten() for place in places], dim=1)  # (points, axes)
    values = x.flatten(2).abs()
    volume = values.sum(2, keepdim=True).clamp(min=LEAST)
    centre = values @ position / volume  # (batch, channels, axes)
    square = (position - centre[:, :, None]).square().sum(-1) / volume ** (2 / dimension)
    powers = [(values * square**k).sum(2) / volume[..., 0] for k in (1, 2)]
    return torch.cat([volume[..., 0], *powers], dim=1)


def correlation(x: Tensor) -> Tensor:
    """Two-point correlation S2 of each channel on the torus, in the mean over directions (batch, channels shells).

    By Fourier sums as products with matrices, which ONNX Runtime knows.
    """
    nothing, along = torch.zeros_like(x), [waves(points, 0, points, x) for points in x.shape[2:]]
    real, imaginary = x, nothing
    for axis, (cos, sin) in enumerate(along, 2):
        real, imaginary = turned(real, imaginary, cos, -sin, axis)
    real, imaginary = (real.square() + imaginary.square()) / math.prod(x.shape[2:]) ** 2, nothing
    for axis, (cos, sin) in enumerate(along, 2):
        real, imaginary = turned(real, imaginary, cos, sin, axis)
    return (real.flatten(2) @ _shells(x.shape[2:]).to(x)).flatten(1)


def _shells(grid: Sequence[int]) -> Tensor:
    """Matrix (points, shells) of the means over points at about the same distance on the torus, up to half a side."""
    along = [torch.minimum(torch.arange(n), n - torch.arange(n)) for n in grid]
    square = sum(distance**2 for distance in torch.meshgrid(*along, indexing="ij"))
    shell = torch.as_tensor(square).double().sqrt().round().long().flatten()
    member = shell[:, None] == torch.arange(min(grid) // 2 + 1)
    return (member / member.sum(0)).float()


DESCRIPTORS: dict[str, Callable[[Tensor], Tensor]] = {
    "area": area,
    "statistics": statistics,
    "moments": moments,
    "S2": correlation,
}
"""Descriptors by name, each from samples (batch, channels, *grid) to numbers (batch, size)."""
