"""Network on the edges of a finite-element mesh.

Pfaff et al., Learning mesh-based simulation with graph networks (2021), doi:10.48550/arXiv.2010.03409.
"""

import torch
from torch import Tensor, nn

from genmech_fem.nn.perceptron import perceptron


class GraphNetwork(nn.Module):
    """Neighbours send messages along edges, a fixed number of times: that is how far a node sees.

    It knows of places only the vectors along edges, so it does not care where the mesh lies.

    Args:
        channels_in: Values of a node.
        channels_out: Values of a node that are sought.
        dimension: Coordinates of a node.
        features: Length of the vectors of nodes and edges.
        depth: Number of times.
    """

    def __init__(
        self, channels_in: int, channels_out: int, *, dimension: int = 2, features: int = 64, depth: int = 8
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"GraphNetwork.depth: expected at least 1, got {depth}")
        self.dimension = dimension
        self.lift = _normalized(channels_in, features, features)
        self.lift_edges = _normalized(dimension + 1, features, features)
        self.messages = nn.ModuleList(_normalized(3 * features, features, features) for _ in range(depth))
        self.updates = nn.ModuleList(_normalized(2 * features, features, features) for _ in range(depth))
        self.project = perceptron(features, features, channels_out)

    def forward(self, x: Tensor, points: Tensor, edges: Tensor) -> Tensor:
        """Map x (batch, channels_in, nodes) at points (batch, dimension, nodes) to (batch, channels_out, nodes).

        Args:
            x: Values.
            points: Coordinates.
            edges: Sender and receiver (batch, 2, edges) of each edge, both directions; -1 where a mesh has fewer edges
                than others of the batch.

        Raises:
            ValueError: Values, points and edges do not fit.
        """
        batch, _, nodes = x.shape
        if points.shape != (batch, self.dimension, nodes) or edges.shape[:2] != (batch, 2):
            raise ValueError(
                f"GraphNetwork: expected points {(batch, self.dimension, nodes)} and edges ({batch}, 2, edges), "
                f"got {tuple(points.shape)} and {tuple(edges.shape)}"
            )
        exists = (edges[:, 0] >= 0).to(x.dtype)[..., None]
        sender, receiver = edges.clamp(min=0).unbind(1)
        places = points.transpose(1, 2)
        along = _at(places, sender) - _at(places, receiver)
        length = along.square().sum(2, keepdim=True).clamp(min=1e-24).sqrt()
        mean = (length * exists).sum(1, keepdim=True) / exists.sum(1, keepdim=True).clamp(min=1)
        h, e = self.lift(x.transpose(1, 2)), self.lift_edges(torch.cat([along, length], dim=2) / mean)
        count = _sum_at(exists, receiver, nodes).clamp(min=1)
        for message, update in zip(self.messages, self.updates, strict=True):
            e = e + message(torch.cat([e, _at(h, sender), _at(h, receiver)], dim=2))
            h = h + update(torch.cat([h, _sum_at(e * exists, receiver, nodes) / count], dim=2))
        return self.project(h).transpose(1, 2)


def _at(values: Tensor, nodes: Tensor) -> Tensor:
    """Values (batch, nodes, features) at some nodes (batch, edges)."""
    return values.gather(1, nodes[..., None].expand(-1, -1, values.shape[2]))


def _sum_at(values: Tensor, nodes: Tensor, count: int) -> Tensor:
    """Sum of values (batch, edges, features) over the edges of each of `count` nodes."""
    zeros = values.new_zeros((values.shape[0], count, values.shape[2]))
    return zeros.scatter_add(1, nodes[..., None].expand(-1, -1, values.shape[2]), values)


def _normalized(size_in: int, hidden: int, size_out: int) -> nn.Sequential:
    return nn.Sequential(*perceptron(size_in, hidden, size_out), nn.LayerNorm(size_out))
