"""Values at points of any number and place, such as the nodes of meshes, to other values there."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from genmech_fem.nn import GraphNetwork
from genmech_fem.surrogates.losses import relative_l2
from genmech_fem.surrogates.networks import ON_POINTS, fitting_settings
from genmech_fem.training import Batch, Normalizer, Trainable


class PointSurrogate(Trainable):
    """Nodal values in physical units, on meshes of different size in one batch.

    Batches hold ``"x"`` (batch, channels_in, points), ``"points"`` (batch, dimension, points), ``"y"`` (batch,
    channels_out, points), ``"mask"`` (batch, points), 1 where there is a point and 0 where a mesh has fewer than
    others, and for graphs ``"edges"`` (batch, 2, edges), -1 where there is none.

    Args:
        channels_in: Values of a point.
        channels_out: Values of a point that are sought.
        dimension: Coordinates of a point.
        network: ``"point_transformer"`` or ``"graph"``.
        settings: Arguments of the network, by name.

    Raises:
        ValueError: The network is unknown, or an argument of it.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        dimension: int = 2,
        network: str = "point_transformer",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if network not in ON_POINTS:
            raise ValueError(f"PointSurrogate: expected a network out of {', '.join(ON_POINTS)}, got {network!r}")
        self._config: dict[str, Any] = {
            "channels_in": channels_in,
            "channels_out": channels_out,
            "dimension": dimension,
            "network": network,
            "settings": dict(settings or {}),
        }
        self.x_scale, self.y_scale = Normalizer(channels_in), Normalizer(channels_out)
        self.point_scale = Normalizer(dimension)
        with fitting_settings("PointSurrogate", network):
            self.network = ON_POINTS[network](
                channels_in, channels_out, dimension=dimension, **self._config["settings"]
            )

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data."""
        return dict(self._config)

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation to the points that there are, unless it is known from an earlier training."""
        if not self.x_scale.fitted:
            exists = data["mask"] > 0
            for scale, name in ((self.x_scale, "x"), (self.y_scale, "y"), (self.point_scale, "points")):
                scale.fit(data[name].transpose(1, 2)[exists])

    def forward(self, x: Tensor, points: Tensor, links: Tensor | None = None) -> Tensor:
        """Map x (batch, channels_in, points) at points (batch, dimension, points) to (batch, channels_out, points).

        Args:
            x: Values.
            points: Coordinates.
            links: The edges of a graph network, or the mask of a transformer, which may be left out; real numbers will
                do for either.
        """
        if links is not None:
            links = links.long() if isinstance(self.network, GraphNetwork) else links > 0
        found = self.network(self.x_scale.normalize(x), self.point_scale.normalize(points), links)
        return self.y_scale.denormalize(found)

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """Mean over the meshes of the relative L2 error at the points that there are."""
        links = batch["edges"] if isinstance(self.network, GraphNetwork) else batch["mask"]
        mask = batch["mask"][:, None]
        return relative_l2(mask * self(batch["x"], batch["points"], links), mask * batch["y"])


def padded(meshes: list[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Meshes of different size as one batch.

    Args:
        meshes: ``"x"``, ``"points"`` and ``"y"``, each (channels, points), of each mesh, and ``"edges"`` (2, edges) for
            graphs.

    Returns:
        The batch for `PointSurrogate`, with its mask.

    Raises:
        ValueError: There is no mesh, or its tensors differ in the number of points.
    """
    if not meshes:
        raise ValueError("padded: expected at least one mesh, got none")
    batch: dict[str, Tensor] = {}
    for k, mesh in enumerate(meshes):
        counts = {name: values.shape[1] for name, values in mesh.items() if name != "edges"}
        if len(set(counts.values())) != 1:
            raise ValueError(f"padded: expected one number of points in mesh {k}, got {counts}")
    for name in meshes[0]:
        longest = max(mesh[name].shape[1] for mesh in meshes)
        filling = -1 if name == "edges" else 0
        batch[name] = torch.stack(
            [torch.nn.functional.pad(m[name], (0, longest - m[name].shape[1]), value=filling) for m in meshes]
        )
    count = torch.tensor([mesh["points"].shape[1] for mesh in meshes])
    return batch | {"mask": (torch.arange(batch["points"].shape[2]) < count[:, None]).float()}
