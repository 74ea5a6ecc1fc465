"""Graphs of meshes joined, split, and padded to one size."""

from collections.abc import Sequence

import numpy as np

from genmech_fem.adapters.graphs import Graph
from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, pad


def batch_graphs(graphs: Sequence[Graph]) -> Graph:
    """Join graphs into one without edges between them; `split_graph` undoes it.

    Node features are joined by ``np.concatenate(features, axis=-1)``.

    Raises:
        ValueError: There is no graph, or their dimensions differ.
    """
    _check_dimension("batch_graphs", graphs)
    starts = np.cumsum([0, *(len(graph.points) for graph in graphs)])
    numbers = np.cumsum([0, *(graph.size for graph in graphs)])
    cells = [graph.cells + start for graph, start in zip(graphs, starts, strict=False) if graph.cells is not None]
    same = len(cells) == len(graphs) and len({block.shape[1] for block in cells}) == 1
    return Graph(
        np.concatenate([graph.points for graph in graphs]),
        np.concatenate([graph.edges + start for graph, start in zip(graphs, starts, strict=False)], axis=1),
        np.concatenate([graph.edge_features for graph in graphs]),
        np.concatenate([graph.boundary for graph in graphs]),
        np.concatenate(cells) if same else None,
        np.concatenate([graph.batch + number for graph, number in zip(graphs, numbers, strict=False)]),
    )


def split_graph(graph: Graph) -> list[Graph]:
    """Split a graph that `batch_graphs` made; features are split by ``features[..., graph.batch == i]``."""
    parts = []
    for i in range(graph.size):
        nodes = graph.batch == i
        start, edges = int(nodes.argmax()), nodes[graph.edges[0]]
        parts.append(
            Graph(
                graph.points[nodes],
                graph.edges[:, edges] - start,
                graph.edge_features[edges],
                graph.boundary[nodes],
                None if graph.cells is None else graph.cells[nodes[graph.cells[:, 0]]] - start,
            )
        )
    return parts


def pad_graphs(graphs: Sequence[Graph]) -> dict[str, np.ndarray]:
    """Stack graphs of different size into arrays padded with zeros; `unpad_graphs` undoes it but for the cells.

    Node features are stacked by `fields.pad`, with the mask of the points.

    Returns:
        ``points`` (batch, dimension, nodes), ``edges`` (batch, 2, edges),
        ``edge_features`` (batch, dimension + 1, edges), ``boundary`` (batch, nodes), and the masks
        ``points.mask`` (batch, nodes) and ``edges.mask`` (batch, edges), true where an entry counts.

    Raises:
        ValueError: There is no graph, or their dimensions differ.
    """
    _check_dimension("pad_graphs", graphs)
    points, nodes = pad([graph.points.T for graph in graphs])
    edges, mask = pad([graph.edges for graph in graphs])
    features, _ = pad([graph.edge_features.T for graph in graphs])
    boundary, _ = pad([graph.boundary for graph in graphs])
    return {
        "points": points,
        "points.mask": nodes,
        "edges": edges.astype(np.int64),
        "edges.mask": mask,
        "edge_features": features,
        "boundary": boundary.astype(bool),
    }


def unpad_graphs(arrays: Arrays) -> list[Graph]:
    """Graphs from the arrays of `pad_graphs`.

    Raises:
        ContractError: An array is missing.
    """
    names = ("points", "edges", "edge_features", "boundary", "points.mask", "edges.mask")
    missing = sorted(set(names) - set(arrays))
    if missing:
        raise ContractError(f"unpad_graphs: expected the arrays {sorted(names)}, without {missing}")
    return [
        Graph(points[:, nodes].T, ends[:, edges], features[:, edges].T, boundary[nodes])
        for points, ends, features, boundary, nodes, edges in zip(*(arrays[name] for name in names), strict=True)
    ]


def _check_dimension(what: str, graphs: Sequence[Graph]) -> None:
    dimensions = sorted({graph.points.shape[1] for graph in graphs})
    if len(dimensions) != 1:
        raise ValueError(f"{what}: expected graphs of one dimension, got dimensions {dimensions}")
