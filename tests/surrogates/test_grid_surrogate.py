"""Surrogates on grids learn a solution operator, hold boundary values exactly, and run in ONNX Runtime."""

import numpy as np
import pytest
import torch

from genmech_fem.errors import ContractError
from genmech_fem.export import to_onnx
from genmech_fem.fields import FieldSpec, Grid
from genmech_fem.runtime import OnnxModel
from genmech_fem.surrogates import EnergyNorm, GridSurrogate, TorchModel, relative_h1, relative_l2
from genmech_fem.training import Recipe, fit, load_model, save_model

N = 12
SETTINGS = {
    "unet": {"channels": (8, 16), "padding_mode": "zeros"},
    "fourier": {"width": 8, "depth": 2, "modes": 4},
    "vision_transformer": {"patch": 3, "features": 16, "depth": 1},
    "point_transformer": {"features": 16, "depth": 1, "tokens": 8},
}


def smooth(count, seed):
    """Sources of a few sines on the nodes of the unit square, and the solutions of Poisson's equation, times 100."""
    generator = torch.Generator().manual_seed(seed)
    s = torch.arange(N) / (N - 1) * torch.pi
    k = torch.arange(1, 4)
    waves = (k[:, None] * s).sin()
    a = torch.randn(count, 3, 3, generator=generator)
    lower = a / (torch.pi**2 * (k[:, None] ** 2 + k**2))
    return {
        name: 100 * torch.einsum("bij,ix,jy->bxy", some, waves, waves)[:, None]
        for name, some in (("x", a), ("y", lower))
    }


def border():
    where = torch.ones(1, N, N, dtype=torch.bool)
    where[:, 1:-1, 1:-1] = False
    return where


def surrogate(network, **options):
    torch.manual_seed(0)
    return GridSurrogate(1, (1, N, N), network=network, settings=SETTINGS[network], coordinates=True, **options)


@pytest.mark.parametrize("network", SETTINGS)
def test_every_network_learns_holds_the_border_and_becomes_a_file(network, tmp_path):
    model, data = surrogate(network, loss="relative_l2"), smooth(200, 0)
    model.hold(torch.zeros(1, N, N), border())
    for _ in fit(model, data, Recipe(steps=150, batch_size=16, learning_rate=1e-2)):
        pass
    unseen = smooth(50, 1)
    with torch.no_grad():
        found = model(unseen["x"])
    assert relative_l2(found, unseen["y"]) < (0.6 if network == "point_transformer" else 0.25)  # of 1 for nothing
    assert (found[:, border()] == 0).all()

    save_model(model, tmp_path / "model.safetensors", {"seed": 0})
    again, notes = load_model(tmp_path / "model.safetensors")
    assert notes == {"seed": 0}
    assert torch.equal(again(unseen["x"]), found)

    nodes = Grid((N, N), (0.0, 0.0), (1.0, 1.0), at="nodes")
    forward = TorchModel(again, (FieldSpec("source", nodes),), (FieldSpec("u", nodes),))
    arrays = {"source": unseen["x"][:, 0].double().numpy()}
    to_onnx(forward, tmp_path / "model.onnx", arrays)
    session = OnnxModel(tmp_path / "model.onnx")
    np.testing.assert_allclose(session(arrays)["u"], found[:, 0].numpy(), atol=1e-4)
    assert (session(arrays)["u"][:, border()[0].numpy()] == 0).all()


def test_known_values_are_kept_and_others_are_free():
    model = surrogate("unet")
    model.prepare(smooth(4, 0))
    values, where = torch.full((1, N, N), torch.nan), torch.zeros(1, N, N, dtype=torch.bool)
    where[:, 0], values[:, 0] = True, 7.5
    free = model(smooth(4, 0)["x"])
    model.hold(values, where)
    held = model(smooth(4, 0)["x"])
    assert (held[:, where] == 7.5).all()
    assert torch.equal(held[:, ~where], free[:, ~where])


def test_inputs_outside_the_training_range_are_reported_one_by_one():
    model, data = surrogate("unet"), smooth(20, 0)
    model.prepare(data)
    low, high = data["x"].min(), data["x"].max()
    x = data["x"][:3].clone()
    x[1, 0, 4, 4], x[2, 0, 5, 5] = high + 0.5 * (high - low), low - 0.25 * (high - low)
    torch.testing.assert_close(model.outside(x), torch.tensor([0.0, 0.5, 0.25]))
    model.prepare({"x": x, "y": data["y"][:3]})
    assert (model.outside(x) == 0).all()


