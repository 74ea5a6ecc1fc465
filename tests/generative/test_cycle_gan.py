"""CycleGAN: unpaired translation between pixel cells and smooth cells, whose pairs are known to the test alone."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.cycle_gan import CycleGAN
from genmech_fem.microstructure import PeriodicFibres
from genmech_fem.training import Recipe, fit


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def cells():
    """Cells of 16x16 points: as pixels (a), and the same ones smooth (b)."""
    draw = PeriodicFibres(resolution=16, radius=(0.15, 0.3), volume_fraction=(0.15, 0.4))
    phase = np.concatenate([draw(np.random.default_rng(i))["phase"] for i in range(288)])
    smooth = gaussian_filter(phase, (0, 1.5, 1.5), mode="wrap")
    return [torch.tensor(x, dtype=torch.float32)[:, None] for x in (phase > 0.5, smooth)]


def test_translation_without_pairs_is_close_to_the_truth(cells):
    torch.set_num_threads(1)
    torch.manual_seed(0)
    pixels, smooth = cells
    data = {"a": pixels[:128], "b": smooth[128:256]}
    model = CycleGAN((1, 16, 16), network=Architecture((16, 32), patch=2), bounds=(0.0, 1.0))
    for _ in fit(model, data, Recipe(steps=60, batch_size=16, learning_rate=5e-3)):
        pass
    a, b = pixels[256:], smooth[256:]
    there, back = model.translate(a), model.translate(b, "a")
    nothing = (a - b).square().mean().sqrt().item()
    errors = [(there - b).square().mean().sqrt().item(), (back - a).square().mean().sqrt().item()]
    cycles = [model.cycle_error(a).mean().item(), model.cycle_error(b, "b").mean().item()]
    assert errors[0] < 0.55 * nothing
    assert errors[1] < 0.8 * nothing
    assert max(cycles) < 0.5 * nothing
    assert (model.translate(b) - b).square().mean().sqrt() < 0.5 * nothing  # what is smooth already is kept
    there_and_back = model.translate(there, "a") - a
    torch.testing.assert_close(model.cycle_error(a), there_and_back.square().mean(dim=(1, 2, 3)).sqrt())


@pytest.mark.parametrize("dimension", [2, 3])
def test_translations_move_with_the_torus_and_the_model_is_rebuilt_from_its_configuration(dimension):
    shape = (1, *[8] * dimension)
    x = torch.rand(6, *shape, generator=seeded())
    torch.manual_seed(0)
    model = CycleGAN(shape, network=Architecture((8, 16), patch=1))
    for _ in fit(model, {"a": x, "b": 3 - x}, Recipe(steps=2, batch_size=6)):
        pass
    again = CycleGAN(**model.config())
    again.load_state_dict(model.state_dict())
    translated = model.sample(6, condition=x, generator=seeded())
    assert torch.equal(again.translate(x), translated)
    axes = tuple(range(2, 2 + dimension))
    moved = model.translate(x.roll((2,) * dimension, axes))
    torch.testing.assert_close(moved, translated.roll((2,) * dimension, axes))


def test_errors_name_what_is_expected():
    model = CycleGAN((1, 8, 8), network=Architecture((8,)))
    with pytest.raises(ValueError, match="expected to='a' or to='b', got 'c'"):
        model.translate(torch.zeros(1, 1, 8, 8), "c")
    with pytest.raises(ValueError, match="expected cycle >= 0 and identity >= 0, got cycle=-1"):
        CycleGAN((1, 8, 8), -1)
    with pytest.raises(ValueError, match=r"CycleGAN: expected samples of shape \(n, 1, 8, 8\), got \(4, 1, 4, 4\)"):
        model.prepare({"a": torch.rand(4, 1, 8, 8), "b": torch.rand(4, 1, 4, 4)})
