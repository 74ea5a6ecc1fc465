"""Finite-element functions as values at points and on graphs, and back, exactly.

The nodes are those of a Lagrange space: the vertices for degree 1, the cells for DG of degree 0.
Arrays follow `fields`: ``(*value_shape, nodes)``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import basix
import numpy as np
from dolfinx import fem, mesh
from scipy import sparse

from genmech_fem.adapters.sampling import components
from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, pad


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes and edges of one mesh, or of several after `batch_graphs`.

    Args:
        points: Coordinates of the nodes (nodes, dimension) [length].
        edges: First and second node of each edge (2, edges); every edge appears in both directions.
        edge_features: Vector from the first to the second node and its length (edges, dimension + 1) [length].
        boundary: True for nodes on the boundary of the mesh (nodes,).
        cells: Nodes of each cell (cells, nodes of a cell); None where cells of several types were joined.
        batch: Number of the mesh that each node belongs to (nodes,).

    Raises:
        ContractError: The shapes do not fit together, or an edge names a node that is not there.
    """

    points: np.ndarray
    edges: np.ndarray
    edge_features: np.ndarray
    boundary: np.ndarray
    cells: np.ndarray | None = None
    batch: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __post_init__(self) -> None:
        if not self.batch.size:
            object.__setattr__(self, "batch", np.zeros(len(self.points), dtype=np.int64))
        nodes, dimension = self.points.shape
        wanted = {
            "edges": (2, self.edges.shape[-1]),
            "edge_features": (self.edges.shape[-1], dimension + 1),
            "boundary": (nodes,),
            "batch": (nodes,),
        }
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise ContractError(f"Graph.{name}: expected shape {shape}, got {getattr(self, name).shape}")
        for name, index in (("edges", self.edges), ("cells", self.cells)):
            if index is not None and index.size and not 0 <= index.min() <= index.max() < nodes:
                raise ContractError(
                    f"Graph.{name}: expected nodes from 0 to {nodes - 1}, got {index.min()} to {index.max()}"
                )

    @property
    def size(self) -> int:
        """Number of meshes in the graph."""
        return int(self.batch.max(initial=-1)) + 1


def point_cloud(space: fem.FunctionSpace) -> np.ndarray:
    """Coordinates (nodes, dimension) [length] of the nodes of a Lagrange or DG space, ghosts last.

    Raises:
        ContractError: The dofs of the space are not values at points.
    """
    check_nodal(space)
    return space.tabulate_dof_coordinates()[:, : space.mesh.geometry.dim].copy()


def node_features(function: fem.Function) -> np.ndarray:
    """Values of a function at its nodes (*value_shape, nodes), in the order of `point_cloud`.

    Raises:
        ContractError: The dofs of the space are not values at points.
    """
    space = function.function_space
    check_nodal(space)
    return function.x.array.reshape(-1, space.dofmap.index_map_bs).T[components(space)]


def to_function(array: np.ndarray, space: fem.FunctionSpace) -> fem.Function:
    """Make the function with the given values at the nodes: the exact inverse of `node_features`.

    Args:
        array: Values (*value_shape, nodes); those of ghosts are taken from their owners.
        space: Lagrange or DG space.

    Raises:
        ContractError: The dofs of the space are not values at points, the shape differs, or values of
            a symmetric tensor are not symmetric.
    """
    check_nodal(space)
    numbers = components(space)
    function = fem.Function(space)
    blocks = function.x.array.reshape(-1, space.dofmap.index_map_bs)
    array = np.asarray(array)
    if array.shape != (*numbers.shape, len(blocks)):
        raise ContractError(f"to_function: expected shape {(*numbers.shape, len(blocks))}, got {array.shape}")
    blocks[:, numbers] = np.moveaxis(array, -1, 0)
    if not np.array_equal(blocks.T[numbers], array.astype(blocks.dtype), equal_nan=True):
        raise ContractError("to_function: expected symmetric tensors for a space of such, got others")
    function.x.scatter_forward()
    return function


