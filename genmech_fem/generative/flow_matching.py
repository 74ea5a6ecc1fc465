"""Conditional flow matching.

Lipman, Chen, Ben-Hamu, Nickel, Le, Flow matching for generative modeling (2023),
doi:10.48550/arXiv.2210.02747. Density of t: Esser et al. (2024),
doi:10.48550/arXiv.2403.03206.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.gaussians import normal_like
from genmech_fem.generative.path_model import PathModel


class FlowMatching(PathModel):
    r"""Transport of noise to data along :math:`\dot x_t = v(x_t, t, c)`.

    The network learns the velocity of the straight path :math:`x_t = (1 - t) x_0 + t \epsilon` by least squares
    against :math:`\epsilon - x_0`, at logit-normal times.

    Args:
        shape: Shape (channels, *grid) of one sample.
        condition: Kind and size of the condition, such as ``("scalars", 6)``; None for none.
        network: Sizes of a U-Net, or any module that is a `ConditionalNetwork`.
        sampler: ``("heun" | "ddim" | "ddpm", steps)``; Heun's steps take two evaluations each.
        drop: Probability that a batch is trained without its condition, as guidance needs.
        bounds: Range of the data [unit of x], to which samples are clipped.
    """

    def __init__(
        self,
        shape: Sequence[int],
        condition: Sequence[object] | None = None,
        *,
        network: Architecture | Mapping[str, Any] | nn.Module = Architecture(),  # noqa: B008 - frozen
        sampler: Sequence[object] = ("heun", 5),
        drop: float = 0.0,
        bounds: Sequence[float] | None = None,
    ) -> None:
        super().__init__(
            shape,
            condition,
            network=network,
            path="linear",
            prediction="v",
            sampler=sampler,
            drop=drop,
            bounds=bounds,
        )

    def times(self, n: int, generator: torch.Generator) -> Tensor:
        """Logit-normal times (n,), dense in the middle of the path."""
        return normal_like(self.data_scale.mean.new_empty(n), generator).sigmoid()

    def velocity(self, x_t: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """Velocity (batch, channels, *grid) of the normalised field, from noise to data.

        Args:
            x_t: Normalised fields (batch, channels, *grid); standard normal at t = 0.
            t: Times (batch,) in [0, 1], 0 at the noise and 1 at the data.
            condition: Condition in physical units.
        """
        return -self._velocity(x_t, 1 - t, self.conditioning.encode(condition))
