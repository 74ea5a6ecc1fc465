"""Attention: what it must not depend on, and the formulas of the paper."""

import pytest
import torch

from genmech_fem.nn.attention import Attention, Transformer, sinusoidal_positions


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_without_positions_a_transformer_commutes_with_permutations():
    torch.manual_seed(0)
    network = Transformer(16, 2, heads=4)
    x = torch.randn(2, 7, 16, generator=seeded())
    order = torch.randperm(7, generator=seeded(1))
    torch.testing.assert_close(network(x[:, order]), network(x)[:, order], atol=1e-5, rtol=1e-5)


def test_the_order_of_a_context_without_positions_does_not_matter():
    torch.manual_seed(0)
    network = Transformer(16, 2, heads=2, causal=True, cross=True)
    x, context = torch.randn(2, 5, 16, generator=seeded()), torch.randn(2, 7, 16, generator=seeded(1))
    order = torch.randperm(7, generator=seeded(2))
    torch.testing.assert_close(network(x, context[:, order]), network(x, context), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(network(x, context + 1), network(x, context), atol=1e-3)


def test_a_causal_transformer_never_sees_what_comes_later():
    torch.manual_seed(0)
    network = Transformer(16, 3, heads=4, causal=True)
    x = torch.randn(1, 8, 16, generator=seeded(), requires_grad=True)
    for place in range(8):
        (gradient,) = torch.autograd.grad(network(x)[0, place].square().sum(), x)
        assert gradient[0, place + 1 :].abs().sum() == 0
        assert gradient[0, : place + 1].abs().sum(1).min() > 0


@pytest.mark.parametrize("causal", [False, True])
def test_the_weights_are_those_that_the_output_is_made_of(causal):
    torch.manual_seed(0)
    attention = Attention(12, 3, causal=causal)
    x = torch.randn(2, 6, 12, generator=seeded())
    weights = attention.weights(x)
    assert weights.shape == (2, 3, 6, 6)
    torch.testing.assert_close(weights.sum(3), torch.ones(2, 3, 6))
    assert (weights.triu(1).abs().max() == 0) == causal
    values = attention.key_value(x).chunk(2, dim=2)[1].unflatten(2, (3, 4)).transpose(1, 2)
    torch.testing.assert_close(attention.out((weights @ values).transpose(1, 2).flatten(2)), attention(x))


def test_maps_of_a_transformer_come_block_by_block():
    torch.manual_seed(0)
    network = Transformer(8, 2, heads=2, causal=True, cross=True)
    maps = network.attention_maps(torch.randn(3, 5, 8), torch.randn(3, 4, 8))
    assert [[tuple(m.shape) for m in block] for block in maps] == [[(3, 2, 5, 5), (3, 2, 5, 4)]] * 2


def test_products_of_positions_depend_on_their_distance_alone():
    p = sinusoidal_positions((20,), 32)
    products = p @ p.T
    for distance in range(4):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand(len(diagonal)), atol=1e-4, rtol=0)
    torch.testing.assert_close(products.diagonal(), torch.full((20,), 16.0))
    assert products[0, 1:].max() < 15.9
    torch.testing.assert_close(p[:, 0], torch.arange(20.0).sin())


@pytest.mark.parametrize("grid", [(3, 4), (2, 3, 4)])
def test_positions_on_grids_join_those_of_the_axes(grid):
    features = 24
    p = sinusoidal_positions(grid, features)
    share = features // len(grid)
    place = tuple(points - 1 for points in grid)
    flat = torch.arange(p.shape[0]).reshape(grid)[place]
    for axis, points in enumerate(grid):
        torch.testing.assert_close(
            p[flat, axis * share : (axis + 1) * share], sinusoidal_positions((points,), share)[points - 1]
        )
    assert torch.cdist(p, p).fill_diagonal_(9).min() > 0.1


def test_errors_name_what_is_expected():
    with pytest.raises(ValueError, match="expected a divisor of the 16 features, got 3"):
        Attention(16, 3)
    with pytest.raises(ValueError, match="multiple of 6 for positions of 3 axes, got 16"):
        sinusoidal_positions((2, 2, 2), 16)
    with pytest.raises(ValueError, match="depth: expected at least 1, got 0"):
        Transformer(16, 0)
