"""The networks that surrogates choose from, by name."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from genmech_fem.nn import FourierNetwork, GraphNetwork, PointTransformer, UNet, VisionTransformer


class OnPoints(nn.Module):
    """A transformer on points, used on the points of a grid, whose coordinates are the last channels."""

    def __init__(self, channels_in: int, channels_out: int, *, dimension: int, **settings: Any) -> None:
        super().__init__()
        self.dimension = dimension
        self.network = PointTransformer(channels_in - dimension, channels_out, dimension=dimension, **settings)

    def forward(self, x: Tensor) -> Tensor:
        """Map (batch, channels_in, *grid) to (batch, channels_out, *grid)."""
        flat = x.flatten(2)
        found = self.network(flat[:, : -self.dimension], flat[:, -self.dimension :])
        return found.reshape(*found.shape[:2], *x.shape[2:])


ON_GRIDS: dict[str, Any] = {
    "unet": UNet,
    "fourier": FourierNetwork,
    "vision_transformer": VisionTransformer,
    "point_transformer": OnPoints,
}
ON_POINTS: dict[str, Any] = {"point_transformer": PointTransformer, "graph": GraphNetwork}


@contextmanager
def fitting_settings(surrogate: str, network: str) -> Iterator[None]:
    """Raise a ValueError in the name of the surrogate if the network, which is built inside, lacks a setting."""
    try:
        yield
    except TypeError as error:
        raise ValueError(f"{surrogate}: the settings do not fit the network {network!r}: {error}") from error
