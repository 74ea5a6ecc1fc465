"""A field and a path of loads to the fields along the path."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec
from genmech_fem.nn import PathNetwork
from genmech_fem.surrogates.losses import relative_l2
from genmech_fem.surrogates.networks import fitting_settings
from genmech_fem.surrogates.torch_model import TorchModel
from genmech_fem.training import Batch, Normalizer, Trainable


class PathSurrogate(Trainable):
    """`PathNetwork` in physical units: histories of transient or path-dependent problems.

    Batches hold ``"x"`` (batch, channels_in, *grid), ``"path"`` (batch, steps, loads) and ``"y"`` (batch, steps,
    channels_out, *grid).

    Args:
        channels_in: Channels of the field, such as the coefficient or an initial temperature.
        channels_out: Channels of the field of one step.
        loads: Numbers of one step, such as an applied strain or the time.
        settings: Arguments of the network, by name.

    Raises:
        ValueError: An argument of the network is unknown.
    """

    def __init__(
        self, channels_in: int, channels_out: int, loads: int, *, settings: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self._config: dict[str, Any] = {
            "channels_in": channels_in,
            "channels_out": channels_out,
            "loads": loads,
            "settings": dict(settings or {}),
        }
        self.x_scale, self.y_scale, self.path_scale = map(Normalizer, (channels_in, channels_out, loads))
        with fitting_settings("PathSurrogate", "PathNetwork"):
            self.network = PathNetwork(channels_in, channels_out, loads, **self._config["settings"])

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data."""
        return dict(self._config)

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation, unless it is known from an earlier training."""
        if not self.x_scale.fitted:
            self.x_scale.fit(data["x"])
            self.path_scale.fit(data["path"].transpose(1, 2))
            self.y_scale.fit(data["y"].flatten(0, 1))

    def forward(self, x: Tensor, path: Tensor) -> Tensor:
        """Map x (batch, channels_in, *grid) and paths (batch, steps, loads) to (batch, steps, channels_out, *grid)."""
        loads = self.path_scale.normalize(path.transpose(1, 2)).transpose(1, 2)
        found = self.network(self.x_scale.normalize(x), loads)
        return self.y_scale.denormalize(found.flatten(0, 1)).reshape(found.shape)

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """Mean over the samples of the relative L2 error of the history."""
        return relative_l2(self(batch["x"], batch["path"]), batch["y"])


class _History(nn.Module):
    """A path surrogate with steps and loads, and steps and channels, as the specs have them."""

    def __init__(self, surrogate: PathSurrogate) -> None:
        super().__init__()
        self.surrogate = surrogate

    def forward(self, x: Tensor, path: Tensor) -> Tensor:
        return self.surrogate(x, path.transpose(1, 2)).flatten(1, 2)


def path_model(surrogate: PathSurrogate, *, x: FieldSpec, path: FieldSpec, y: FieldSpec) -> TorchModel:
    """A `PathSurrogate` as a `ForwardModel`, for paths of one length.

    Args:
        surrogate: The surrogate.
        x: Spec of the field.
        path: Spec of the loads (loads,) on the points of time, or on a line of as many points.
        y: Spec of the history, whose value shape begins with the steps.

    Raises:
        ContractError: The history has other steps than the path.
    """
    steps = path.place.shape[0]
    if len(path.place.shape) != 1 or y.value_shape[:1] != (steps,):
        raise ContractError(
            f"path_model: expected a path on a line, and a history whose value shape begins with its {steps} steps, "
            f"got {path.place.shape} and {y.value_shape}"
        )
    return TorchModel(_History(surrogate), (x, path), (y,))
