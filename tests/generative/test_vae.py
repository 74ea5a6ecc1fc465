"""Variational autoencoder: closed-form KL, and the linear model, which is probabilistic PCA."""

import math

import pytest
import torch
from torch import nn

from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.gaussians import gaussian_kl, reparametrize
from genmech_fem.generative.mixture_prior import MixturePrior
from genmech_fem.generative.vae import VAE
from genmech_fem.training import Recipe, fit

SMALL = Architecture(widths=(8,), patch=2)
SHAPE = (1, 2, 4)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def train(model, data, **settings):
    torch.set_num_threads(1)
    for _ in fit(model, data, Recipe(**settings)):
        pass
    return model


class Affine(nn.Module):
    """An encoder or decoder without anything nonlinear."""

    def __init__(self, shape_in, shape_out):
        super().__init__()
        self.shape = shape_out
        self.linear = nn.Linear(math.prod(shape_in), math.prod(shape_out))

    def forward(self, x, condition=None):
        return self.linear(x.flatten(1)).unflatten(1, self.shape)


def test_the_closed_form_of_the_divergence_is_that_of_monte_carlo():
    mean, log_variance = torch.tensor([[0.5, -1.0, 0.0]]), torch.tensor([[-1.0, 0.3, 0.0]])
    many = 200_000
    z = reparametrize(mean.expand(many, 3), log_variance.expand(many, 3), seeded())
    torch.testing.assert_close(z.mean(0), mean[0], atol=0.01, rtol=0)
    torch.testing.assert_close(z.var(0), log_variance[0].exp(), atol=0.02, rtol=0)
    log_q = -0.5 * ((z - mean).square() / log_variance.exp() + log_variance)
    estimate = (log_q + 0.5 * z.square()).sum(1).mean()
    assert gaussian_kl(mean, log_variance).item() == pytest.approx(estimate.item(), abs=0.01)
    assert gaussian_kl(torch.zeros(1, 4), torch.zeros(1, 4)).item() == 0


def test_a_mixture_prior_integrates_to_one_and_draws_what_it_says():
    torch.manual_seed(0)
    prior = MixturePrior(3, 2).requires_grad_(False)
    prior.logits.copy_(torch.tensor([0.0, 1.0, -1.0]))
    axes = torch.linspace(-8, 8, 401)
    points = torch.cartesian_prod(axes, axes)
    mass = prior.log_prob(points).exp() * 0.04**2
    assert mass.sum().item() == pytest.approx(1, abs=1e-3)
    samples = prior.sample(50_000, seeded())
    mean = mass @ points
    torch.testing.assert_close(samples.mean(0), mean, atol=0.02, rtol=0)
    covariance = (points - mean).T @ ((points - mean) * mass[:, None])
    torch.testing.assert_close(samples.T.cov(), covariance, atol=0.03, rtol=0)


def test_a_mixture_prior_finds_the_clusters_that_a_normal_one_blurs():
    """Four clusters on a plane: the share of samples near one is as in the data, and the bound nears the entropy."""
    centres = 2 * torch.randn(4, 8, generator=seeded(5))
    x = centres[torch.arange(2048) % 4] + 0.3 * torch.randn(2048, 8, generator=seeded(6))
    data, near, bounds = {"x": x.reshape(-1, *SHAPE)}, [], []
    for components in (0, 12):
        torch.manual_seed(0)
        model = VAE(SHAPE, 3, likelihood="gaussian", components=components, network=SMALL)
        model.encoder, model.decoder = Affine(SHAPE, (6,)), Affine((3,), SHAPE)
        train(model, data, steps=450, batch_size=64, learning_rate=5e-2, weight_decay=0.0)
        with torch.no_grad():
            bounds.append(model.elbo(data["x"], generator=seeded()).mean().item())
        samples = model.sample(500, generator=seeded()).flatten(1)
        near.append((torch.cdist(samples, centres).amin(1) < 1.2).float().mean().item())
    entropy = math.log(4) + 4 * math.log(2 * math.pi * math.e * 0.3**2)
    assert near[1] > 0.85
    assert near[0] < 0.2
    assert -entropy - 1.2 < bounds[1] < -entropy + 0.1
    assert bounds[0] < bounds[1] - 3


