"""Fully connected network from a few parameters to many numbers, such as a sampled field.

With the principal modes of the training outputs as a basis (POD): Hesthaven and Ubbiali (2018),
doi:10.1016/j.jcp.2018.02.037.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from genmech_fem.training import Batch, Normalizer, Trainable


class Perceptron(Trainable):
    """Multilayer perceptron; batches hold ``"x"`` (batch, size_in) and ``"y"`` (batch, *shape_out) in physical units.

    Args:
        size_in: Number of parameters.
        shape_out: Shape of one output sample; its first axis is normalised channel by channel.
        hidden: Widths of the hidden layers.
        modes: How many principal modes of the training outputs an output is made of, so that it is as smooth as they
            are and fulfils what they all fulfil, such as homogeneous boundary conditions; None for free outputs.
    """

    basis: Tensor

    def __init__(
        self, size_in: int, shape_out: Sequence[int], *, hidden: Sequence[int] = (64, 64), modes: int | None = None
    ) -> None:
        super().__init__()
        self.size_in, self.shape_out, self.hidden, self.modes = size_in, tuple(shape_out), tuple(hidden), modes
        self.x_scale, self.y_scale = Normalizer(size_in), Normalizer(self.shape_out[0])
        widths = (size_in, *self.hidden)
        layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.SiLU())]
        numbers = math.prod(self.shape_out)
        self.network = nn.Sequential(*layers, nn.Linear(widths[-1], modes or numbers))
        if modes:
            self.register_buffer("basis", torch.zeros(modes + 1, numbers))

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data."""
        return {
            "size_in": self.size_in,
            "shape_out": list(self.shape_out),
            "hidden": list(self.hidden),
            "modes": self.modes,
        }

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation and the modes, unless they are known from an earlier training.

        Raises:
            ValueError: There are fewer samples than modes.
        """
        if self.x_scale.fitted:
            return
        self.x_scale.fit(data["x"])
        self.y_scale.fit(data["y"])
        if self.modes:
            outputs = self.y_scale.normalize(data["y"]).flatten(1)
            if len(outputs) <= self.modes:
                raise ValueError(f"Perceptron: expected more samples than the {self.modes} modes, got {len(outputs)}")
            mean = outputs.mean(0)
            _, sizes, modes = torch.linalg.svd(outputs - mean, full_matrices=False)
            scaled = sizes[: self.modes, None] / len(outputs) ** 0.5 * modes[: self.modes]
            self.basis.copy_(torch.cat([scaled, mean[None]]))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (batch, *shape_out) for parameters (batch, size_in)."""
        return self.y_scale.denormalize(self._normalized(x))

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """Mean square error of the normalised output."""
        return (self._normalized(batch["x"]) - self.y_scale.normalize(batch["y"])).square().mean()

    def _normalized(self, x: Tensor) -> Tensor:
        found = self.network(self.x_scale.normalize(x))
        if self.modes:
            found = found @ self.basis[:-1] + self.basis[-1]
        return found.reshape(x.shape[0], *self.shape_out)
