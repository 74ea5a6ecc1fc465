"""Fully connected network from a few parameters to many numbers, such as a sampled field."""

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
    """

    def __init__(self, size_in: int, shape_out: Sequence[int], *, hidden: Sequence[int] = (64, 64)) -> None:
        super().__init__()
        self.size_in, self.shape_out, self.hidden = size_in, tuple(shape_out), tuple(hidden)
        self.x_scale, self.y_scale = Normalizer(size_in), Normalizer(self.shape_out[0])
        widths = (size_in, *self.hidden)
        layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.SiLU())]
        self.network = nn.Sequential(*layers, nn.Linear(widths[-1], math.prod(self.shape_out)))

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data."""
        return {"size_in": self.size_in, "shape_out": list(self.shape_out), "hidden": list(self.hidden)}

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation, unless it is known from an earlier training."""
        if not self.x_scale.fitted:
            self.x_scale.fit(data["x"])
            self.y_scale.fit(data["y"])

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (batch, *shape_out) for parameters (batch, size_in)."""
        return self.y_scale.denormalize(self._normalized(x))

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """Mean square error of the normalised output."""
        return (self._normalized(batch["x"]) - self.y_scale.normalize(batch["y"])).square().mean()

    def _normalized(self, x: Tensor) -> Tensor:
        return self.network(self.x_scale.normalize(x)).reshape(x.shape[0], *self.shape_out)
