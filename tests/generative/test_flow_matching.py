"""Flow matching: on Gaussian data velocity and transport are known in closed form."""

import numpy as np
import onnxruntime
import pytest
import torch

from genmech_fem.generative import Architecture, FlowMatching, heun
from genmech_fem.training import Recipe, fit, load_weights, save_weights

MEAN, STD = 0.7, 0.3


def gaussian_velocity(x, t):
    """E[x_1 - x_0 | x_t = x] for x_1 ~ N(MEAN, STD^2)."""
    t = t[:, None]
    variance = (1 - t) ** 2 + t**2 * STD**2
    return MEAN + (t * STD**2 - (1 - t)) / variance * (x - t * MEAN)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_heun_is_of_second_order_on_the_exact_flow():
    noise = torch.randn(64, 1, dtype=torch.float64, generator=seeded())
    exact = MEAN + STD * noise
    steps = np.array([64, 128, 256])
    errors = [float((heun(gaussian_velocity, noise, steps=int(n)) - exact).abs().max()) for n in steps]
    assert np.polyfit(np.log(1 / steps), np.log(errors), 1)[0] == pytest.approx(2.0, abs=0.1)
    back = heun(gaussian_velocity, exact, start=1.0, stop=0.0, steps=256)
    torch.testing.assert_close(back, noise, atol=1e-3, rtol=0)


@pytest.fixture(scope="module")
def trained():
    """Pixels are independent N(c, 0.5^2) with the condition c, uniform in [-2, 2]."""
    torch.set_num_threads(1)
    c = 4 * torch.rand(512, 1, generator=seeded(1)) - 2
    x = c[:, :, None, None] + 0.5 * torch.randn(512, 1, 8, 8, generator=seeded(2))
    torch.manual_seed(0)
    model = FlowMatching((1, 8, 8), ("scalars", 1), network=Architecture(widths=(16,)), sampler=("heun", 10))
    for _ in fit(model, {"x": x, "condition": c}, Recipe(steps=250, batch_size=64, learning_rate=1e-2)):
        pass
    return model


@pytest.mark.parametrize("c", [-1.5, 0.0, 1.0])
def test_a_trained_net_recovers_mean_and_deviation(trained, c):
    samples = trained.sample(128, condition=torch.tensor([c]), generator=seeded(3))
    assert samples.shape == (128, 1, 8, 8)
    assert samples.mean().item() == pytest.approx(c, abs=0.1)
    assert (samples - samples.mean(dim=(1, 2, 3), keepdim=True)).std().item() == pytest.approx(0.5, rel=0.15)


def test_encode_undoes_decode(trained):
    c = torch.tensor([[0.5], [-0.5]])
    noise = torch.randn(2, 1, 8, 8, generator=seeded(4))
    with torch.no_grad():
        back = trained.encode(trained.decode(noise, condition=c), condition=c)
    torch.testing.assert_close(back, noise, atol=0.05, rtol=0)


def test_samples_follow_the_seed_and_the_bounds(trained):
    c = torch.tensor([0.0])
    first = trained.sample(4, condition=c, generator=seeded(5))
    assert torch.equal(first, trained.sample(4, condition=c, generator=seeded(5)))
    assert not torch.equal(first, trained.sample(4, condition=c, generator=seeded(6)))
    bounded = FlowMatching(**{**trained.config(), "bounds": (-0.1, 0.2)})
    bounded.load_state_dict(trained.state_dict())
    torch.testing.assert_close(bounded.sample(4, condition=c, generator=seeded(5)), first.clamp(-0.1, 0.2))


def test_a_saved_model_samples_the_same(trained, tmp_path):
    save_weights(trained, tmp_path / "flow.safetensors", trained.config())
    config, tensors = load_weights(tmp_path / "flow.safetensors")
    again = FlowMatching(**config)
    again.load_state_dict(tensors)
    c = torch.tensor([1.0])
    assert torch.equal(
        again.sample(2, condition=c, generator=seeded()), trained.sample(2, condition=c, generator=seeded())
    )


@pytest.mark.filterwarnings("ignore")
def test_the_velocity_exports(trained, tmp_path):
    class Velocity(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = trained

        def forward(self, x_t, t, condition):
            return self.model.velocity(x_t, t, condition)

    dynamic = {0: torch.export.Dim.DYNAMIC}
    torch.onnx.export(
        Velocity(),
        (torch.randn(2, 1, 8, 8), torch.rand(2), torch.randn(2, 1)),
        tmp_path / "v.onnx",
        input_names=["x_t", "t", "condition"],
        dynamo=True,
        opset_version=20,
        dynamic_shapes=(dynamic, dynamic, dynamic),
        verbose=False,
    )
    session = onnxruntime.InferenceSession(tmp_path / "v.onnx", providers=["CPUExecutionProvider"])
    x, t, c = torch.randn(3, 1, 8, 8), torch.rand(3), torch.randn(3, 1)
    (found,) = session.run(None, {"x_t": x.numpy(), "t": t.numpy(), "condition": c.numpy()})
    np.testing.assert_allclose(found, trained.velocity(x, t, c).detach().numpy(), atol=1e-5)


def test_an_unconditional_model_takes_no_condition():
    model = FlowMatching((1, 8, 8), network=Architecture(widths=(8,), patch=1))
    model.prepare({"x": torch.randn(4, 1, 8, 8)})
    assert model.sample(2, generator=seeded()).shape == (2, 1, 8, 8)


def test_errors_name_what_is_expected(trained):
    for sampler in (("heun", 0), ("euler", 5), ("heun", 2.5)):
        with pytest.raises(ValueError, match=r"sampler: expected \(one of heun, ddim, ddpm, steps >= 1\), got"):
            FlowMatching((1, 8, 8), sampler=sampler)
    with pytest.raises(ValueError, match=r"condition of shape \(2, 1\), got None"):
        trained.sample(2, generator=seeded())
    with pytest.raises(ValueError, match=r"condition of shape \(2, 1\), got \(3, 1\)"):
        trained.sample(2, condition=torch.zeros(3, 1), generator=seeded())
    with pytest.raises(ValueError, match=r"condition None, got one of shape \(1,\)"):
        FlowMatching((1, 8, 8), network=Architecture(widths=(8,))).sample(
            2, condition=torch.zeros(1), generator=seeded()
        )


def test_a_condition_outside_the_training_range_is_warned_of(trained):
    with pytest.warns(UserWarning, match=r"FlowMatching: entry 0 of the condition is outside its training range"):
        trained.sample(2, condition=torch.tensor([3.0]), generator=seeded())
