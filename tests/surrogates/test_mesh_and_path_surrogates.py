"""Surrogates on meshes of different size and on paths of loads."""

import numpy as np
import pytest
import torch

from genmech_fem.export import to_onnx
from genmech_fem.fields import FieldSpec, Points
from genmech_fem.runtime import OnnxModel
from genmech_fem.surrogates import PathSurrogate, PointSurrogate, TorchModel, padded
from genmech_fem.training import Recipe, fit, load_model, save_model


def meshes(count, seed):
    """Random chains of points in the plane: the sought value is a product of place and given value."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(count):
        n = int(torch.randint(12, 20, (1,), generator=generator))
        points, x = torch.rand(2, n, generator=generator), torch.randn(1, n, generator=generator)
        one = torch.arange(n - 1)
        edges = torch.stack([torch.cat([one, one + 1]), torch.cat([one + 1, one])])
        found.append({"x": x, "points": points, "y": 10 * x * points[:1] + x.mean(), "edges": edges})
    return padded(found)


def test_meshes_of_different_size_make_one_batch():
    batch = meshes(5, 0)
    longest = int(batch["mask"].sum(1).max())
    assert batch["x"].shape == (5, 1, longest)
    assert (batch["edges"].amax((1, 2)) == batch["mask"].sum(1) - 1).all()
    assert batch["edges"].min() == -1
    with pytest.raises(ValueError, match=r"one number of points in mesh 0, got \{'x': 3, 'points': 4"):
        padded([{"x": torch.zeros(1, 3), "points": torch.zeros(2, 4)}])
    with pytest.raises(ValueError, match="at least one mesh"):
        padded([])


@pytest.mark.parametrize(
    ("network", "arguments"),
    [
        ("point_transformer", {"features": 32, "depth": 2, "tokens": 8}),
        ("point_transformer", {"features": 32, "depth": 2, "tokens": 8, "attention": "low_rank"}),
        ("graph", {"features": 16, "depth": 3}),
    ],
)
def test_values_at_points_are_learned(network, arguments, tmp_path):
    torch.manual_seed(0)
    model = PointSurrogate(1, 1, network=network, settings=arguments)
    data = meshes(100, 0)
    if network == "graph":  # it does not know where it is: the sum over the neighbours
        exists = data["edges"][:, 0] >= 0
        sender, receiver = data["edges"].clamp(min=0).unbind(1)
        data["y"] = torch.zeros_like(data["x"])
        data["y"][:, 0].scatter_add_(1, receiver, exists * data["x"][:, 0].gather(1, sender))
    before = None
    for progress in fit(model, data, Recipe(steps=150, batch_size=16, learning_rate=1e-2)):
        before = before or progress.losses["model"]
    assert progress.losses["model"] < 0.35 * before
    save_model(model, tmp_path / "model.safetensors")
    again, _ = load_model(tmp_path / "model.safetensors")
    links = data["edges"] if network == "graph" else data["mask"]
    with torch.no_grad():
        expected = model(data["x"][:4], data["points"][:4], links[:4])
        assert torch.equal(again(data["x"][:4], data["points"][:4], links[:4]), expected)

    if network != "graph":
        cloud = Points(2, 12)
        inputs = FieldSpec("x", cloud), FieldSpec("points", cloud, (2,))
        arrays = {"x": data["x"][:4, 0, :12].double().numpy(), "points": data["points"][:4, :, :12].double().numpy()}
        forward = TorchModel(again, inputs, (FieldSpec("y", cloud),))
        to_onnx(forward, tmp_path / "model.onnx", arrays)
        np.testing.assert_allclose(OnnxModel(tmp_path / "model.onnx")(arrays)["y"], forward(arrays)["y"], atol=1e-4)


def histories(count, seed):
    """Fields that follow the sum of the loads so far."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 1, 8, 8, generator=generator)
    path = torch.rand(count, 4, 1, generator=generator)
    return {"x": x, "path": path, "y": 5 * path.cumsum(1)[..., None, None] * x[:, None]}


def test_a_history_is_learned_and_goes_on_for_longer(tmp_path):
    torch.manual_seed(0)
    model = PathSurrogate(1, 1, 1, settings={"features": 32, "depth": 1, "widths": (8, 16)})
    for _ in fit(model, histories(100, 0), Recipe(steps=200, batch_size=16, learning_rate=1e-2)):
        pass
    unseen = histories(20, 1)
    with torch.no_grad():
        found = model(unseen["x"], unseen["path"])
    assert ((found - unseen["y"]).norm() / unseen["y"].norm()).item() < 0.25
    assert model(unseen["x"], unseen["path"].repeat(1, 2, 1)).shape == (20, 8, 1, 8, 8)
    save_model(model, tmp_path / "model.safetensors")
    assert torch.equal(load_model(tmp_path / "model.safetensors")[0](unseen["x"], unseen["path"]), found)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="a network out of point_transformer, graph, got 'unet'"):
        PointSurrogate(1, 1, network="unet")
    with pytest.raises(ValueError, match="the settings do not fit the network 'graph'"):
        PointSurrogate(1, 1, network="graph", settings={"heads": 2})
    with pytest.raises(ValueError, match="the settings do not fit the network"):
        PathSurrogate(1, 1, 1, settings={"magic": 2})
