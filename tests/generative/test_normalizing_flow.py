"""Normalising flow: known densities are recovered, and integrate to one."""

import math
import sys

import pytest
import torch

from genmech_fem.errors import MissingExtraError
from genmech_fem.generative.normalizing_flow import NormalizingFlow
from genmech_fem.training import Recipe, fit

pytest.importorskip("zuko")

FACTOR = torch.tensor([[1.0, 0.0], [1.2, 0.5]])  # of the covariance of a Gaussian
CENTRES = torch.tensor([[-2.0, 0.0], [2.0, 1.0]])  # of two Gaussians of deviation 0.5


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def train(model, data, steps=300):
    torch.set_num_threads(1)
    for _ in fit(model, data, Recipe(steps=steps, batch_size=256, learning_rate=5e-3)):
        pass
    return model


def mixture(n, seed=0):
    return CENTRES[torch.arange(n) % 2] + 0.5 * torch.randn(n, 2, generator=seeded(seed))


def mixture_log_density(x):
    distance = (x[:, None] - CENTRES).square().sum(2) / 0.25
    return torch.logsumexp(-0.5 * distance, 1) - math.log(2 * 2 * math.pi * 0.25)


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    model = NormalizingFlow(2, transforms=2, hidden=(32, 32))
    return train(model, {"x": mixture(4096)})


def test_the_density_of_a_gaussian_is_recovered():
    x = torch.randn(4096, 2, generator=seeded(1)) @ FACTOR.T + 3.0
    torch.manual_seed(0)
    model = train(NormalizingFlow(2, transforms=1, hidden=(16,)), {"x": x})
    exact = torch.distributions.MultivariateNormal(torch.full((2,), 3.0), scale_tril=FACTOR)
    fresh = exact.mean + torch.randn(1000, 2, generator=seeded(2)) @ FACTOR.T
    with torch.no_grad():
        divergence = (exact.log_prob(fresh) - model.log_prob(fresh)).mean()
    assert abs(divergence) < 0.03


def test_the_density_of_a_mixture_is_recovered(trained):
    fresh = mixture(1000, seed=3)
    with torch.no_grad():
        error = mixture_log_density(fresh) - trained.log_prob(fresh)
    assert -0.02 < error.mean() < 0.06
    assert error.abs().mean() < 0.15


def test_the_density_integrates_to_one(trained):
    axes = torch.linspace(-6, 6, 301)
    with torch.no_grad():
        density = trained.log_prob(torch.cartesian_prod(axes, axes)).exp()
    assert (density.sum() * 0.04**2).item() == pytest.approx(1, abs=0.01)


def test_samples_have_the_moments_of_the_data(trained):
    samples, data = trained.sample(4000, generator=seeded(4)), mixture(4000, seed=5)
    torch.testing.assert_close(samples.mean(0), data.mean(0), atol=0.15, rtol=0)
    torch.testing.assert_close(samples.T.cov(), data.T.cov(), atol=0.25, rtol=0)
    assert (samples[:, 0] < 0).float().mean().item() == pytest.approx(0.5, abs=0.05)
    assert torch.equal(samples, trained.sample(4000, generator=seeded(4)))


def test_decode_undoes_encode(trained):
    x = mixture(100, seed=6)
    with torch.no_grad():
        z = trained.encode(x)
        torch.testing.assert_close(trained.decode(z), x, atol=1e-3, rtol=1e-3)


def test_units_shift_the_density_by_the_volume():
    x, models = mixture(512), []
    for unit in (1.0, 1000.0):
        torch.manual_seed(0)
        models.append(train(NormalizingFlow(2, transforms=1, hidden=(8,)), {"x": unit * x}, steps=5))
    with torch.no_grad():
        shift = models[0].log_prob(x) - models[1].log_prob(1000 * x)
    torch.testing.assert_close(shift, torch.full((512,), 2 * math.log(1000)), atol=1e-3, rtol=0)


def test_a_conditional_density_follows_the_condition():
    c = 2 * torch.rand(4096, 1, generator=seeded(7)) - 1
    x = torch.cat([3 * c, c**2], 1) + 0.1 * torch.randn(4096, 2, generator=seeded(8))
    torch.manual_seed(0)
    model = NormalizingFlow(2, ("scalars", 1), transforms=2, hidden=(32, 32))
    train(model, {"x": x, "condition": c}, steps=400)
    again = NormalizingFlow(**model.config())
    again.load_state_dict(model.state_dict())
    for value in (-0.8, 0.0, 0.5):
        samples = again.sample(500, condition=torch.tensor([value]), generator=seeded())
        torch.testing.assert_close(samples.mean(0), torch.tensor([3 * value, value**2]), atol=0.08, rtol=0)
        torch.testing.assert_close(samples.std(0), torch.tensor([0.1, 0.1]), atol=0.15, rtol=0)


def test_errors_name_what_is_expected(trained, monkeypatch):
    with pytest.raises(ValueError, match=r"shape \(n, 2\), got \(5, 3\)"):
        trained.log_prob(torch.zeros(5, 3))
    with pytest.raises(ValueError, match="features: expected at least 2, got 1"):
        NormalizingFlow(1)
    monkeypatch.setitem(sys.modules, "zuko", None)
    with pytest.raises(MissingExtraError, match=r"genmech_fem\[flows\]"):
        NormalizingFlow(2)