def test_a_linear_vae_reaches_the_likelihood_of_probabilistic_pca():
    """Lucas et al. (2019), doi:10.48550/arXiv.1911.02469; Tipping and Bishop (1999), doi:10.1111/1467-9868.00196."""
    rotation = torch.linalg.qr(torch.randn(8, 8, generator=seeded(1)))[0]
    deviations = torch.tensor([3.0, 2.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5])
    x = torch.randn(4096, 8, generator=seeded(2)) * deviations @ rotation.T + 1.0
    torch.manual_seed(0)
    model = VAE(SHAPE, 2, likelihood="gaussian", network=SMALL)
    model.encoder, model.decoder = Affine(SHAPE, (4,)), Affine((2,), SHAPE)
    data = {"x": x.reshape(-1, *SHAPE)}
    train(model, data, steps=1000, batch_size=256, learning_rate=2e-2, weight_decay=0.0)
    eigenvalues = torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)
    noise = eigenvalues[2:].mean()
    optimum = -0.5 * (8 * math.log(2 * math.pi) + eigenvalues[:2].log().sum() + 6 * noise.log() + 8)
    with torch.no_grad():
        draws = torch.stack([model.elbo(data["x"], generator=seeded(seed)).mean() for seed in range(10)])
    assert optimum - 0.05 < draws.mean() < optimum + 0.01
    sigma = model.log_sigma.exp() * model.data_scale.std
    assert sigma.item() == pytest.approx(noise.sqrt().item(), rel=0.02)
    samples = model.sample(20_000, generator=seeded(3)).flatten(1)
    covariance = torch.cov(samples.T) + sigma**2 * torch.eye(8)  # of the means, and the noise around them
    assert (covariance - torch.cov(x.T)).norm() < 0.06 * torch.cov(x.T).norm()


@pytest.fixture(scope="module")
def bars():
    """Cells of 8x8 points with one bar of width 2, upright (0) or level (1), at any of 4 places."""
    label = torch.arange(256) % 2
    places = torch.eye(4)[torch.randint(4, (256,), generator=seeded(4))].repeat_interleave(2, 1)
    upright = places[:, None, :, None].expand(-1, -1, 8, 8)
    x = torch.where(label[:, None, None, None] == 0, upright, upright.transpose(2, 3))
    return {"x": x.contiguous(), "condition": label}


def test_beta_trades_information_for_error(bars):
    data, found = {"x": bars["x"]}, []
    for beta in (0.1, 1.0, 10.0):
        torch.manual_seed(0)
        model = VAE((1, 8, 8), 4, beta=beta, network=Architecture((16,), patch=4))
        train(model, data, steps=150, batch_size=32, learning_rate=1e-2)
        with torch.no_grad():
            kl = model.terms(data, generator=seeded())[1].mean().item()
            error = (model.decode(model.encode(data["x"])) - data["x"]).square().mean().item()
        found.append((kl, error))
    (kl_low, error_low), (kl_one, error_one), (kl_high, error_high) = found
    assert kl_low > kl_one > kl_high
    assert error_low < error_one < error_high
    entropy = math.log(8)  # 8 different cells: more information cannot be needed
    assert kl_one > 0.6 * entropy
    assert error_one < 0.03


def test_samples_follow_the_class(bars):
    torch.manual_seed(0)
    model = VAE((1, 8, 8), 4, ("class", 2), network=Architecture((16,), patch=4))
    train(model, bars, steps=200, batch_size=32, learning_rate=1e-2)
    for label in (0, 1):
        samples = model.sample(100, condition=torch.tensor([label]), generator=seeded())[:, 0]
        across, along = samples.std(dim=1 + label).mean(), samples.std(dim=2 - label).mean()
        assert across > 3 * along


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_it_works_in_three_dimensions_and_is_rebuilt_from_its_configuration(likelihood):
    torch.manual_seed(0)
    x = torch.rand(16, 1, 8, 8, 8, generator=seeded()).round()
    condition = x.mean(dim=(2, 3, 4))
    model = VAE((1, 8, 8, 8), 4, ("scalars", 1), likelihood=likelihood, components=3, network=SMALL)
    losses = [
        progress.losses["model"]
        for progress in fit(model, {"x": x, "condition": condition}, Recipe(steps=40, batch_size=16))
    ]
    assert losses[-1] < losses[0]
    again = VAE(**model.config())
    again.load_state_dict(model.state_dict())
    samples = model.sample(3, condition=condition[:3], generator=seeded(1))
    assert torch.equal(again.sample(3, condition=condition[:3], generator=seeded(1)), samples)
    assert samples.shape == (3, 1, 8, 8, 8)


def test_errors_name_what_is_expected(bars):
    with pytest.raises(
        ValueError, match="likelihood of bernoulli, gaussian, got latent=2, components=0, beta=1.0, likelihood='mse'"
    ):
        VAE(SHAPE, 2, likelihood="mse")
    with pytest.raises(ValueError, match=r"x in \[0, 1\] for likelihood='bernoulli', got 0 to 2"):
        VAE((1, 8, 8), 2, network=SMALL).prepare({"x": 2 * bars["x"]})
    model = VAE((1, 8, 8), 2, ("class", 2), network=SMALL)
    model.prepare(bars)
    with pytest.raises(ValueError, match=r"condition of shape \(3,\) with classes 0 to 1, got None"):
        model.sample(3, generator=seeded())
