"""Fields on a grid to fields on the same grid, by a network of choice."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from genmech_fem.surrogates.losses import LOSSES, Loss
from genmech_fem.surrogates.networks import ON_GRIDS, fitting_settings
from genmech_fem.surrogates.ranges import TrainingRange
from genmech_fem.training import Batch, Normalizer, Trainable


class GridSurrogate(Trainable):
    """Fields to fields in physical units, with values held where they are known.

    The input lies on the grid of the output, or on the cells between its points: then it is averaged to them.

    Batches hold ``"x"`` (batch, channels_in, *grid) and ``"y"`` (batch, channels_out, *grid). Normalisation, and the
    values of `hold`, are part of the module.

    Args:
        channels_in: Channels of the input.
        shape_out: Shape (channels_out, *grid) of an output sample.
        network: ``"unet"``, ``"fourier"``, ``"vision_transformer"``, ``"point_transformer"``, or a module that maps
            (batch, channels_in [+ coordinates], *grid) to (batch, channels_out, *grid).
        settings: Arguments of the network, by name.
        loss: ``"l2"``, the mean square error of the normalised output, ``"relative_l2"`` or ``"relative_h1"``. Any
            other `Loss` may be set as the attribute `criterion`; it is not saved.
        coordinates: Whether the network gets the coordinates, from -1 to 1, as more channels: not for periodic fields.
        any_grid: Whether it takes fields on any grid, and returns them on that; `shape_out` then tells the channels and
            the dimension. Not together with coordinates, nor with held values, which belong to one grid.

    Attributes:
        outside: How far inputs leave the range of the training data, as `TrainingRange` says.

    Raises:
        ValueError: A name is unknown, or an argument of the network; or coordinates are asked for on any grid.
    """

    lift: Tensor
    mask: Tensor
    places: Tensor

    def __init__(
        self,
        channels_in: int,
        shape_out: Sequence[int],
        *,
        network: str | nn.Module = "unet",
        settings: Mapping[str, Any] | None = None,
        loss: str = "l2",
        coordinates: bool = False,
        any_grid: bool = False,
    ) -> None:
        super().__init__()
        channels_out, *grid = shape_out
        coordinates = coordinates or network == "point_transformer"
        _check_names(network, loss)
        _check_grids(network, any_grid=any_grid, coordinates=coordinates)
        self.any_grid = any_grid
        self._config: dict[str, Any] = {
            "channels_in": channels_in,
            "shape_out": list(shape_out),
            "settings": dict(settings or {}),
            "loss": loss,
            "coordinates": coordinates,
            "any_grid": any_grid,
            **({"network": network} if isinstance(network, str) else {}),
        }
        self.x_scale, self.y_scale = Normalizer(channels_in), Normalizer(channels_out)
        self.outside = TrainingRange(channels_in)
        self.criterion: Loss = LOSSES.get(loss, self._mean_square)
        self.network = network if isinstance(network, nn.Module) else self._made(network, coordinates)
        axes = torch.meshgrid(*[torch.linspace(-1, 1, points) for points in grid], indexing="ij")
        self.register_buffer("places", torch.stack(axes) if coordinates else torch.empty(0, *grid), persistent=False)
        self.register_buffer("lift", torch.zeros(tuple(shape_out)))
        self.register_buffer("mask", torch.ones(tuple(shape_out)))

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data, but for a network that was given."""
        return dict(self._config)

    def hold(self, values: Tensor, where: Tensor) -> None:
        """Hold the output at known values, such as those of a Dirichlet condition.

        Args:
            values: Values (channels_out, *grid).
            where: Which of them are known (channels_out, *grid).

        Raises:
            ValueError: The surrogate is for any grid, the shapes differ from that of the output, or a known value is
                not finite.
        """
        if self.any_grid:
            raise ValueError("GridSurrogate.hold: expected a surrogate for one grid, got any_grid=True: leave that out")
        if values.shape != self.lift.shape or where.shape != self.lift.shape or not values[where].isfinite().all():
            raise ValueError(
                f"GridSurrogate.hold: expected finite values and where of the shape {tuple(self.lift.shape)}, "
                f"got {tuple(values.shape)} and {tuple(where.shape)}"
            )
        self.lift.copy_(torch.where(where, values, 0.0))
        self.mask.copy_(~where)

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation, unless it is known from an earlier training, and widen the range of inputs.

        Raises:
            ValueError: The output is on another grid.
        """
        if not self._fits(data["y"]):
            raise ValueError(
                f"GridSurrogate: expected y of shape (batch, {', '.join(map(str, self.lift.shape))}), "
                f"got {tuple(data['y'].shape)}"
            )
        if not self.x_scale.fitted:
            self.x_scale.fit(data["x"])
            self.y_scale.fit(data["y"])
        self.outside.fit(data["x"])

    def forward(self, x: Tensor) -> Tensor:
        """Map fields (batch, channels_in, *grid) to (batch, channels_out, *grid), both in physical units.

        Raises:
            ValueError: The input is on another grid.
        """
        normal = self.x_scale.normalize(x)
        if self.any_grid:
            return self.y_scale.denormalize(self.network(normal))
        normal = self._on_grid(normal)
        if len(self.places):
            normal = torch.cat([normal, self.places.expand(x.shape[0], *self.places.shape)], dim=1)
        return self.lift + self.mask * self.y_scale.denormalize(self.network(normal))

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """The loss that was chosen."""
        return self.criterion(self(batch["x"]), batch["y"], batch)

    def _fits(self, y: Tensor) -> bool:
        """Whether outputs (batch, channels_out, *grid) are on the grid, or on one of that dimension if any will do."""
        if self.any_grid:
            return y.ndim == self.lift.ndim + 1 and y.shape[1] == len(self.lift)
        return y.shape[1:] == self.lift.shape

    def _on_grid(self, x: Tensor) -> Tensor:
        given, grid = tuple(x.shape[2:]), tuple(self.lift.shape[1:])
        if given == grid:
            return x
        if tuple(points + 1 for points in given) != grid:
            raise ValueError(
                f"GridSurrogate: expected fields on the grid {grid} or on the cells between its points, got {given}"
            )
        around = F.pad(x, (1, 1) * len(grid), mode="replicate")
        return (F.avg_pool2d if len(grid) == 2 else F.avg_pool3d)(around, 2, stride=1)

    def _made(self, name: str, coordinates: bool) -> nn.Module:
        channels_in, (channels_out, *grid) = self._config["channels_in"], self._config["shape_out"]
        with fitting_settings("GridSurrogate", name):
            return ON_GRIDS[name](
                channels_in + len(grid) * coordinates, channels_out, dimension=len(grid), **self._config["settings"]
            )

    def _mean_square(self, prediction: Tensor, truth: Tensor, batch: Batch) -> Tensor:  # noqa: ARG002
        scale = self.y_scale.std.reshape(-1, *[1] * (truth.ndim - 2))
        return ((prediction - truth) / scale).square().mean()


def _check_names(network: str | nn.Module, loss: str) -> None:
    if loss not in ("l2", *LOSSES) or (isinstance(network, str) and network not in ON_GRIDS):
        raise ValueError(
            f"GridSurrogate: expected a loss out of l2, {', '.join(LOSSES)} and a network out of "
            f"{', '.join(ON_GRIDS)}, got {loss!r}, {network!r}"
        )


def _check_grids(network: str | nn.Module, *, any_grid: bool, coordinates: bool) -> None:
    if any_grid and coordinates:
        raise ValueError(
            f"GridSurrogate: expected any_grid without coordinates, which belong to one grid, got {network!r} with "
            "them: leave out any_grid, or take a network that needs none"
        )
