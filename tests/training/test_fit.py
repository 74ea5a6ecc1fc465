"""Training: an interrupted and resumed run equals an uninterrupted one bit for bit."""

import itertools
import sys
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import nn

from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.training import Normalizer, Recipe, Trainable, fit, load_weights, read_log

RECIPE = Recipe(steps=12, batch_size=4, learning_rate=0.05, seed=3, save_every=5)


class Line(Trainable):
    """y = a x + b with noise in the loss."""

    def __init__(self, noise=0.1):
        super().__init__()
        self.noise = noise
        self.scale = Normalizer(1)
        self.layer = nn.Linear(1, 1)
        nn.init.zeros_(self.layer.weight)
        nn.init.zeros_(self.layer.bias)

    def config(self):
        return {"noise": self.noise}

    def prepare(self, data):
        self.scale.fit(data["x"])

    def forward(self, x):
        return self.layer(self.scale.normalize(x))

    def loss(self, batch, player, *, generator):
        noise = self.noise * torch.randn(batch["x"].shape, generator=generator)
        return (self(batch["x"]) + noise - batch["y"]).square().mean()


def jitter(batch, generator):
    return {**batch, "x": batch["x"] + 0.01 * torch.randn(batch["x"].shape, generator=generator)}


def interrupt_at(step):
    """`jitter`, until Ctrl-C comes."""
    calls = itertools.count()

    def interrupted(batch, generator):
        if next(calls) == step:
            raise KeyboardInterrupt
        return jitter(batch, generator)

    interrupted.__qualname__ = jitter.__qualname__
    return interrupted


@pytest.fixture
def data():
    x = torch.linspace(-1, 1, 10)[:, None]
    return {"x": x, "y": 3 * x + 1}


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.state_dict().values()])


def train(data, recipe=RECIPE, stop=None, **options):
    model = Line()
    list(itertools.islice(fit(model, data, recipe, **options), stop))
    return model


def test_slow_steps_are_saved_before_their_number_asks_for_it(data, tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["genmech_fem.training.fit"], "LONGEST_UNSAVED", 0.0)
    path = tmp_path / "checkpoint"
    for progress in fit(Line(), data, replace(RECIPE, save_every=1000), checkpoint=path):
        assert load_weights(path)[0]["step"] == progress.step


@pytest.mark.parametrize("stops", [(1,), (5,), (7, 2), (12,)])
def test_resumed_equals_uninterrupted_bit_for_bit(data, tmp_path, stops):
    expected = weights(train(data, augment=jitter))
    for stop in (*stops, None):
        model = train(data, stop=stop, augment=jitter, checkpoint=tmp_path / "run.safetensors")
    assert torch.equal(weights(model), expected)


