"""Fourier layers against the fast transform; grids of any size."""

import math

import pytest
import torch

from genmech_fem.nn import FourierLayer, FourierNetwork, PathNetwork, UNet, VisionTransformer


def by_fft(layer, x):
    """The layer by the fast Fourier transform."""
    half, axes = layer.modes // 2, tuple(range(2, x.ndim))
    kept = torch.fft.rfftn(x, dim=axes)
    found = torch.zeros(x.shape[0], layer.weight.shape[3], *kept.shape[2:], dtype=torch.complex64)
    numbers = torch.cartesian_prod(*[torch.arange(-half, half)] * (x.ndim - 3), torch.arange(half + 1))
    for k, weight in zip(numbers.tolist(), torch.complex(*layer.weight), strict=True):
        place = (slice(None), slice(None), *k)
        found[place] = kept[place] @ weight
    return torch.fft.irfftn(found, s=x.shape[2:], dim=axes)


@pytest.mark.parametrize("grid", [(12, 9), (9, 12), (8, 7, 10)])
def test_the_fourier_layer_is_the_truncated_transform(grid):
    torch.manual_seed(0)
    layer, x = FourierLayer(3, 4, 6, len(grid)), torch.randn(2, 3, *grid)
    torch.testing.assert_close(layer(x), by_fft(layer, x), atol=1e-5, rtol=1e-4)


def test_a_fourier_layer_commutes_with_shifts_and_takes_the_same_function_on_finer_grids():
    torch.manual_seed(0)
    layer, x = FourierLayer(1, 1, 4), torch.randn(1, 1, 12, 12)
    torch.testing.assert_close(layer(x.roll((3, 5), (2, 3))), layer(x).roll((3, 5), (2, 3)), atol=1e-5, rtol=1e-4)

    def wave(n):
        angle = 2 * math.pi * torch.arange(n) / n
        return (angle.cos()[:, None] * (1 + angle.sin()))[None, None]

    torch.testing.assert_close(layer(wave(24))[..., ::2, ::2], layer(wave(12)), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize(
    ("network", "grid"),
    [
        (UNet(2, 3, channels=(8, 16, 24), padding_mode="zeros"), (9, 13)),
        (UNet(2, 3, channels=(8, 16), patch=2, padding_mode="zeros", dimension=3), (5, 6, 7)),
        (FourierNetwork(2, 3, width=8, depth=2, modes=4, padding=3), (9, 13)),
        (FourierNetwork(2, 3, width=8, depth=1, modes=2, dimension=3), (5, 6, 7)),
        (VisionTransformer(2, 3, patch=3, features=16, depth=1), (9, 12)),
        (VisionTransformer(2, 3, patch=2, features=24, depth=1, dimension=3), (4, 6, 2)),
    ],
)
def test_networks_keep_any_grid_and_learn_from_all_weights(network, grid):
    torch.manual_seed(0)
    y = network(torch.randn(2, 2, *grid))
    assert y.shape == (2, 3, *grid)
    y.square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


def test_a_grid_that_a_unet_divides_is_not_continued():
    torch.manual_seed(0)
    network, x = UNet(1, 1, channels=(8, 16), padding_mode="zeros"), torch.randn(1, 1, 8, 8)
    torch.testing.assert_close(network(x), network.project(network.features(x)[-1]))
    longer = torch.nn.functional.pad(x, (0, 1, 0, 1), mode="replicate")
    far = network(longer)[..., :1, :1]
    torch.testing.assert_close(far, network(x)[..., :1, :1], atol=0.2, rtol=0)


def test_no_step_of_a_path_depends_on_later_loads():
    torch.manual_seed(0)
    network = PathNetwork(1, 2, 3, features=16, widths=(8, 16), patch=2).eval()
    for parameter in network.unet.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # as trained: at first the blocks add nothing
    x, path = torch.randn(2, 1, 8, 8), torch.randn(2, 5, 3)
    found = network(x, path)
    assert found.shape == (2, 5, 2, 8, 8)
    later = path.clone()
    later[:, 3] += 1
    change = (network(x, later) - found).abs().amax((0, 2, 3, 4))
    assert change[:3].max() < 1e-5
    assert change[3:].min() > 1e-3
    torch.testing.assert_close(network(x, path[:, :3]), found[:, :3], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FourierLayer(1, 1, 5), "an even number >= 2, got 5"),
        (lambda: FourierLayer(1, 1, 8)(torch.zeros(1, 1, 8, 9)), r"more than 8 points a side, got \(8, 9\)"),
        (lambda: FourierNetwork(1, 1, depth=0), "depth, width >= 1 and padding >= 0, got 0, 32, 0"),
        (lambda: VisionTransformer(1, 1)(torch.zeros(1, 1, 8, 9)), r"a grid that 4 divides, got \(8, 9\)"),
        (
            lambda: PathNetwork(1, 1, 1)(torch.zeros(1, 1, 8, 9), torch.zeros(1, 2, 1)),
            r"a grid that 4 divides, got \(8, 9\)",
        ),
    ],
)
def test_bad_sizes_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
