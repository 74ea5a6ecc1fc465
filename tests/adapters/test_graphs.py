import sys
import warnings

import basix.ufl
import numpy as np
import pytest
import torch
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.adapters import (
    Graph,
    batch_graphs,
    mesh_graph,
    node_features,
    pad_graphs,
    point_cloud,
    split_graph,
    to_function,
    unpad_graphs,
)
from genmech_fem.adapters.torch import graph_to_pyg
from genmech_fem.errors import ContractError, MissingExtraError
from genmech_fem.fields import pad

CELLS = [(2, "triangle"), (2, "quadrilateral"), (3, "tetrahedron"), (3, "hexahedron")]
SPACES = [
    ("Lagrange", 1),
    ("Lagrange", 3),
    ("Lagrange", 2, (2,)),
    ("Lagrange", 1, (2, 3)),
    ("Lagrange", 2, (2, 2), True),
    ("Lagrange", 1, (3, 3), True),
    ("DG", 0),
    ("DG", 2, (3,)),
]


def box(dimension=2, cell="triangle", n=3):
    create = mesh.create_unit_square if dimension == 2 else mesh.create_unit_cube
    return create(MPI.COMM_SELF, *[n] * dimension, mesh.CellType[cell])


def lagrange(degree=1, **kwargs):
    return fem.functionspace(box(**kwargs), ("Lagrange", degree))


def same(a, b):
    pairs = [(getattr(a, name), getattr(b, name)) for name in ("points", "edges", "edge_features", "boundary", "batch")]
    return all(np.array_equal(x, y) for x, y in pairs)


@pytest.mark.parametrize("element", SPACES)
def test_values_at_nodes_go_to_a_function_and_back_exactly(element):
    space = fem.functionspace(box(), element)
    u = fem.Function(space)
    u.x.array[:] = np.random.default_rng(0).standard_normal(len(u.x.array))
    features = node_features(u)
    assert features.shape == (*space.value_shape, len(point_cloud(space)))
    again = to_function(features, space)
    np.testing.assert_array_equal(again.x.array, u.x.array)
    np.testing.assert_array_equal(node_features(again), features)


