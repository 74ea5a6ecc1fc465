"""Detectors whose score sums up a map of errors, and the ways to sum it up."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from genmech_fem.anomaly.detector import Detector

POOLS = {2: F.avg_pool2d, 3: F.avg_pool3d}
LEAST_PERIMETER = 1.0  # standard deviation times a pixel edge, so that images without an interface stay finite


class MapDetector(Detector):
    """A detector with a map, such as the square of an error at each point.

    Args:
        shape: Shape (channels, *grid) of one sample.
        summary: ``"mean"`` of the map; its sum over the ``"perimeter"`` of the sample, for errors that lie along
            interfaces; or the side of a window [points], for its largest mean over a window, for local anomalies.
    """

    def __init__(self, shape: Sequence[int], summary: str | int) -> None:
        super().__init__(shape)
        least = min(self.shape[1:])
        if summary not in ("mean", "perimeter") and not (isinstance(summary, int) and 1 <= summary <= least):
            raise ValueError(
                f"{type(self).__name__}: expected summary='mean', 'perimeter' or a window of 1 to {least} points, "
                f"got {summary!r}"
            )
        self.summary = summary

    @abstractmethod
    def map(self, x: Tensor) -> Tensor:
        """The map (batch, *grid) of samples (batch, channels, *grid)."""

    @abstractmethod
    def normalize(self, x: Tensor) -> Tensor:
        """Samples in standard deviations of the training data."""

    def evaluate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Raw score (batch,) and map (batch, *grid)."""
        found = self.map(x)
        if self.summary == "mean":
            return found.flatten(1).mean(1), found
        if self.summary == "perimeter":
            return found.flatten(1).sum(1) / perimeter(self.normalize(x)), found
        pool = POOLS[len(self.shape) - 1]
        return pool(found[:, None], int(self.summary), stride=1).flatten(1).amax(1), found


def perimeter(x: Tensor) -> Tensor:
    """Total variation (batch,) of samples (batch, channels, *grid), by axis and mean over the channels, from 1 on."""
    jumps = [x.diff(dim=axis).abs().flatten(1).sum(1) for axis in range(2, x.ndim)]
    return (torch.stack(jumps).sum(0) / x.shape[1]).clamp(min=LEAST_PERIMETER)
