"""Networks on points and meshes: order, place and padding of the points do not matter."""

import pytest
import torch

from genmech_fem.nn import GraphNetwork, LowRankAttention, PointTransformer, SliceAttention

CHAIN = torch.tensor([[0, 1, 1, 2, 2, 3, 3, 4], [1, 0, 2, 1, 3, 2, 4, 3]])


@pytest.fixture(params=["slice", "low_rank"])
def transformer(request):
    torch.manual_seed(0)
    return PointTransformer(2, 1, features=16, depth=2, tokens=6, attention=request.param).eval()


def test_points_may_come_in_any_order(transformer):
    torch.manual_seed(1)
    x, points, order = torch.randn(2, 2, 30), torch.rand(2, 2, 30), torch.randperm(30)
    found = transformer(x[..., order], points[..., order])
    torch.testing.assert_close(found, transformer(x, points)[..., order], atol=1e-5, rtol=1e-4)


def test_masked_points_are_as_if_they_were_not_there(transformer):
    torch.manual_seed(1)
    x, points = torch.randn(2, 2, 30), torch.rand(2, 2, 30)
    mask = torch.arange(30).expand(2, 30) < 20
    found = transformer(x, points, mask)[..., :20]
    torch.testing.assert_close(found, transformer(x[..., :20], points[..., :20]), atol=1e-4, rtol=1e-3)


def test_low_rank_attention_is_its_formula():
    torch.manual_seed(0)
    layer, x = LowRankAttention(8, 1, rank=3), torch.randn(1, 7, 8)
    k, v = layer.key_value(x)[0].chunk(2, dim=1)
    q = layer.query[0, 0]
    expected = (k @ q.T).softmax(1) @ ((q @ k.T).softmax(1) @ v)
    torch.testing.assert_close(layer(x)[0], layer.out(expected), atol=1e-5, rtol=1e-4)


def test_one_slice_gives_every_point_the_same():
    torch.manual_seed(0)
    layer, x = SliceAttention(8, 2, slices=1), torch.randn(1, 7, 8)
    found = layer(x)[0]
    torch.testing.assert_close(found, found[:1].expand(7, 8), atol=1e-5, rtol=1e-4)


def graph(depth=2):
    torch.manual_seed(0)
    return GraphNetwork(1, 1, features=16, depth=depth).eval()


def test_a_graph_network_sees_as_many_neighbours_away_as_it_is_deep():
    network = graph()
    x, points = torch.zeros(1, 1, 5), torch.rand(1, 2, 5)
    other = x.clone()
    other[..., 0] = 1.0
    change = (network(other, points, CHAIN[None]) - network(x, points, CHAIN[None])).abs()[0, 0]
    assert (change[:3] > 1e-6).all()
    assert (change[3:] == 0).all()


def test_a_mesh_may_be_moved_and_batched_with_a_larger_one():
    network = graph()
    torch.manual_seed(1)
    x, points = torch.randn(2, 1, 5), torch.rand(2, 2, 5)
    torch.testing.assert_close(
        network(x, points, CHAIN.expand(2, 2, 8)), network(x, points + 3, CHAIN.expand(2, 2, 8)), atol=1e-4, rtol=1e-3
    )
    edges = torch.stack([CHAIN, torch.nn.functional.pad(CHAIN[:, :4], (0, 4), value=-1)])
    found = network(x, points, edges)
    torch.testing.assert_close(found[1:, :, :3], network(x[1:, :, :3], points[1:, :, :3], CHAIN[None, :, :4]))
    torch.testing.assert_close(found[:1], network(x[:1], points[:1], CHAIN[None]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PointTransformer(1, 1, attention="full"), "attention out of slice, low_rank and depth >= 1"),
        (lambda: PointTransformer(1, 1, features=10), "a divisor of the 10 features, got 4"),
        (
            lambda: PointTransformer(1, 1)(torch.zeros(2, 1, 5), torch.zeros(2, 2, 6)),
            r"points of shape \(2, 2, 5\), got \(2, 2, 6\)",
        ),
        (lambda: GraphNetwork(1, 1, depth=0), "depth: expected at least 1, got 0"),
        (
            lambda: graph()(torch.zeros(2, 1, 5), torch.zeros(2, 2, 5), CHAIN[None]),
            r"edges \(2, 2, edges\), got \(2, 2, 5\) and \(1, 2, 8\)",
        ),
    ],
)
def test_bad_sizes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
