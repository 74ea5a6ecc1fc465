"""Networks of search directions.

Principal modes of solutions with a perceptron for their amounts: Hesthaven and Ubbiali (2018),
doi:10.1016/j.jcp.2018.02.037.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genmech_fem.surrogates import GridSurrogate, Perceptron
from genmech_fem.surrogates.losses import relative_l2
from genmech_fem.training import Batch, Trainable
from genmech_petsc.encoders import OnGrid, Principal
from genmech_petsc.network import INPUTS, OUTPUT
from genmech_petsc.snapshots import Snapshots

_TINY = 1e-30


class DirectionNetwork(Trainable):
    """Directions of the size of the residual.

    Args:
        body: The network proper.
        encoder: What it takes and returns: `Principal` or `OnGrid`.
        inputs: Which of ``residual`` and ``diagonal`` it sees, in this order.
        homogeneous: Whether directions are proportional to the size of the residual, as of a linear system.
    """

    def __init__(
        self, body: Trainable, encoder: Principal | OnGrid, inputs: Sequence[str], *, homogeneous: bool = True
    ) -> None:
        super().__init__()
        self.body, self.encoder, self.inputs = body, encoder, tuple(name for name in INPUTS if name in inputs)
        self.homogeneous = homogeneous and "residual" in inputs

    def config(self) -> dict[str, Any]:
        """What is known beside the body and the encoder."""
        return {"inputs": list(self.inputs), "homogeneous": self.homogeneous}

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation of the body."""
        x, scale = self._seen([data[name] for name in self.inputs])
        self.body.prepare({"x": self.encoder.encode(x), "y": self.encoder.target(data[OUTPUT] / scale[:, None])})

    def forward(self, *vectors: Tensor) -> Tensor:
        """Directions (batch, k, n) for vectors (batch, n)."""
        x, scale = self._seen(vectors)
        return scale[:, None] * self.encoder.decode(self.body(self.encoder.encode(x)))

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """Relative error of the directions."""
        found = self(*(batch[name] for name in self.inputs))
        return relative_l2(found.flatten(0, 1), batch[OUTPUT].flatten(0, 1))

    def _seen(self, vectors: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The residual over its size, and the logarithm of the diagonal (batch, channels, n); the size (batch, 1)."""
        return seen(dict(zip(self.inputs, vectors, strict=True)), homogeneous=self.homogeneous)


def seen(vectors: Mapping[str, Tensor], *, homogeneous: bool) -> tuple[Tensor, Tensor]:
    """Channels (batch, channels, n) that a network sees, and the size of the residual (batch, 1)."""
    first = next(iter(vectors.values()))
    scale = first.abs().amax(dim=1, keepdim=True).clamp_min(_TINY) if homogeneous else torch.ones_like(first[:, :1])
    channels = [v / scale if name == "residual" else v.abs().clamp_min(_TINY).log() for name, v in vectors.items()]
    return torch.stack(channels, dim=1), scale


def modal_network(
    snapshots: Snapshots,
    *,
    inputs: Sequence[str] = INPUTS,
    modes: int = 32,
    hidden: Sequence[int] = (64, 64),
    homogeneous: bool = True,
) -> DirectionNetwork:
    """A perceptron from principal components of the inputs to those of the directions, for any mesh.

    Args:
        snapshots: Of the training.
        inputs: What it sees.
        modes: Most principal components of a direction, and of the inputs.
        hidden: Widths of the layers.
        homogeneous: As for `DirectionNetwork`; not for nonlinear systems.
    """
    tensors = tensors_of(snapshots)
    homogeneous = homogeneous and "residual" in inputs
    vectors, _ = seen({name: tensors[name] for name in INPUTS if name in inputs}, homogeneous=homogeneous)
    encoder = Principal(vectors, most=modes)
    samples, k, n = snapshots.directions.shape
    body = Perceptron(encoder.basis.shape[1], (k, n), hidden=hidden, modes=min(modes, samples - 1))
    return DirectionNetwork(body, encoder, inputs, homogeneous=homogeneous)


def grid_network(
    snapshots: Snapshots,
    places: np.ndarray,
    *,
    inputs: Sequence[str] = INPUTS,
    channels: Sequence[int] = (16, 32, 64),
    homogeneous: bool = True,
) -> DirectionNetwork:
    """A U-Net on the nodes of a structured mesh.

    Args:
        snapshots: Of the training.
        places: Of the unknowns on the grid (components, *grid); see `grid_places`.
        inputs: What it sees.
        channels: Of each level of the `UNet`.
        homogeneous: As for `DirectionNetwork`; not for nonlinear systems.
    """
    components, *grid = places.shape
    settings = {"channels": tuple(channels), "padding_mode": "zeros"}
    shape_out = (snapshots.directions.shape[1] * components, *grid)
    body = GridSurrogate(len(inputs) * components, shape_out, settings=settings, coordinates=True)
    return DirectionNetwork(body, OnGrid(places), inputs, homogeneous=homogeneous)


class Modes(nn.Module):
    """The same directions for every matrix: a reduced basis."""

    modes: Tensor

    def __init__(self, modes: np.ndarray) -> None:
        super().__init__()
        self.register_buffer("modes", torch.as_tensor(modes, dtype=torch.float32))

    def forward(self, diagonal: Tensor) -> Tensor:
        """Directions (batch, k, n)."""
        return self.modes + 0 * diagonal[:, None]


def tensors_of(snapshots: Snapshots) -> dict[str, Tensor]:
    """The arrays, by name."""
    return {name: torch.as_tensor(getattr(snapshots, name), dtype=torch.float32) for name in (*INPUTS, OUTPUT)}
