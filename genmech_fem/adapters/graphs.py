"""Graphs of the nodes of a Lagrange space: the vertices for degree 1, the cells for DG of degree 0."""

from dataclasses import dataclass, field

import basix
import numpy as np
from dolfinx import fem, mesh
from scipy import sparse

from genmech_fem.adapters.nodes import point_cloud
from genmech_fem.errors import ContractError


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
