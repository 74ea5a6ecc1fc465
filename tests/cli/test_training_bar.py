"""Ctrl-C during a training of the command line: the steps that were taken are in its checkpoint."""

import os
import signal

import pytest
import torch

from genmech_fem.cli.progress import progress_bar
from genmech_fem.cli.training_bar import follow
from genmech_fem.surrogates import Perceptron
from genmech_fem.training import Recipe, Trainable, fit, load_weights

X = torch.linspace(-1, 1, 64)[:, None]


class Interrupted(Perceptron):
    """Ctrl-C is pressed in the middle of some steps."""

    def loss(self, batch, player, *, generator):
        self.steps = getattr(self, "steps", 0) + 1
        if self.steps in self.pressed:
            os.kill(os.getpid(), signal.SIGINT)
        return super().loss(batch, player, generator=generator)


def train(folder, pressed, kind=Interrupted):
    torch.manual_seed(0)
    model: Trainable = kind(1, (1,))
    model.pressed = pressed
    steps = fit(model, {"x": X, "y": X**2}, Recipe(steps=20), checkpoint=folder / "training")
    with progress_bar(20, "train") as bar:
        follow(steps, bar, lambda step: step.step)
    return load_weights(folder / "training")[1]


def test_a_step_is_ended_and_none_is_lost(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    for k in (7, 5):
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path, {k})
        assert signal.getsignal(signal.SIGINT) is before
    assert load_weights(tmp_path / "training")[0]["step"] == 12
    (tmp_path / "whole").mkdir()
    resumed, whole = train(tmp_path, set()), train(tmp_path / "whole", set())
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_pressed_again_it_does_not_wait(tmp_path):
    class Twice(Interrupted):
        def loss(self, batch, player, *, generator):
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
            return super().loss(batch, player, generator=generator)

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, set(), Twice)
    assert not (tmp_path / "training").exists()