def test_a_kill_loses_only_the_steps_since_the_last_save(data, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train(data, augment=interrupt_at(8), checkpoint=tmp_path / "run")
    assert load_weights(tmp_path / "run")[0]["step"] == 5
    resumed = train(data, augment=jitter, checkpoint=tmp_path / "run")
    assert torch.equal(weights(resumed), weights(train(data, augment=jitter)))


def test_a_finished_run_returns_its_weights_at_once(data, tmp_path):
    first = train(data, checkpoint=tmp_path / "run")
    again = Line()
    assert list(fit(again, data, RECIPE, checkpoint=tmp_path / "run")) == []
    assert torch.equal(weights(again), weights(first))


def test_least_squares_is_found_and_progress_is_told(data):
    model = Line(noise=0.0)
    seen = list(fit(model, data, Recipe(steps=400, batch_size=10, learning_rate=0.1, weight_decay=0.0)))
    torch.testing.assert_close(model(data["x"]), data["y"], atol=1e-3, rtol=0)
    assert [p.step for p in seen] == list(range(1, 401))
    assert seen[-1].losses["model"] < 1e-6 < seen[0].losses["model"]
    assert not model.training


def test_another_seed_gives_other_weights_and_the_average_is_used(data):
    assert not torch.equal(weights(train(data)), weights(train(data, replace(RECIPE, seed=4))))
    assert not torch.equal(weights(train(data)), weights(train(data, replace(RECIPE, average=0.0))))


@pytest.mark.parametrize("change", ["recipe", "data", "model", "augmentation"])
def test_a_checkpoint_of_another_run_is_refused(data, tmp_path, change):
    train(data, stop=3, checkpoint=tmp_path / "run")
    other = {**data, "y": 2 * data["y"]} if change == "data" else data
    recipe = replace(RECIPE, batch_size=5) if change == "recipe" else RECIPE
    model = Line(noise=0.2) if change == "model" else Line()
    augment = jitter if change == "augmentation" else None
    with pytest.raises(ContractError, match=f"got another {change}: repeat the arguments"):
        next(fit(model, other, recipe, augment=augment, checkpoint=tmp_path / "run"))


def test_divergence_names_the_remedy_and_keeps_the_checkpoint(data, tmp_path):
    calls = itertools.count()

    def spoil(batch, generator):
        return {**batch, "y": batch["y"] * (float("nan") if next(calls) == 7 else 1.0)}

    model = Line()
    with pytest.raises(ConvergenceError, match=r"step 8, model: loss nan .*lower the learning rate"):
        list(fit(model, data, RECIPE, augment=spoil, checkpoint=tmp_path / "run"))
    assert load_weights(tmp_path / "run")[0]["step"] == 5
    assert weights(model).isfinite().all()


def test_data_are_checked(data):
    for bad, text in [
        ({}, "named tensors of one length"),
        ({**data, "y": data["y"][:5]}, "one length, got"),
        ({n: t[:3] for n, t in data.items()}, "batch of 4 samples, got 3"),
        ({**data, "y": data["y"] / 0}, "'y' holds NaN or infinity"),
    ]:
        with pytest.raises(ValueError, match=text):
            next(fit(Line(), bad, RECIPE))


def test_recipes_are_checked():
    for budget in ({}, {"steps": 0}, {"steps": 5, "seconds": 1.0}, {"epochs": float("inf")}):
        with pytest.raises(ValueError, match="expected one budget out of steps, epochs and seconds, above 0, got"):
            Recipe(**budget)
    for bad in ({"batch_size": 0}, {"batch_size": 4, "parts": 3}):
        with pytest.raises(ValueError, match="parts to divide batch_size"):
            Recipe(steps=1, **bad)
    with pytest.raises(ValueError, match="clip > 0"):
        Recipe(steps=1, clip=0.0)
    for bad in ({"learning_rate": float("nan")}, {"weight_decay": -1.0}, {"average": 1.0}):
        with pytest.raises(ValueError, match="learning_rate > 0"):
            Recipe(steps=1, **bad)


def test_the_rate_warms_up_and_ends_at_zero():
    rates = [Recipe(steps=100, learning_rate=1.0).rate(s / 100) for s in range(100)]
    assert rates[0] < 0.25
    assert max(rates) == pytest.approx(1.0, abs=0.01)
    assert rates[-1] < 1e-3


def test_epochs_and_seconds_are_budgets_too(data):
    assert [p.step for p in fit(Line(), data, Recipe(epochs=3, batch_size=5))] == list(range(1, 7))
    seen = list(fit(Line(), data, Recipe(seconds=0.3, batch_size=5)))
    assert seen[-1].fraction == 1.0
    assert seen[-2].seconds < 0.3 <= seen[-1].seconds
    middle = seen[len(seen) // 2]
    assert middle.seconds + middle.seconds_left == pytest.approx(0.3)
    assert middle.step < middle.steps


def test_a_resumed_run_knows_the_seconds_it_has_used(data, tmp_path):
    recipe = Recipe(seconds=0.2, batch_size=5)
    first = list(itertools.islice(fit(Line(), data, recipe, checkpoint=tmp_path / "run"), 20))
    second = list(fit(Line(), data, recipe, checkpoint=tmp_path / "run"))
    assert second[0].step == 21
    assert second[0].seconds > first[-1].seconds


def test_the_log_holds_every_step_once(data, tmp_path):
    files = {"checkpoint": tmp_path / "run", "log": tmp_path / "log" / "run.jsonl"}
    with pytest.raises(KeyboardInterrupt):
        train(data, augment=interrupt_at(8), **files)
    assert [line["step"] for line in read_log(files["log"])] == list(range(1, 9))
    with files["log"].open("a") as file:
        file.write('{"step": 9, "sec')  # a line cut off by a kill
    seen = list(fit(Line(), data, RECIPE, augment=jitter, **files))
    lines = read_log(files["log"])
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert lines[-1]["losses"] == dict(seen[-1].losses)
    assert set(lines[0]) == {"step", "seconds", "rate", "losses"}


def test_parts_have_random_numbers_of_their_own_and_average_their_gradients(data):
    whole = {**data, "x": data["x"].repeat(2, 1), "y": data["y"].repeat(2, 1)}
    plain, parted = (replace(RECIPE, batch_size=20, parts=parts) for parts in (1, 4))
    first, second = Line(noise=0.0), Line(noise=0.0)
    list(fit(first, whole, plain))
    list(fit(second, whole, parted))
    torch.testing.assert_close(weights(first), weights(second))
    assert not torch.equal(weights(train(data)), weights(train(data, replace(RECIPE, parts=2))))


def test_players_take_as_many_steps_as_they_are_listed(data):
    class Game(Line):
        players = ("critic", "critic", "actor")
        betas = (0.0, 0.9)
        taken: ClassVar[list[str]] = []

        def parameters_of(self, player):
            return [self.layer.weight] if player == "critic" else [self.layer.bias]

        def loss(self, batch, player, *, generator):
            self.taken.append(player)
            return super().loss(batch, player, generator=generator)

    list(fit(Game(), data, replace(RECIPE, steps=2)))
    assert Game.taken == ["critic", "critic", "actor"] * 2


def test_more_samples_than_there_are_is_an_error_that_says_what_to_do(data):
    with pytest.raises(ValueError, match=r"batch of 16 samples, got 10: add samples, or lower Recipe.batch_size"):
        next(fit(Line(), data, Recipe(steps=1)))
