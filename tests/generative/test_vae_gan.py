"""VAE-GAN: the linear model in closed form, and reconstructions and samples beside those of a VAE."""

import math

import pytest
import torch
from torch import nn

from genmech_fem.generative.adversarial import mode_shares
from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.vae_gan import VAEGAN
from genmech_fem.training import Recipe, fit

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

    def features(self, x, condition=None):
        return 2 * x.flatten(1)


def test_the_linear_model_with_given_features_is_a_probabilistic_pca_of_the_features():
    """With the features 2 x the noise is 1/2 [unit of x]: only directions of more variance than 1/4 are kept."""
    deviations = torch.tensor([3.0, 2.0, 0.4, 0.3, 0.3, 0.3, 0.3, 0.3])
    rotation = torch.linalg.qr(torch.randn(8, 8, generator=seeded(1)))[0]
    x = torch.randn(4096, 8, generator=seeded(2)) * deviations @ rotation.T
    torch.manual_seed(0)
    model = VAEGAN(SHAPE, 3, adversarial=0.0, network=Architecture((8,)))
    model.encoder, model.decoder, model.discriminator = Affine(SHAPE, (6,)), Affine((3,), SHAPE), Affine(SHAPE, (1,))
    model.players = ("autoencoder",)
    model.data_scale.set(torch.zeros(1), torch.ones(1))
    data = {"x": x.unflatten(1, SHAPE)}
    train(model, data, steps=1200, batch_size=256, learning_rate=1e-2, weight_decay=0.0)
    eigenvalues = 4 * torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)  # of the features
    kept, rest = eigenvalues[:2], eigenvalues[2:]
    assert kept.min() > 1 > rest.max()
    optimum = 0.5 * (kept.log() + 1).sum() + 0.5 * rest.sum()
    with torch.no_grad():
        draws = torch.stack([model.loss(data, "autoencoder", generator=seeded(seed)) for seed in range(20)])
    assert draws.mean().item() == pytest.approx(optimum.item(), abs=0.05)


@pytest.fixture(scope="module")
def spots():
    """Cells of 8x8 points with one spot at one of four places."""
    x, y = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    modes = torch.stack([(-((x - a) ** 2 + (y - b) ** 2) / 1.3).exp()[None] for a in (1.5, 5.5) for b in (1.5, 5.5)])
    label = torch.randint(4, (512,), generator=seeded(3))
    return modes, modes[label] + 0.05 * torch.randn(512, 1, 8, 8, generator=seeded(4))


def test_it_reconstructs_and_finds_all_modes(spots):
    modes, x = spots
    torch.manual_seed(0)
    model = VAEGAN((1, 8, 8), 4, adversarial=5.0, network=Architecture((16,), patch=2))
    train(model, {"x": x}, steps=250, batch_size=32, learning_rate=5e-3)
    with torch.no_grad():
        error = (model.decode(model.encode(x)) - x).square().mean().sqrt()
    samples = model.sample(500, generator=seeded())
    shares = mode_shares(samples, modes)
    distance = torch.cdist(samples.flatten(1), modes.flatten(1)).amin(1).median()
    assert error < 0.5 * x.std()
    assert shares.min() > 0.1
    assert distance < 1.0  # two modes are 1.9 apart


def test_it_works_in_three_dimensions_with_a_condition_and_is_rebuilt_from_its_configuration():
    torch.manual_seed(0)
    x = torch.rand(16, 1, 8, 8, 8, generator=seeded()).round()
    label = torch.arange(16) % 3
    model = VAEGAN((1, 8, 8, 8), 4, ("class", 3), network=Architecture((8,), patch=4), bounds=(0.0, 1.0))
    train(model, {"x": x, "condition": label}, steps=3, batch_size=8)
    again = VAEGAN(**model.config())
    again.load_state_dict(model.state_dict())
    samples = model.sample(3, condition=torch.tensor(1), generator=seeded())
    assert torch.equal(again.sample(3, condition=torch.tensor(1), generator=seeded()), samples)
    assert samples.shape == (3, 1, 8, 8, 8)
    assert samples.min() >= 0
    assert samples.max() <= 1
    assert model.discriminate(x, condition=label).shape == (16,)
    with pytest.raises(ValueError, match="expected latent >= 1, beta >= 0 and adversarial >= 0, got latent=0"):
        VAEGAN((1, 8, 8), 0)