def test_units_do_not_matter():
    x, scale = smooth(8, 0), {"x": 1e-3, "y": 1e5}
    other = {name: scale[name] * values for name, values in x.items()}
    losses = []
    for data in (x, other):
        model = surrogate("unet")
        losses.append([progress.losses["model"] for progress in fit(model, data, Recipe(steps=3, batch_size=4))][-1])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


def test_losses_are_their_formulas():
    data = smooth(3, 0)
    y = data["y"]
    assert relative_l2(1.5 * y, y).item() == pytest.approx(0.5, rel=1e-5)
    assert relative_h1(1.5 * y, y).item() == pytest.approx(1.0, rel=1e-5)
    ramp = torch.linspace(0, 1, N).expand(1, 1, N, N)
    assert relative_h1(ramp + 1.0, ramp).item() == pytest.approx(relative_l2(ramp + 1, ramp).item(), rel=1e-5)

    strain, error = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    C = torch.diag(torch.tensor([2.0, 3.0, 5.0]))
    energy = EnergyNorm(lambda batch: batch["stiffness"])
    batch = {"stiffness": C[None, :, :, None, None].expand(2, 3, 3, 4, 4)}
    weight = torch.tensor([2.0, 3.0, 5.0])[:, None, None]
    expected = ((weight * error**2).sum((1, 2, 3)) / (weight * strain**2).sum((1, 2, 3))).sqrt().mean()
    torch.testing.assert_close(energy(strain + error, strain, batch), expected, rtol=1e-4, atol=1e-5)


def test_a_loss_of_ones_own_is_used():
    model = surrogate("unet")
    model.criterion = lambda prediction, truth, batch: (prediction - truth - batch["x"]).abs().mean()
    data = smooth(8, 0)
    model.prepare(data)
    loss = model.loss(data, "model", generator=torch.Generator())
    torch.testing.assert_close(loss, (model(data["x"]) - data["y"] - data["x"]).abs().mean())


def test_bad_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match="a loss out of l2, relative_l2, relative_h1 and a network out of unet"):
        GridSurrogate(1, (1, N, N), loss="magic")
    with pytest.raises(ValueError, match=r"the settings do not fit the network 'unet': .*'depth'"):
        GridSurrogate(1, (1, N, N), settings={"depth": 3})
    model = surrogate("unet")
    with pytest.raises(ValueError, match=r"y of shape \(batch, 1, 12, 12\), got \(8, 1, 6, 6\)"):
        model.prepare({"x": torch.rand(8, 1, N, N), "y": torch.rand(8, 1, 6, 6)})
    with pytest.raises(ValueError, match="finite values"):
        model.hold(torch.full((1, N, N), torch.nan), border())
    with pytest.raises(ValueError, match=r"NaN|finite"):
        next(fit(model, {**smooth(20, 0), "y": torch.full((20, 1, N, N), torch.nan)}, Recipe(steps=1)))
    for _ in fit(model, smooth(20, 0), Recipe(steps=1)):
        pass
    save_model(model, tmp_path / "model.safetensors")
    other = tmp_path / "other.safetensors"
    save_model(surrogate("fourier"), other)
    from genmech_fem.training import load_weights, save_weights

    about, _ = load_weights(tmp_path / "model.safetensors")
    save_weights(surrogate("fourier"), other, about)
    with pytest.raises(ContractError, match="its weights do not fit GridSurrogate"):
        load_model(other)


def test_a_network_of_ones_own_is_used():
    data = smooth(8, 0)
    model = GridSurrogate(1, (1, N, N), network=torch.nn.Conv2d(1, 1, 3, padding=1))
    model.prepare(data)
    assert model(data["x"]).shape == (8, 1, N, N)
    assert "network" not in model.config()


def test_fields_on_cells_are_averaged_to_the_nodes_and_other_grids_are_refused():
    model = GridSurrogate(1, (1, 4, 4), network=torch.nn.Identity())
    x = torch.arange(9.0).reshape(1, 1, 3, 3)
    model.prepare({"x": x, "y": torch.rand(1, 1, 4, 4)})
    model.x_scale.set(torch.zeros(1), torch.ones(1))
    model.y_scale.set(torch.zeros(1), torch.ones(1))
    found = model(x)[0, 0]
    assert found[1, 1] == x[0, 0, :2, :2].mean()
    assert found[0, 0] == x[0, 0, 0, 0]
    assert found[0, 1] == x[0, 0, 0, :2].mean()
    with pytest.raises(ValueError, match=r"on the grid \(4, 4\) or on the cells between its points, got \(5, 5\)"):
        model(torch.zeros(1, 1, 5, 5))
