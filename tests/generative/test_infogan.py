"""InfoGAN: the bound on the information in closed form, and codes that stand for what the data vary in."""

import math

import pytest
import torch

from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.infogan import SIGMA, Codes, InfoGAN, information_bound
from genmech_fem.training import Recipe, fit


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_bound_is_all_of_the_information_for_certain_classes_and_none_for_blind_ones():
    labels = torch.arange(12) % 4
    nothing = torch.zeros(12, 0)
    certain = Codes(100 * torch.nn.functional.one_hot(labels, 4).float(), nothing)
    assert information_bound(certain, labels, nothing).item() == pytest.approx(math.log(4))
    assert information_bound(Codes(torch.zeros(12, 4), nothing), labels, nothing).item() == pytest.approx(0, abs=1e-6)


def test_the_bound_about_a_value_stays_below_the_information_of_a_noisy_reading():
    value = 2 * torch.rand(100_000, 1, generator=seeded()) - 1
    read = value + SIGMA * torch.randn(value.shape, generator=seeded(1))
    bound = information_bound(Codes(torch.zeros(len(value), 1), read), torch.zeros(len(value), dtype=int), value)
    # E ln q + H: the entropy of the value less that of the noise, which is the information but for the spread of noise
    assert bound.item() == pytest.approx(math.log(2) - 0.5 * math.log(2 * math.pi * math.e * SIGMA**2), abs=0.01)


@pytest.fixture(scope="module")
def bars():
    """Cells of 8x8 points with a bar in the middle, upright (0) or level (1), of a random half width [points]."""
    label = torch.arange(512) % 2
    size = 1 + 2 * torch.rand(512, generator=seeded())
    profile = (size[:, None] - (torch.arange(8) - 4).abs() + 0.5).clamp(0, 1)
    upright = profile[:, None, :, None].expand(-1, -1, 8, 8)
    x = torch.where(label[:, None, None, None] == 0, upright, upright.transpose(2, 3))
    return x.contiguous(), label, size


def train(x, seed, steps=300):
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    model = InfoGAN((1, 8, 8), 4, classes=2, values=1, network=Architecture((16,), patch=2), bounds=(0.0, 1.0))
    for _ in fit(model, {"x": x}, Recipe(steps=steps, batch_size=64, learning_rate=6e-3, seed=seed)):
        pass
    return model


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_codes_recover_the_orientation_and_the_size_of_bars_without_labels(bars, seed):
    x, label, size = bars
    model = train(x, seed)
    with torch.no_grad():
        codes = model.codes(x)
    found = codes.logits.argmax(1)
    accuracy = max((found == label).float().mean().item(), (found != label).float().mean().item())
    pairs = [torch.stack([size[label == k], codes.values[label == k, 0]]) for k in (0, 1)]
    correlations = [abs(torch.corrcoef(pair)[0, 1].item()) for pair in pairs]
    assert accuracy > 0.95
    assert min(correlations) > 0.7
    # the other way round: the chosen class of generated bars
    noise, values = torch.randn(100, 4, generator=seeded()), torch.zeros(100, 1)
    with torch.no_grad():
        both = [model.decode(model.join(noise, torch.full((100,), k), values))[:, 0] for k in (0, 1)]
    slant = [(y.std(dim=1).mean() - y.std(dim=2).mean()).item() for y in both]
    assert slant[0] * slant[1] < 0


def test_it_works_in_three_dimensions_and_is_rebuilt_from_its_configuration():
    torch.manual_seed(0)
    x = torch.rand(16, 1, 8, 8, 8, generator=seeded()).round()
    model = InfoGAN((1, 8, 8, 8), 4, classes=3, values=2, network=Architecture((8,), patch=4), bounds=(0.0, 1.0))
    for _ in fit(model, {"x": x}, Recipe(steps=3, batch_size=8)):
        pass
    z = model.draw(1000, generator=seeded(1))
    assert z[:, 4:7].sum(0).min() > 280  # of 333 on average
    assert z[:, 7:].abs().max() <= 1
    again = InfoGAN(**model.config())
    again.load_state_dict(model.state_dict())
    samples = model.sample(3, generator=seeded(2))
    assert torch.equal(again.sample(3, generator=seeded(2)), samples)
    assert model.codes(samples).values.shape == (3, 2)
    with pytest.raises(ValueError, match="expected no condition: choose codes with join"):
        model.sample(3, condition=torch.zeros(3, 1), generator=seeded())
    with pytest.raises(ValueError, match="classes >= 1, values >= 0 and information >= 0, got latent=4, classes=0"):
        InfoGAN((1, 8, 8), 4, classes=0)
