"""Diffusion models.

Ho, Jain, Abbeel, Denoising diffusion probabilistic models (2020), doi:10.48550/arXiv.2006.11239. Samplers of few
steps: Song, Meng, Ermon (2021), doi:10.48550/arXiv.2010.02502.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.path_model import PathModel
from genmech_fem.generative.paths import Prediction


class Diffusion(PathModel):
    """Denoising diffusion in continuous time.

    Args:
        shape: Shape (channels, *grid) of one sample.
        condition: Kind and size of the condition, such as ``("scalars", 6)``; None for none.
        network: Sizes of a U-Net, or any module that is a `ConditionalNetwork`.
        path: ``"cosine"``, which preserves the variance, or ``"linear"``.
        prediction: What the network predicts: ``"x0"``, ``"eps"`` or ``"v"``.
        sampler: ``("ddim" | "ddpm" | "heun", steps)``; any number of steps.
        drop: Probability that a batch is trained without its condition, as guidance needs.
        bounds: Range of the data [unit of x], to which samples are clipped.
    """

    def __init__(
        self,
        shape: Sequence[int],
        condition: Sequence[object] | None = None,
        *,
        network: Architecture | Mapping[str, Any] | nn.Module = Architecture(),  # noqa: B008 - frozen
        path: str = "cosine",
        prediction: Prediction = "v",
        sampler: Sequence[object] = ("ddim", 40),
        drop: float = 0.0,
        bounds: Sequence[float] | None = None,
    ) -> None:
        super().__init__(
            shape,
            condition,
            network=network,
            path=path,
            prediction=prediction,
            sampler=sampler,
            drop=drop,
            bounds=bounds,
        )

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data; without the network if that was given as a module."""
        return {**super().config(), "path": self.path.name, "prediction": self.prediction}

    def times(self, n: int, generator: torch.Generator) -> Tensor:
        """Uniform times (n,)."""
        return torch.rand(n, generator=generator, device=generator.device)
