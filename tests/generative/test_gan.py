"""Generative adversarial network: closed forms of the two-player game, and the modes that each objective reaches."""

import math

import pytest
import torch
from torch import nn

from genmech_fem.generative.adversarial import game, generator_loss, gradient_penalty, mode_shares
from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.gan import GAN
from genmech_fem.training import Recipe, fit

SHAPE = (1, 2, 4)
SHIFT = torch.tensor([0.5, -0.3, 0.0, 0.8, 0.0, 0.2, -0.4, 0.1])
SMALL = Architecture((16,), patch=2)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def train(model, data, **settings):
    torch.set_num_threads(1)
    for _ in fit(model, data, Recipe(**settings)):
        pass
    return model


class Plane(nn.Module):
    """A discriminator that is linear in x."""

    def __init__(self, weight=None):
        super().__init__()
        self.linear = nn.Linear(8, 1)
        if weight is not None:
            self.linear.weight.data[:] = weight

    def forward(self, x, condition=None):
        return self.linear(x.flatten(1))


def against_a_fixed_generator(**arguments):
    """Only the discriminator learns: data N(shift, 1) against samples N(0, 1), in eight dimensions."""
    torch.manual_seed(0)
    model = GAN(SHAPE, 8, network=Architecture((8,)), **arguments)
    model.generator, model.discriminator = nn.Unflatten(1, SHAPE), Plane()
    model.generator.forward = lambda z, condition: z.unflatten(1, SHAPE)
    model.players = ("discriminator",)
    model.data_scale.set(torch.zeros(1), torch.ones(1))
    x = torch.randn(16_384, 8, generator=seeded(1)) + SHIFT
    return train(model, {"x": x.unflatten(1, SHAPE)}, steps=400, batch_size=1024, learning_rate=2e-2, weight_decay=0.0)


def test_objectives_at_known_scores():
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-2.0, 1.0])
    assert game("hinge", real, fake).item() == pytest.approx(0.5 + 1.0)
    assert game("wasserstein", real, fake).item() == pytest.approx(-0.5 - 1.0)
    zero = torch.zeros(3)
    assert game("bce", zero, zero).item() == pytest.approx(2 * math.log(2))
    assert game("bce", real, fake).item() == pytest.approx(
        0.5 * (math.log1p(math.exp(-2)) + math.log(2)) + 0.5 * (math.log1p(math.exp(-2)) + math.log1p(math.e))
    )
    assert generator_loss(zero, "bce").item() == pytest.approx(math.log(2))
    assert generator_loss(fake, "hinge") == generator_loss(fake, "wasserstein") == 0.5


@pytest.mark.parametrize("size", [0.5, 1.0, 3.0])
def test_the_penalty_of_a_linear_critic_is_that_of_its_slope(size):
    weight = torch.randn(1, 8, generator=seeded())
    critic = Plane(size * weight / weight.norm())
    real, fake = torch.randn(2, 5, *SHAPE, generator=seeded(1))
    assert gradient_penalty("wasserstein", critic, real, fake, seeded()).item() == pytest.approx(
        (size - 1) ** 2, abs=1e-5
    )
    assert gradient_penalty("hinge", critic, real, fake, seeded()).item() == pytest.approx(size**2, rel=1e-5)


def test_the_penalty_is_taken_between_real_and_generated_samples():
    real, fake = torch.full((2000, *SHAPE), 3.0), torch.full((2000, *SHAPE), 1.0)
    penalty = gradient_penalty("bce", lambda x: 0.5 * x.square().flatten(1).sum(1), real, fake, seeded())
    assert penalty.item() == pytest.approx(8 * 26 / 6, rel=0.02)  # 8 times the mean square of U(1, 3)


def test_the_best_discriminator_of_two_gaussians_is_their_log_ratio():
    model = against_a_fixed_generator(objective="bce", penalty=0.0)
    x = torch.randn(500, 8, generator=seeded(2))
    ratio = x @ SHIFT - 0.5 * SHIFT.square().sum()
    with torch.no_grad():
        error = model.discriminate(x.unflatten(1, SHAPE)) - ratio
    assert error.square().mean().sqrt() < 0.1 * ratio.std()


