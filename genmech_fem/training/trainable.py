"""What a network must offer to be trained by `fit`."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

type Batch = Mapping[str, Tensor]
"""Tensors by name, each (batch, ...)."""


class Trainable(nn.Module, ABC):
    """A network that knows its loss.

    `players` are updated in turn within each step, each by its own optimiser; a model
    with one objective has the single player ``"model"``, and one that is listed twice takes
    two steps. `betas` are the decays of AdamW's moments.
    """

    players: tuple[str, ...] = ("model",)
    betas: ClassVar[tuple[float, float]] = (0.9, 0.999)

    @abstractmethod
    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:
        """Scalar that `player` lowers.

        Args:
            batch: Tensors by name, each (batch, ...), in physical units.
            player: One of `players`.
            generator: The only source of random numbers.
        """

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data: ``type(model)(**model.config())`` rebuilds it."""

    def prepare(self, data: Batch) -> None:
        """Fit what depends on the training data, such as normalisation, before the first step."""

    def parameters_of(self, player: str) -> list[nn.Parameter]:  # noqa: ARG002
        """Parameters that `player` owns; all of them unless overridden."""
        return list(self.parameters())
