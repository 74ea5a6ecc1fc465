"""The U-Net commutes with torus shifts, exports to ONNX, and says what it needs."""

import numpy as np
import onnxruntime
import pytest
import torch

from genmech_fem.nn import ResidualBlock, TimeEmbedding, UNet, convolution


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def awake(module):
    """The same module with no weight left at its zero start."""
    generator = torch.Generator().manual_seed(1)
    for parameter in module.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
    return module


@pytest.mark.parametrize(("patch", "channels"), [(1, (8, 16, 24)), (2, (8, 16)), (4, (16,))])
@pytest.mark.parametrize("shift", [(1, 0), (2, -3)])
def test_circular_padding_makes_the_network_commute_with_torus_shifts(patch, channels, shift):
    net = awake(UNet(1, 2, channels=channels, patch=patch).double())
    x = torch.randn(2, 1, 24, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    moved = tuple(s * net.stride for s in shift)
    expected = net(x).roll(moved, (2, 3))
    torch.testing.assert_close(net(x.roll(moved, (2, 3))), expected, rtol=0, atol=1e-12)
    assert expected.std() > 1e-2


def test_zero_padding_sees_the_border():
    net = awake(UNet(1, 1, channels=(8, 16), padding_mode="zeros").double())
    x = torch.randn(1, 1, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert (net(x.roll(4, 2)) - net(x).roll(4, 2)).abs().max() > 1e-3


def test_condition_changes_the_output_and_samples_do_not_mix():
    net = awake(UNet(1, 1, channels=(8, 16), condition_features=3))
    x, c = torch.randn(1, 1, 8, 8).expand(2, -1, -1, -1), torch.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]])
    both = net(x, c)
    assert (both[0] - both[1]).abs().max() > 1e-3
    torch.testing.assert_close(net(x[:1], c[:1]), both[:1])


@pytest.mark.filterwarnings("ignore")
def test_onnx_runtime_gives_the_same_numbers_for_any_batch(tmp_path):
    net = awake(UNet(1, 2, channels=(8, 16), condition_features=4, patch=2)).eval()
    batch = torch.export.Dim.DYNAMIC
    torch.onnx.export(
        net,
        (torch.randn(2, 1, 16, 16), torch.randn(2, 4)),
        tmp_path / "net.onnx",
        input_names=["x", "condition"],
        dynamo=True,
        opset_version=20,
        dynamic_shapes=({0: batch}, {0: batch}),
        verbose=False,
    )
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx", providers=["CPUExecutionProvider"])
    for n in (1, 3):
        x, c = torch.randn(n, 1, 16, 16), torch.randn(n, 4)
        (found,) = session.run(None, {"x": x.numpy(), "condition": c.numpy()})
        np.testing.assert_allclose(found, net(x, c).detach().numpy(), atol=1e-5)


def test_time_embedding_tells_times_apart():
    embedding = TimeEmbedding(32)
    t = torch.linspace(0, 1, 50)
    torch.testing.assert_close(embedding(t).square().sum(dim=1), torch.full((50,), 16.0))
    assert torch.pdist(embedding(t)).min() > 0.1


def test_errors_name_what_is_expected():
    with pytest.raises(ValueError, match="multiple of 8"):
        UNet(1, 1, channels=(12,))
    with pytest.raises(ValueError, match="multiple of 8"):
        ResidualBlock(8, 0)
    with pytest.raises(ValueError, match="patch >= 1"):
        UNet(1, 1, channels=(8,), patch=0)
    with pytest.raises(ValueError, match="'circular' or 'zeros', got 'reflect'"):
        convolution(8, 8, "reflect")
    with pytest.raises(ValueError, match="even number"):
        TimeEmbedding(3)
    with pytest.raises(ValueError, match=r"a grid that 2 divides, got \(8, 9\)"):
        UNet(1, 1, channels=(8, 8))(torch.zeros(1, 1, 8, 9))
    with pytest.raises(ValueError, match="condition of 3 features"):
        UNet(1, 1, channels=(8,), condition_features=3)(torch.zeros(1, 1, 8, 8))
