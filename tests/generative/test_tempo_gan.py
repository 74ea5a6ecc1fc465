"""tempoGAN: measures of coherence in closed form, and sequences that become finer than by interpolation."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.tempo_gan import TempoGAN, flicker, temporal_error
from genmech_fem.training import Recipe, fit


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def train(model, data, **settings):
    torch.set_num_threads(1)
    losses = {}
    for progress in fit(model, data, Recipe(**settings)):
        losses = progress.losses
    return losses


def test_measures_of_coherence_at_known_sequences():
    time = torch.arange(8.0).reshape(1, 8, 1, 1, 1).expand(2, 8, 1, 4, 4)
    truth = time**2
    assert temporal_error(truth + 5, truth).tolist() == [0.0, 0.0]  # a constant offset does not flicker
    assert flicker(truth + 5 - 3 * time, truth).tolist() == [1.0, 1.0]
    torch.testing.assert_close(temporal_error(1.5 * truth, truth), torch.full((2,), 0.5))
    alternating = truth + torch.where(time % 2 == 0, 1.0, -1.0)
    # second differences 2 + 4 and 2 - 4 by turns, instead of 2
    torch.testing.assert_close(flicker(alternating, truth), torch.full((2,), (36 + 4) / 2 / 4))


@pytest.fixture(scope="module")
def waves():
    """Periodic sequences of a travelling spot, 8 frames of 16x16 points, and their means over 4x4 points."""
    place = 16 * torch.rand(96, 1, 2, generator=seeded())
    speed = 1.5 * torch.randn(96, 1, 2, generator=seeded(1))
    centre = (place + speed * torch.arange(8.0)[:, None])[..., None] % 16
    offset = (torch.arange(16.0) - centre + 8) % 16 - 8
    bump = (-offset.square() / 6).exp()
    x = (bump[:, :, 0, :, None] * bump[:, :, 1, None, :])[:, :, None]
    return {"x": x, "coarse": F.avg_pool2d(x.flatten(0, 1), 4).unflatten(0, (96, 8))}


def test_refined_sequences_are_closer_to_the_truth_in_space_and_time_than_interpolated_ones(waves):
    torch.manual_seed(0)
    model = TempoGAN((1, 4, 4), 4, network=Architecture((16, 32)))
    train(model, {name: x[:64] for name, x in waves.items()}, steps=80, batch_size=8, learning_rate=5e-3)
    truth, coarse = waves["x"][64:], waves["coarse"][64:].flatten(0, 1)
    wrapped = F.pad(coarse, (1, 1, 1, 1), mode="circular")
    bilinear = F.interpolate(wrapped, scale_factor=4, mode="bilinear")[:, :, 4:-4, 4:-4].reshape(truth.shape)
    with torch.no_grad():
        fine = model.refine(coarse).reshape(truth.shape)
    assert (fine - truth).norm() < 0.6 * (bilinear - truth).norm()
    assert temporal_error(fine, truth).mean() < 0.6 * temporal_error(bilinear, truth).mean()
    assert 0.7 < flicker(fine, truth).mean() < 1.4


def test_each_player_has_its_own_part_of_the_game(waves):
    torch.manual_seed(0)
    model = TempoGAN((1, 4, 4), 4, network=Architecture((8, 16)))
    model.prepare(waves)
    for player in model.players:
        model.zero_grad()
        model.loss(waves, player, generator=seeded()).backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters_of(player))
    single = TempoGAN((1, 4, 4), 4, temporal=0.0, network=Architecture((8, 16)))
    assert (model.players, single.players) == (("spatial", "temporal", "generator"), ("spatial", "generator"))
    # static, exact frames leave only the scores: the distance from the truth is 0
    model.pixel, model.weight = 1.0, 0.0
    model.generator.forward = torch.zeros_like
    flat = {"x": torch.ones(4, 3, 1, 16, 16), "coarse": torch.ones(4, 3, 1, 4, 4)}
    scores = model.spatial(model.data_scale.normalize(torch.ones(4, 1, 16, 16)).repeat(1, 2, 1, 1))
    torch.testing.assert_close(model.loss(flat, "generator", generator=seeded()), -scores.mean())


@pytest.mark.parametrize("dimension", [2, 3])
def test_refinement_moves_with_the_torus_and_the_model_is_rebuilt_from_its_configuration(dimension):
    shape = (1, *[4] * dimension)
    coarse = torch.rand(4, 3, *shape, generator=seeded())
    fine = coarse.repeat_interleave(2, -1).repeat_interleave(2, -2)
    fine = fine.repeat_interleave(2, -3) if dimension == 3 else fine
    torch.manual_seed(0)
    model = TempoGAN(shape, 2, network=Architecture((8, 16)))
    train(model, {"x": fine, "coarse": coarse}, steps=2, batch_size=4)
    again = TempoGAN(**model.config())
    again.load_state_dict(model.state_dict())
    refined = model.sample(4, condition=coarse[:, 0], generator=seeded())
    assert torch.equal(again.refine(coarse[:, 0]), refined)
    axes = tuple(range(2, 2 + dimension))
    moved = model.refine(coarse[:, 0].roll((2,) * dimension, axes))
    torch.testing.assert_close(moved, refined.roll((4,) * dimension, axes))


def test_errors_name_what_is_expected(waves):
    model = TempoGAN((1, 4, 4), 4, network=Architecture((8,)))
    with pytest.raises(
        ValueError, match=r"frames >= 3, channels, \*grid\) with as many frames, got \(96, 2, 1, 16, 16\)"
    ):
        model.prepare({name: x[:, :2] for name, x in waves.items()})
    with pytest.raises(ValueError, match=r"TempoGAN: expected samples of shape \(n, 1, 16, 16\), got"):
        model.prepare({"x": waves["coarse"], "coarse": waves["coarse"]})
    with pytest.raises(ValueError, match="factor >= 1, temporal >= 0 and pixel >= 0, got factor=0"):
        TempoGAN((1, 4, 4), 0)