def check_nodal(space: fem.FunctionSpace) -> None:
    """Refuse a space whose dofs are not values at points, and a part of a space.

    Raises:
        ContractError: It is such a space.
    """
    if len(space.component()):
        raise ContractError("expected a whole space or function, got a part of one: take its .collapse()")
    element = space.ufl_element()
    nodal = element.family_name == "P" and element.lagrange_variant not in (
        basix.LagrangeVariant.legendre,
        basix.LagrangeVariant.bernstein,
    )
    if not nodal:
        raise ContractError(f"expected a Lagrange or DG space with values at points as dofs, got {element}")


def mesh_graph(space: fem.FunctionSpace) -> Graph:
    """Make the graph of the nodes of a Lagrange or DG space.

    Edges join the ends of the edges of the mesh for degree 1, and all nodes of a cell for a
    higher degree. For DG they join all nodes of a cell and of the cells that share a facet with it,
    so that degree 0 gives the graph of neighbouring cells; its boundary nodes are those of the cells with a
    facet on the boundary. Edges are sorted by their first, then their second node.

    Args:
        space: Space on a mesh of one process; its value shape does not matter.

    Raises:
        ContractError: The dofs of the space are not values at points.
        ValueError: The mesh lies on several processes.
    """
    if space.mesh.comm.size > 1:
        raise ValueError(f"mesh_graph: expected a mesh on one process, got one on {space.mesh.comm.size}")
    points, cells = point_cloud(space), space.dofmap.list.astype(np.int64)
    joined = _groups(space, cells)
    matrix = sparse.csr_array(joined.T @ joined)
    matrix.sort_indices()
    first = np.repeat(np.arange(len(points)), np.diff(matrix.indptr))
    edges = np.stack([first, matrix.indices])[:, first != matrix.indices].astype(np.int64)
    vectors = points[edges[1]] - points[edges[0]]
    features = np.column_stack([vectors, np.linalg.norm(vectors, axis=1)])
    return Graph(points, edges, features, _boundary(space), cells)


def _groups(space: fem.FunctionSpace, cells: np.ndarray) -> sparse.csr_array:
    """Groups of nodes that are joined with each other: a matrix (groups, nodes) with entries for the members."""
    element, layout = space.ufl_element(), space.dofmap.dof_layout
    if element.degree == 1 and not element.discontinuous:
        edges = len(basix.topology(element.cell_type)[1])
        return _rows(cells[:, [layout.entity_closure_dofs(1, edge) for edge in range(edges)]])
    if not element.discontinuous:
        return _rows(cells)
    topology = space.mesh.topology
    topology.create_connectivity(topology.dim - 1, topology.dim)
    links = topology.connectivity(topology.dim - 1, topology.dim)
    ones = np.ones(len(links.array), dtype=np.int32)
    beside = sparse.csr_array((ones, links.array, links.offsets), shape=(links.num_nodes, len(cells)))
    return sparse.csr_array(beside @ _rows(cells))


def _rows(groups: np.ndarray) -> sparse.csr_array:
    members = groups.reshape(-1, groups.shape[-1])
    ones = np.ones(members.size, dtype=np.int32)
    return sparse.csr_array((ones, members.ravel(), np.arange(0, members.size + 1, members.shape[1])))


def _boundary(space: fem.FunctionSpace) -> np.ndarray:
    topology = space.mesh.topology
    tdim = topology.dim
    topology.create_connectivity(tdim - 1, tdim)
    facets = mesh.exterior_facet_indices(topology)
    if space.ufl_element().discontinuous:
        nodes = space.dofmap.list[mesh.compute_incident_entities(topology, facets, tdim - 1, tdim)]
    else:
        nodes = fem.locate_dofs_topological(space, tdim - 1, facets)
    flags = np.zeros(space.dofmap.index_map.size_local, dtype=bool)
    flags[nodes] = True
    return flags


def batch_graphs(graphs: Sequence[Graph]) -> Graph:
    """Join graphs into one without edges between them; `split_graph` undoes it.

    Node features are joined by ``np.concatenate(features, axis=-1)``.

    Raises:
        ValueError: There is no graph, or their dimensions differ.
    """
    dimensions = sorted({graph.points.shape[1] for graph in graphs})
    if len(dimensions) != 1:
        raise ValueError(f"batch_graphs: expected graphs of one dimension, got dimensions {dimensions}")
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
    dimensions = sorted({graph.points.shape[1] for graph in graphs})
    if len(dimensions) != 1:
        raise ValueError(f"pad_graphs: expected graphs of one dimension, got dimensions {dimensions}")
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