def test_the_critic_of_two_gaussians_measures_their_wasserstein_distance():
    model = against_a_fixed_generator(objective="wasserstein")
    distance = SHIFT.norm().item()
    x = torch.randn(20_000, 8, generator=seeded(2))
    with torch.no_grad():
        gap = [model.discriminate(y.unflatten(1, SHAPE)).mean() for y in (x + SHIFT, x)]
    # a linear critic of slope s gains s distance - 10 (s - 1)^2, most at s = 1 + distance / 20
    assert (gap[0] - gap[1]).item() == pytest.approx(distance * (1 + distance / 20), rel=0.02)


@pytest.fixture(scope="module")
def spots():
    """Cells of 8x8 points with one spot at one of four places, and a little noise."""
    x, y = torch.meshgrid(torch.arange(8.0), torch.arange(8.0), indexing="ij")
    modes = torch.stack([(-((x - a) ** 2 + (y - b) ** 2) / 1.3).exp()[None] for a in (1.5, 5.5) for b in (1.5, 5.5)])
    label = torch.randint(4, (512,), generator=seeded(3))
    noise = 0.05 * torch.randn(512, 1, 8, 8, generator=seeded(4))
    return modes, {"x": modes[label] + noise, "condition": label}


@pytest.mark.parametrize(
    "objective", [*(pytest.param(name, marks=pytest.mark.slow) for name in ("hinge", "bce")), "wasserstein"]
)
def test_all_modes_are_found(spots, objective):
    modes, data = spots
    torch.manual_seed(0)
    model = GAN((1, 8, 8), 8, objective=objective, network=SMALL)
    train(model, {"x": data["x"]}, steps=200, batch_size=32, learning_rate=5e-3)
    samples = model.sample(500, generator=seeded())
    shares = mode_shares(samples, modes)
    distance = torch.cdist(samples.flatten(1), modes.flatten(1)).amin(1)
    assert shares.min() > 0.1
    assert distance.median() < 0.8  # two modes are 1.9 apart


def test_samples_follow_the_class(spots):
    modes, data = spots
    torch.manual_seed(0)
    model = GAN((1, 8, 8), 8, ("class", 4), network=SMALL)
    train(model, data, steps=200, batch_size=32, learning_rate=5e-3)
    for label in range(4):
        samples = model.sample(100, condition=torch.tensor(label), generator=seeded())
        assert mode_shares(samples, modes)[label] > 0.95


def test_samples_in_three_dimensions_follow_a_number_and_the_model_is_rebuilt_from_its_configuration():
    torch.manual_seed(0)
    fraction = 0.2 + 0.6 * torch.rand(256, 1, generator=seeded())
    x = (torch.rand(256, 1, 8, 8, 8, generator=seeded(1)) < fraction[:, :, None, None, None]).float()
    model = GAN((1, 8, 8, 8), 8, ("scalars", 1), network=Architecture((16,), patch=4), bounds=(0.0, 1.0))
    train(model, {"x": x, "condition": fraction}, steps=200, batch_size=32, learning_rate=5e-3)
    wanted = torch.linspace(0.25, 0.75, 100)[:, None]
    samples = model.sample(100, condition=wanted, generator=seeded(2))
    assert samples.min() >= 0
    assert samples.max() <= 1
    found = samples.mean(dim=(1, 2, 3, 4))
    assert (found - wanted[:, 0]).square().mean().sqrt() < 0.06  # 0.15 is the deviation of what was wanted
    again = GAN(**model.config())
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.sample(100, condition=wanted, generator=seeded(2)), samples)


def test_mode_shares_count_the_nearest():
    modes = torch.tensor([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0]])
    samples = torch.tensor([[0.1, 0.0], [0.9, 0.1], [1.2, 0.0], [0.4, 0.0]])
    assert mode_shares(samples, modes).tolist() == [0.5, 0.5, 0.0]


def test_errors_name_what_is_expected():
    with pytest.raises(ValueError, match="GAN: expected an objective of hinge, bce, wasserstein, got 'mse'"):
        GAN((1, 8, 8), objective="mse")
    with pytest.raises(ValueError, match="latent >= 1 and penalty >= 0, got latent=8, penalty=-1"):
        GAN((1, 8, 8), 8, penalty=-1)
    model = GAN((1, 8, 8), 4, network=SMALL)
    with pytest.raises(ValueError, match=r"GAN: expected samples of shape \(n, 1, 8, 8\), got \(2, 1, 4, 4\)"):
        model.discriminate(torch.zeros(2, 1, 4, 4))
