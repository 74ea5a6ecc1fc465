"""Gaussian paths and samplers: with the ideal network of known data everything is known."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from genmech_fem.generative import Diffusion, FlowMatching
from genmech_fem.generative.paths import PATHS, PREDICTIONS

MEAN, STD = 0.7, 0.3
paths = pytest.mark.parametrize("path", PATHS)
predictions = pytest.mark.parametrize("prediction", PREDICTIONS)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


class Ideal(nn.Module):
    """Predicts with the posterior mean of the data: of N(MEAN, STD^2), or of a finite set (samples, 1, 4, 4)."""

    def __init__(self, path, prediction, members=None):
        super().__init__()
        self.path, self.prediction, self.members = PATHS[path], prediction, members

    def forward(self, x, t, condition):
        s = t[:, None, None, None]
        alpha, sigma = self.path.alpha(s), self.path.sigma(s)
        if self.members is None:
            x_0 = (MEAN * sigma**2 + STD**2 * alpha * x) / (sigma**2 + STD**2 * alpha**2)
        else:
            distance = (x[:, None] - alpha[:, None] * self.members).square().sum((2, 3, 4))
            share = torch.softmax(-distance / (2 * sigma.flatten(1).clamp(min=1e-3) ** 2), dim=1)
            x_0 = torch.einsum("bm,mcij->bcij", share, self.members)
        eps = (x - alpha * x_0) / sigma.clamp(min=1e-9)
        return self.path.target(self.prediction, x_0, eps, t)


def ideal(path, prediction, sampler, members=None):
    network = Ideal(path, prediction, members)
    model = Diffusion((1, 4, 4), network=network, path=path, prediction=prediction, sampler=sampler).double()
    model.data_scale.set(torch.zeros(1), torch.ones(1))
    return model


@paths
def test_shares_and_velocity_belong_together(path):
    path, t = PATHS[path], torch.linspace(0.05, 0.95, 7, dtype=torch.float64)
    torch.testing.assert_close(path.alpha(t) * path.beta(t) + path.sigma(t) * path.gamma(t), torch.ones_like(t))
    x_0, eps, h = torch.randn(7, 3, generator=seeded()).double(), torch.randn(7, 3, generator=seeded(1)).double(), 1e-6
    slope = (path.mix(x_0, eps, t + h) - path.mix(x_0, eps, t - h)) / (2 * h)
    torch.testing.assert_close(path.speed * path.target("v", x_0, eps, t), slope, rtol=1e-7, atol=1e-7)


def test_the_cosine_path_preserves_the_variance():
    t = torch.linspace(0, 1, 9)
    torch.testing.assert_close(PATHS["cosine"].alpha(t) ** 2 + PATHS["cosine"].sigma(t) ** 2, torch.ones(9))


@paths
@predictions
def test_data_and_noise_come_back_from_every_prediction(path, prediction):
    path, t = PATHS[path], torch.linspace(0.05, 0.95, 7, dtype=torch.float64)
    x_0, eps = torch.randn(2, 7, 1, 4, 4, generator=seeded(), dtype=torch.float64)
    predicted = path.target(prediction, x_0, eps, t)
    found = path.data_and_noise(prediction, predicted, path.mix(x_0, eps, t), t)
    for value, expected in zip(found, (x_0, eps), strict=True):
        torch.testing.assert_close(value, expected)


@paths
@pytest.mark.parametrize(("name", "order", "steps"), [("heun", 2, (32, 64, 128)), ("ddim", 1, (64, 128, 256))])
def test_the_order_of_the_samplers(path, name, order, steps):
    """The flow of a Gaussian carries noise z to MEAN + STD z."""
    z = torch.randn(16, 1, 4, 4, generator=seeded()).double()
    errors = []
    for n in steps:
        model = ideal(path, "v", (name, n))
        errors.append(float((model.decode(z) - (MEAN + STD * z)).abs().max()))
    assert np.polyfit(np.log(1 / np.array(steps)), np.log(errors), 1)[0] == pytest.approx(order, abs=0.15)
    back = ideal(path, "v", (name, 2000)).encode(MEAN + STD * z)
    torch.testing.assert_close(back, z, atol=0.02, rtol=0)


@paths
@predictions
@pytest.mark.parametrize("name", ["ddim", "ddpm"])
def test_samples_of_a_gaussian_have_its_mean_and_deviation(path, prediction, name):
    samples = ideal(path, prediction, (name, 200)).sample(1000, generator=seeded())
    assert samples.mean().item() == pytest.approx(MEAN, abs=0.01)
    assert samples.std().item() == pytest.approx(STD, rel=0.03)


def test_ddpm_forgets_the_noise_that_it_started_from_and_ddim_does_not():
    z = torch.randn(200, 1, 4, 4, generator=seeded()).double()
    expected = {"ddim": 1.0, "ddpm": 0.0}
    for name, correlation in expected.items():
        x = ideal("cosine", "v", (name, 200))._walk(None, len(z)).draw(z, seeded(1))
        assert np.corrcoef(z.flatten(), x.flatten())[0, 1] == pytest.approx(correlation, abs=0.05)


@paths
@pytest.mark.parametrize("name", ["ddim", "ddpm"])
def test_samples_of_a_finite_set_are_its_members_in_equal_shares(path, name):
    members = torch.randn(4, 1, 4, 4, generator=seeded(5)).double()
    samples = ideal(path, "v", (name, 60), members).sample(400, generator=seeded())
    distance = (samples[:, None] - members).square().mean((2, 3, 4)).sqrt()
    assert (distance.amin(1) < 0.05).double().mean() > 0.97
    shares = torch.bincount(distance.argmin(1), minlength=4) / 400
    assert shares.min() > 0.15


def test_inpainting_finds_the_member_that_fits():
    members = torch.randn(4, 1, 4, 4, generator=seeded(5)).double()
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[:2] = True
    model = ideal("cosine", "v", ("ddpm", 60), members)
    known = torch.where(mask, members, 9.0)
    found = model.inpaint(known, mask, generator=seeded())
    torch.testing.assert_close(found, members, atol=0.05, rtol=0)
    assert torch.equal(found[..., :2, :], members[..., :2, :])


def test_variation_keeps_more_of_the_sample_the_less_noise_it_adds():
    members = torch.randn(8, 1, 4, 4, generator=seeded(5)).double()
    model = ideal("cosine", "v", ("ddim", 60), members)

    def kept(strength):
        start = members.repeat(50, 1, 1, 1)
        found = model.vary(start, strength, generator=seeded())
        return ((found - start).square().mean((1, 2, 3)).sqrt() < 0.1).double().mean().item()

    assert kept(0.2) == pytest.approx(1.0, abs=0.01)
    assert kept(1.0) == pytest.approx(1 / 8, abs=0.06)
    for strength in (0.0, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"expected a strength in \(0, 1\]"):
            model.vary(members, strength, generator=seeded())


class Shift(nn.Module):
    """The ideal velocity of N(c, 1), or of N(0, 1) without the condition, on the linear path."""

    def forward(self, x, t, condition):
        s = t[:, None, None, None]
        mean = 0.0 if condition is None else condition[:, :, None, None]
        x_0 = (mean * s**2 + (1 - s) * x) / (s**2 + (1 - s) ** 2)
        return (x - (1 - s) * x_0) / s.clamp(min=1e-9) - x_0


def test_guidance_goes_beyond_the_condition():
    model = FlowMatching((1, 4, 4), ("scalars", 1), network=Shift(), drop=0.1, sampler=("heun", 50)).double()
    model.data_scale.set(torch.zeros(1), torch.ones(1))
    model.conditioning.scale.set(torch.zeros(1), torch.ones(1))
    c = torch.tensor([1.0], dtype=torch.float64)
    means = []
    for weight in (0.0, 1.0):
        model.guidance = weight
        means.append(model.sample(500, condition=c, generator=seeded()).mean().item())
    assert means == pytest.approx([1.0, 2.0], abs=0.05)
    assert model.sample(500, generator=seeded()).mean().item() == pytest.approx(0.0, abs=0.05)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="path of cosine, linear and a prediction of x0, eps, v, got 'round' and 'v'"):
        Diffusion((1, 8, 8), path="round")
    with pytest.raises(ValueError, match=r"Diffusion.drop: expected a probability in \[0, 1\), got 1"):
        Diffusion((1, 8, 8), drop=1)
