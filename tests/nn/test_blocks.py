"""The convolution in 3D: what is exported is the same function in planes."""

import pytest
import torch

from genmech_fem.nn import UNet, convolution
from genmech_fem.nn.blocks import doubled


@pytest.mark.parametrize("padding_mode", ["circular", "zeros"])
def test_an_exported_convolution_in_3d_has_planes_and_the_same_values(padding_mode):
    torch.manual_seed(0)
    layer, x = convolution(8, 5, padding_mode, 3).eval(), torch.randn(3, 8, 4, 5, 6)
    program = torch.export.export(layer, (x,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    called = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    assert sum("conv2d" in name for name in called) == 3
    assert not any("conv3d" in name for name in called)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(x), layer(x), rtol=0, atol=3e-6)
        assert layer(x).shape == (3, 5, 4, 5, 6)


@pytest.mark.parametrize("grid", [(3, 4), (3, 4, 2)])
def test_doubling_is_nearest_interpolation(grid):
    x = torch.randn(2, 5, *grid)
    torch.testing.assert_close(doubled(x), torch.nn.functional.interpolate(x, scale_factor=2.0), rtol=0, atol=0)


def test_a_network_in_3d_is_exported_as_it_is():
    torch.manual_seed(0)
    network, x = UNet(1, 2, channels=(8, 16), dimension=3).eval(), torch.randn(2, 1, 8, 4, 8)
    for parameter in network.parameters():  # blocks begin as the identity
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    program = torch.export.export(network, (x,), dynamic_shapes=({0: torch.export.Dim.DYNAMIC},))
    with torch.no_grad():
        torch.testing.assert_close(program.module()(x), network(x), rtol=0, atol=1e-5)
