"""Diffusion models that are trained, in two and three dimensions; `test_paths` has the oracles of all predictions."""

import pytest
import torch

from genmech_fem.generative import Architecture, Diffusion
from genmech_fem.training import Recipe, fit


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def trained(shape, prediction="v", path="cosine", **options):
    """Pixels are independent N(c, 0.5^2) with the condition c, uniform in [-2, 2]."""
    torch.set_num_threads(1)
    c = 4 * torch.rand(512, 1, generator=seeded(1)) - 2
    x = c.reshape(-1, *[1] * len(shape)) + 0.5 * torch.randn(512, *shape, generator=seeded(2))
    torch.manual_seed(0)
    network = Architecture(widths=(16,), patch=2)
    model = Diffusion(shape, ("scalars", 1), network=network, prediction=prediction, path=path, **options)
    for _ in fit(model, {"x": x, "condition": c}, Recipe(steps=250, batch_size=64, learning_rate=1e-2)):
        pass
    return model


@pytest.mark.parametrize(
    ("prediction", "path", "sampler"),
    [
        ("v", "cosine", ("ddim", 40)),
        ("x0", "linear", ("ddpm", 40)),
    ],
)
def test_predictions_learn_the_mean_and_v_the_deviation_too(prediction, path, sampler):
    model = trained((1, 8, 8), prediction, path, sampler=sampler)
    for c in (-1.5, 0.5):
        samples = model.sample(128, condition=torch.tensor([c]), generator=seeded(3))
        assert samples.mean().item() == pytest.approx(c, abs=0.15 if prediction == "v" else 0.3)
        if prediction == "v":
            deviation = (samples - samples.mean(dim=(1, 2, 3), keepdim=True)).std().item()
            assert deviation == pytest.approx(0.5, rel=0.15)


def test_three_dimensions():
    model = trained((1, 4, 4, 4))
    samples = model.sample(128, condition=torch.tensor([1.0]), generator=seeded(3))
    assert samples.shape == (128, 1, 4, 4, 4)
    assert samples.mean().item() == pytest.approx(1.0, abs=0.15)


def test_a_condition_that_is_a_field_is_followed_point_by_point():
    torch.manual_seed(0)
    c = torch.randn(512, 1, 8, 8, generator=seeded(1))
    x = 2 * c + 0.1 * torch.randn(512, 1, 8, 8, generator=seeded(2))
    model = Diffusion((1, 8, 8), ("field", 1), network=Architecture(widths=(16,), patch=1), sampler=("ddim", 10))
    for _ in fit(model, {"x": x, "condition": c}, Recipe(steps=200, batch_size=64, learning_rate=1e-2)):
        pass
    samples = model.sample(64, condition=c[:64], generator=seeded(3))
    assert torch.corrcoef(torch.stack([samples.flatten(), c[:64].flatten()]))[0, 1] > 0.98


def test_periodic_models_commute_with_shifts_and_others_do_not():
    z = torch.randn(2, 1, 16, 16, generator=seeded())
    for mode, commutes in (("circular", True), ("zeros", False)):
        torch.manual_seed(0)
        model = Diffusion((1, 16, 16), network=Architecture((8, 16), padding_mode=mode), sampler=("ddim", 3))
        for parameter in model.parameters():  # the last convolution of a block begins at zero
            torch.nn.init.normal_(parameter, std=0.1)
        model.data_scale.set(torch.zeros(1), torch.ones(1))
        moved = model.decode(z.roll((4, 8), (2, 3)))
        assert torch.allclose(moved, model.decode(z).roll((4, 8), (2, 3)), atol=1e-4) == commutes


def test_a_dropped_condition_lets_the_model_do_without():
    model = trained((1, 8, 8), drop=0.3)
    assert model.sample(256, generator=seeded()).mean(dim=(1, 2, 3)).std().item() == pytest.approx(4 / 12**0.5, rel=0.3)
    with pytest.raises(ValueError, match="got None"):
        trained((1, 8, 8)).sample(2, generator=seeded())
