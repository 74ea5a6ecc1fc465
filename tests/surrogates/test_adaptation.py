"""Ensembles, what of a network may change, and learning curves."""

import math

import pytest
import torch
from torch import nn

from genmech_fem.surrogates import (
    Ensemble,
    GridSurrogate,
    Perceptron,
    labels_needed,
    learning_curve,
    low_rank,
    merge,
    only,
)
from genmech_fem.training import Recipe, fit, load_model, save_model

DATA = {"x": torch.randn(32, 1, 8, 8, generator=torch.Generator().manual_seed(0))}
DATA["y"] = 3 * DATA["x"].roll(1, 2)


@pytest.fixture
def model():
    torch.manual_seed(0)
    made = GridSurrogate(1, (1, 8, 8), settings={"channels": (8, 16)})
    made.prepare(DATA)
    nn.init.normal_(made.network.head.weight, std=0.1)
    return made


def weights(model):
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def test_low_rank_updates_begin_at_nothing_and_change_nothing_else(model, tmp_path):
    before, names = model(DATA["x"]), weights(model)
    trained = low_rank(model, rank=2)
    assert trained < 0.5 * sum(parameter.numel() for parameter in names.values())
    torch.testing.assert_close(model(DATA["x"]), before)
    for _ in fit(model, DATA, Recipe(steps=20, batch_size=8, learning_rate=1e-2)):
        pass
    after = model(DATA["x"])
    assert (after - before).abs().max() > 0.01
    merge(model)
    torch.testing.assert_close(model(DATA["x"]), after, atol=1e-5, rtol=1e-4)
    now = weights(model)
    assert set(now) == set(names)
    assert all(parameter.requires_grad for parameter in model.parameters())
    for name, parameter in names.items():
        update = now[name] - parameter
        if update.ndim < 2:
            assert (update == 0).all()
        else:
            values = torch.linalg.svdvals(update.flatten(1))
            assert (values[2:] < 1e-5 + 1e-3 * values[0]).all()
    save_model(model, tmp_path / "model.safetensors")
    torch.testing.assert_close(load_model(tmp_path / "model.safetensors")[0](DATA["x"]), after, atol=1e-5, rtol=1e-4)


def test_only_what_matches_is_trained(model):
    names = weights(model)
    assert only(model, ["network.head*"]) == 8 * 9 + 1
    for _ in fit(model, DATA, Recipe(steps=5, batch_size=8)):
        pass
    changed = {name for name, parameter in weights(model).items() if not torch.equal(parameter, names[name])}
    assert changed == {"network.head.weight", "network.head.bias"}
    with pytest.raises(ValueError, match=r"patterns of parameters such as 'network.head.bias', got \['tail'\]"):
        only(model, ["tail"])


def test_a_rank_or_a_model_without_layers_is_refused(model):
    with pytest.raises(ValueError, match="rank >= 1 and a model with linear layers, got 0"):
        low_rank(model, 0)
    with pytest.raises(ValueError, match="a model with linear layers, got 4, 0"):
        low_rank(nn.Identity())


def test_an_ensemble_is_mean_and_spread():
    members = [nn.Linear(2, 1) for _ in range(3)]
    mean, spread = Ensemble(members)(torch.ones(4, 2))
    found = torch.stack([member(torch.ones(4, 2)) for member in members])
    torch.testing.assert_close(mean, found.mean(0))
    torch.testing.assert_close(spread, found.std(0))
    with pytest.raises(ValueError, match="at least 2 members, which can differ, got 1"):
        Ensemble(members[:1])


def test_more_labels_are_better_and_sets_contain_each_other():
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(200, 2, generator=generator)
    y = torch.stack([(6 * x[:, 0]).sin() * x[:, 1], x.sum(1)], 1)
    data, truth = {"x": x[:150], "y": y[:150]}, y[150:]
    made = []

    def score(network):
        with torch.no_grad():
            return (network(x[150:]) - truth).abs().mean().item()

    def make(seed):
        made.append(seed)
        return Perceptron(2, (2,), hidden=(16,))

    curve = list(
        learning_curve(
            make,
            data,
            (4, 128),
            lambda n, seed: Recipe(steps=400, batch_size=4, learning_rate=1e-2, seed=seed),
            score,
            seeds=(0, 1),
        )
    )
    assert [(point.labels, point.seed) for point in curve] == [(4, 0), (128, 0), (4, 1), (128, 1)]
    assert all(few.score > 1.1 * many.score for few, many in (curve[:2], curve[2:]))
    assert made == [0, 0, 1, 1]
    with pytest.raises(ValueError, match=r"sizes from 1 to the 150 samples, got \[151\]"):
        next(learning_curve(make, data, (151,), lambda n, seed: Recipe(steps=1), score))


def test_labels_needed_lie_between_the_points_of_a_curve():
    curve = {4: 0.4, 64: 0.1, 16: 0.2}
    assert labels_needed(curve, 0.5) == labels_needed(curve, 0.4) == 4
    assert labels_needed(curve, 0.3) == pytest.approx(8)
    assert labels_needed(curve, 0.15) == pytest.approx(32)
    assert labels_needed(curve, 0.1) == pytest.approx(64)
    assert labels_needed(curve, 0.09) == math.inf
    assert labels_needed({4: 0.4, 8: 0.5, 16: 0.2}, 0.45) == 4  # a bump is no fall
    with pytest.raises(ValueError, match="at least one point"):
        labels_needed({}, 0.1)