@pytest.mark.parametrize("element", SPACES)
def test_features_are_the_components_of_the_function_at_the_points(element):
    domain = box()
    space = fem.functionspace(domain, element)
    shape = tuple(space.value_shape)
    weights = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    if len(element) == 4:
        weights = weights + weights.T
    expected = weights[..., None] * (1 + point_cloud(space)[:, 0])
    u = to_function(expected, space)
    cells = np.arange(domain.topology.index_map(2).size_local, dtype=np.int32)
    x = mesh.compute_midpoints(domain, 2, cells)
    values = u.eval(x, cells).reshape(len(cells), *shape)
    expected = weights * (1 + x[:, 0]).reshape(-1, *[1] * len(shape))
    np.testing.assert_allclose(values, expected.reshape(values.shape), rtol=1e-12)


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
def test_edges_of_degree_1_are_those_of_the_mesh(dimension, cell):
    domain = box(dimension, cell)
    graph = mesh_graph(fem.functionspace(domain, ("Lagrange", 1)))
    domain.topology.create_connectivity(1, dimension)
    count = domain.topology.index_map(1).size_local
    assert graph.edges.shape == (2, 2 * count)
    ends = mesh.entities_to_geometry(domain, 1, np.arange(count, dtype=np.int32))
    midpoints = np.sort(domain.geometry.x[ends].mean(axis=1)[:, :dimension] @ [1, 100, 1e4][:dimension])
    ours = graph.points[graph.edges].mean(axis=0) @ [1, 100, 1e4][:dimension]
    np.testing.assert_allclose(np.sort(ours)[::2], midpoints, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
@pytest.mark.parametrize("element", [("Lagrange", 1), ("Lagrange", 2), ("DG", 0), ("DG", 1)])
def test_edges_are_sorted_symmetric_without_loops_and_features_are_their_vectors(dimension, cell, element):
    graph = mesh_graph(fem.functionspace(box(dimension, cell, 2), element))
    pairs = list(map(tuple, graph.edges.T))
    assert pairs == sorted(set(pairs))
    assert {(b, a) for a, b in pairs} == set(pairs)
    assert all(a != b for a, b in pairs)
    vectors, lengths = graph.edge_features[:, :-1], graph.edge_features[:, -1]
    first, second = graph.points[graph.edges]
    np.testing.assert_array_equal(first + vectors, first + (second - first))
    np.testing.assert_allclose(lengths**2, (vectors**2).sum(axis=1))


def test_a_higher_degree_joins_all_nodes_of_a_cell_and_no_others():
    graph = mesh_graph(lagrange(3))
    expected = {(a, b) for cell in graph.cells for a in cell for b in cell if a != b}
    assert set(map(tuple, graph.edges.T)) == expected


def test_degree_0_joins_cells_that_share_a_side():
    domain = box(cell="quadrilateral")
    graph = mesh_graph(fem.functionspace(domain, ("DG", 0)))
    np.testing.assert_allclose(graph.edge_features[:, -1], 1 / 3)
    assert graph.edges.shape == (2, 24)
    assert graph.boundary.sum() == 8


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
@pytest.mark.parametrize("degree", [1, 3])
def test_boundary_nodes_are_those_on_the_sides_of_the_box(dimension, cell, degree):
    graph = mesh_graph(lagrange(degree, dimension=dimension, cell=cell, n=2))
    on_side = (np.isclose(graph.points, 0) | np.isclose(graph.points, 1)).any(axis=1)
    np.testing.assert_array_equal(graph.boundary, on_side)


def test_a_vector_space_has_the_graph_of_its_nodes():
    domain = box()
    one, three = (fem.functionspace(domain, ("Lagrange", 2, shape)) for shape in ((), (3,)))
    assert same(mesh_graph(one), mesh_graph(three))


def test_joined_graphs_split_into_the_same_graphs():
    graphs = [mesh_graph(lagrange(1, n=n)) for n in (2, 3, 4)]
    joined = batch_graphs(graphs)
    assert joined.size == 3
    np.testing.assert_array_equal(np.bincount(joined.batch), [9, 16, 25])
    np.testing.assert_array_equal(joined.batch[joined.edges[0]], joined.batch[joined.edges[1]])
    parts = split_graph(joined)
    assert all(same(a, b) for a, b in zip(graphs, parts, strict=True))
    assert all(np.array_equal(a.cells, b.cells) for a, b in zip(graphs, parts, strict=True))
    assert same(batch_graphs([batch_graphs(graphs[:2]), graphs[2]]), joined)


def test_cells_of_several_types_are_left_out():
    graphs = [mesh_graph(lagrange(1, cell=cell)) for cell in ("triangle", "quadrilateral")]
    joined = batch_graphs(graphs)
    assert joined.cells is None
    assert all(same(a, b) for a, b in zip(graphs, split_graph(joined), strict=True))


def test_padded_graphs_and_features_come_back_exactly():
    spaces = [lagrange(1, n=n) for n in (2, 4)]
    graphs = [mesh_graph(space) for space in spaces]
    arrays = pad_graphs(graphs)
    assert arrays["points"].shape == (2, 2, 25)
    assert arrays["edges"].dtype == np.int64
    features, mask = pad([graph.points[:, 0] for graph in graphs])
    np.testing.assert_array_equal(mask, arrays["points.mask"])
    assert all(same(a, b) for a, b in zip(graphs, unpad_graphs(arrays), strict=True))
    for space, row, counts in zip(spaces, features, mask, strict=True):
        np.testing.assert_array_equal(to_function(row[counts], space).x.array, point_cloud(space)[:, 0])


@pytest.mark.parametrize("join", [batch_graphs, pad_graphs])
def test_no_graphs_or_graphs_of_two_dimensions_are_refused(join):
    with pytest.raises(ValueError, match="expected graphs of one dimension, got dimensions"):
        join([])
    with pytest.raises(ValueError, match=r"got dimensions \[2, 3\]"):
        join([mesh_graph(lagrange()), mesh_graph(lagrange(dimension=3, cell="hexahedron"))])


def test_a_missing_array_is_named():
    arrays = pad_graphs([mesh_graph(lagrange())])
    del arrays["edges.mask"]
    with pytest.raises(ContractError, match="edges.mask"):
        unpad_graphs(arrays)


@pytest.mark.parametrize("element", [("N1curl", 1), ("CR", 1), ("Bubble", 3)])
def test_a_space_without_values_at_points_is_refused(element):
    space = fem.functionspace(box(), element)
    for use in (
        point_cloud,
        mesh_graph,
        lambda s: node_features(fem.Function(s)),
        lambda s: to_function(np.ones(3), s),
    ):
        with pytest.raises(ContractError, match="expected a Lagrange or DG space"):
            use(space)


def test_a_part_of_a_function_is_refused_and_its_collapse_is_not():
    u = fem.Function(fem.functionspace(box(), ("Lagrange", 2, (2,))))
    with pytest.raises(ContractError, match=r"take its \.collapse\(\)"):
        node_features(u.sub(0))
    assert node_features(u.sub(0).collapse()).shape == (49,)


def test_wrong_shapes_and_tensors_that_are_not_symmetric_are_refused():
    space = lagrange()
    with pytest.raises(ContractError, match=r"expected shape \(16,\), got \(15,\)"):
        to_function(np.zeros(15), space)
    tensors = fem.functionspace(space.mesh, ("Lagrange", 1, (2, 2), True))
    with pytest.raises(ContractError, match="expected symmetric tensors"):
        to_function(np.arange(64.0).reshape(2, 2, 16), tensors)


def test_a_graph_with_edges_to_nowhere_is_refused():
    good = mesh_graph(lagrange())
    with pytest.raises(ContractError, match=r"Graph.edges: expected nodes from 0 to 15, got 1 to 16"):
        Graph(good.points, good.edges + 1, good.edge_features, good.boundary)
    with pytest.raises(ContractError, match=r"Graph.boundary: expected shape \(16,\), got \(15,\)"):
        Graph(good.points, good.edges, good.edge_features, good.boundary[1:])


@pytest.fixture(scope="module")
def geometric():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torch_geometric")


def test_pyg_data_holds_the_graph_and_its_features(geometric):
    space = lagrange(2)
    graph = mesh_graph(space)
    x = np.stack([graph.points[:, 0] ** 2, graph.points[:, 1]])
    data = graph_to_pyg(graph, x=x, y=x[0])
    data.validate()
    assert (data.num_nodes, data.num_edges, data.num_node_features) == (len(graph.points), graph.edges.shape[1], 2)
    assert geometric.utils.is_undirected(data.edge_index)
    np.testing.assert_array_equal(to_function(data.y.numpy(), space).x.array, x[0])
    np.testing.assert_array_equal(data.edge_attr, graph.edge_features)
    assert graph_to_pyg(graph, dtype=torch.float32, x=x).x.dtype == torch.float32


def test_pyg_joins_graphs_as_we_do(geometric):
    graphs = [mesh_graph(lagrange(1, n=n)) for n in (2, 3)]
    ours = graph_to_pyg(batch_graphs(graphs))
    theirs = geometric.data.Batch.from_data_list([graph_to_pyg(graph) for graph in graphs])
    for name in ("pos", "edge_index", "edge_attr", "boundary", "batch"):
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=0)


