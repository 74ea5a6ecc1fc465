"""Anomalies as patches unlike all patches of normal samples.

Roth et al., PatchCore (2022), doi:10.1109/CVPR52688.2022.01392. The memory is thinned by the greedy k-centre
algorithm: Gonzalez (1985), doi:10.1016/0304-3975(85)90224-5.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from genmech_fem.anomaly.detector import Detector
from genmech_fem.anomaly.distances import square_distances
from genmech_fem.anomaly.map_detector import POOLS
from genmech_fem.generative import GAN, VAE, VAEGAN, Autoencoder, Tokenizer
from genmech_fem.nn import Encoder
from genmech_fem.training import Normalizer

CANDIDATES = 20_000  # patches that the memory is chosen from


class PatchMemory(Detector):
    """Distance of the features around each point to the nearest of those of normal samples; the score is the largest.

    Features are those of levels of a trained encoder (the discriminator of a `GAN`), averaged over neighbouring points.

    Args:
        model: A trained model with an encoder.
        levels: Levels of the encoder, 0 the finest; coarser ones see more of the surroundings.
        memory: Patches to keep.
        seed: Of the choice of patches.
    """

    mean: Tensor
    deviation: Tensor
    memory: Tensor

    def __init__(
        self,
        model: Autoencoder | VAE | VAEGAN | Tokenizer | GAN,
        levels: Sequence[int] = (0, 1),
        memory: int = 1000,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__(model.shape)
        self.encoder: Encoder = model.discriminator if isinstance(model, GAN) else model.encoder
        known = len(self.encoder.blocks)
        if not levels or not all(0 <= level < known for level in levels) or memory < 1:
            raise ValueError(
                f"PatchMemory: expected levels of 0 to {known - 1} and memory >= 1, got {tuple(levels)} and {memory}"
            )
        self.scale: Normalizer = model.data_scale
        self.levels, self.size, self.seed = tuple(sorted(levels)), memory, seed
        for name in ("mean", "deviation", "memory"):
            self.register_buffer(name, torch.empty(0))

    def learn(self, x: Tensor) -> None:
        """Choose patches of normal samples that lie far from each other."""
        generator = torch.Generator().manual_seed(self.seed)
        share = max(1, CANDIDATES // len(x))
        parts = []
        for part in torch.split(x, 1):
            patches = self.patches(part)[0].flatten(1).T
            parts.append(patches[torch.randperm(len(patches), generator=generator)[:share]])
        patches = torch.cat(parts)
        self.mean, deviation = patches.mean(0), patches.std(0)
        self.deviation = torch.where(deviation > 0, deviation, 1.0)
        self.memory = thinned((patches - self.mean) / self.deviation, self.size)

    def patches(self, x: Tensor) -> Tensor:
        """Features (batch, features, *grid of the finest level) around each point."""
        maps = self.encoder.maps(self.scale.normalize(x))
        pool, finest = POOLS[x.ndim - 2], self.levels[0]
        mode = "circular" if self.encoder.stem.padding_mode == "circular" else "replicate"
        around = [1] * (2 * (x.ndim - 2))
        averaged = [(pool(F.pad(maps[level], around, mode=mode), 3, stride=1), level) for level in self.levels]
        return torch.cat(
            [
                F.interpolate(each, scale_factor=2.0 ** (level - finest), mode="nearest") if level > finest else each
                for each, level in averaged
            ],
            dim=1,
        )

    def evaluate(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Largest distance (batch,), and the distances (batch, *grid)."""
        features = self.patches(x)
        grid = features.shape[2:]
        points = features.movedim(1, -1).reshape(-1, features.shape[1])
        nearest = square_distances((points - self.mean) / self.deviation, self.memory).amin(1).sqrt()
        coarse = nearest.reshape(-1, 1, *grid)
        maps = F.interpolate(coarse, size=self.shape[1:], mode="nearest")[:, 0]
        return coarse.flatten(1).amax(1), maps


def thinned(points: Tensor, count: int) -> Tensor:
    """Some of points (n, size), up to `count`, each the one farthest from those before it."""
    if len(points) <= count:
        return points
    chosen, nearest = [0], points.new_full((len(points),), math.inf)
    apart = torch.empty_like(points)  # kept: new memory for each distance costs more than the arithmetic
    while len(chosen) < count:
        torch.sub(points, points[chosen[-1]], out=apart)
        nearest = torch.minimum(nearest, apart.square_().sum(1))
        chosen.append(int(nearest.argmax()))
    return points[chosen]
