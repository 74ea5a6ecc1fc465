"""Autoencoders: linear ones are known in closed form."""

import pytest
import torch
from torch import nn

from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.autoencoder import Autoencoder
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


def linear_autoencoder(latent, **settings):
    """Both halves linear, so that the optimum is that of principal components."""
    torch.manual_seed(0)
    model = Autoencoder(SHAPE, latent, network=SMALL, **settings)
    model.encoder = nn.Sequential(nn.Flatten(), nn.Linear(8, latent))
    model.decoder = nn.Sequential(nn.Linear(latent, 8), nn.Unflatten(1, SHAPE))
    return model


def gaussian_data(deviations, n=2048):
    rotation = torch.linalg.qr(torch.randn(8, 8, generator=seeded(1)))[0]
    x = torch.randn(n, 8, generator=seeded(2)) * torch.as_tensor(deviations) @ rotation.T
    return x.reshape(n, *SHAPE)


def test_a_linear_autoencoder_finds_the_principal_components():
    x = gaussian_data([3.0, 2.0, 1.0, 0.3, 0.2, 0.2, 0.1, 0.1])
    model = train(linear_autoencoder(3), {"x": x}, steps=400, batch_size=128, learning_rate=4e-2, weight_decay=0.0)
    centred = x.flatten(1) - x.flatten(1).mean(0)
    least = torch.linalg.svdvals(centred)[3:].square().sum() / x.numel()
    with torch.no_grad():
        error = (model.reconstruct(x) - x).square().mean()
    assert least <= error < 1.05 * least


def test_a_denoising_linear_autoencoder_becomes_the_wiener_filter():
    deviations, noise = torch.tensor([3.0, 2.0, 1.0, 1.0, 0.5, 0.5, 0.2, 0.2]), 0.5
    x = torch.randn(4096, 8, generator=seeded(3)) * deviations
    model = linear_autoencoder(8, noise=noise)
    train(model, {"x": x.reshape(-1, *SHAPE)}, steps=800, batch_size=256, learning_rate=2e-2, weight_decay=0.0)
    covariance = torch.cov((x / model.data_scale.std).T)
    wiener = covariance @ torch.linalg.inv(covariance + noise**2 * torch.eye(8))
    learned = model.decoder[0].weight @ model.encoder[1].weight
    torch.testing.assert_close(learned, wiener, atol=0.04, rtol=0)


def test_convolutions_squeeze_a_family_of_two_parameters_through_two_numbers():
    a, b = 2 * torch.rand(2, 512, 1, 1, 1, generator=seeded(4)) - 1
    y = torch.arange(8.0) / 8 * 2 * torch.pi
    x = a * y.sin() + b * y.cos()[:, None] + torch.zeros(1, 1, 8, 8)
    torch.manual_seed(0)
    model = Autoencoder((1, 8, 8), 2, network=Architecture(widths=(16,), patch=4))
    train(model, {"x": x}, steps=200, batch_size=32, learning_rate=1e-2)
    with torch.no_grad():
        assert (model.reconstruct(x) - x).square().mean() < 0.03 * x.var()


def test_samples_have_mean_and_covariance_of_the_latents():
    x = gaussian_data([3.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]) + 1.0
    model = train(linear_autoencoder(3), {"x": x}, steps=300, batch_size=128, learning_rate=2e-2)
    with pytest.raises(ValueError, match="call fit_prior"):
        model.sample(2, generator=seeded())
    model.fit_prior(x)
    samples = model.sample(20_000, generator=seeded(5)).flatten(1)
    scale = x.var()
    torch.testing.assert_close(samples.mean(0), x.flatten(1).mean(0), atol=0.1, rtol=0)
    torch.testing.assert_close(samples.T.cov() / scale, x.flatten(1).T.cov() / scale, atol=0.1, rtol=0)


def test_it_works_in_three_dimensions_and_is_rebuilt_from_its_configuration():
    torch.manual_seed(0)
    x = torch.rand(16, 1, 8, 8, 8, generator=seeded()).round()
    model = Autoencoder((1, 8, 8, 8), 4, network=Architecture(widths=(8, 16)), noise=0.1, bounds=(0.0, 1.0))
    losses = [progress.losses["model"] for progress in fit(model, {"x": x}, Recipe(steps=30, batch_size=16))]
    assert losses[-1] < 0.9 * losses[0]
    model.fit_prior(x)
    again = Autoencoder(**model.config())
    again.load_state_dict(model.state_dict())
    samples = model.sample(3, generator=seeded(1))
    assert torch.equal(again.sample(3, generator=seeded(1)), samples)
    assert samples.shape == (3, 1, 8, 8, 8)
    assert samples.min() >= 0
    assert samples.max() <= 1


def test_errors_name_what_is_expected():
    with pytest.raises(ValueError, match="expected latent >= 1 and noise >= 0, got latent=0"):
        Autoencoder(SHAPE, 0, network=SMALL)
    model = Autoencoder(SHAPE, 2, network=SMALL)
    with pytest.raises(ValueError, match=r"shape \(n, 1, 2, 4\), got \(3, 1, 4, 4\)"):
        model.encode(torch.zeros(3, 1, 4, 4))
    with pytest.raises(ValueError, match="expected a condition None"):
        model.decode(torch.zeros(3, 2), condition=torch.zeros(3, 1))