@pytest.mark.parametrize(("name", "shape"), [("x", (15,)), ("pos", (16,)), ("batch", (16,)), ("x", ())])
def test_pyg_features_of_another_size_or_a_taken_name_are_refused(geometric, name, shape):
    with pytest.raises(ContractError, match=f"'{name}': expected a new name and shape"):
        graph_to_pyg(mesh_graph(lagrange()), **{name: np.zeros(shape)})


def test_without_pyg_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_geometric.data", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'genmech_fem\[graph\]'"):
        graph_to_pyg(mesh_graph(lagrange()))


def test_an_interpolated_symmetric_tensor_of_3_dimensions_keeps_its_components():
    domain = mesh.create_unit_cube(MPI.COMM_SELF, 1, 1, 1)
    element = basix.ufl.element("Lagrange", "tetrahedron", 1, shape=(3, 3), symmetry=True)
    u = fem.Function(fem.functionspace(domain, element))
    tensor = np.array([[1.0, 2, 4], [2, 3, 5], [4, 5, 6]])
    u.interpolate(lambda x: np.outer(tensor.ravel(), 1 + x[0]))
    x = point_cloud(u.function_space)[:, 0]
    np.testing.assert_allclose(node_features(u), tensor[:, :, None] * (1 + x))
    np.testing.assert_array_equal(to_function(node_features(u), u.function_space).x.array, u.x.array)
