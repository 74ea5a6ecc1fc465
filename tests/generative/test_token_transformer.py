"""Causal transformer: a Markov chain is learned, probabilities add up to one, and nothing looks ahead."""

import itertools
import math

import pytest
import torch
from torch import nn

from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.quantization import Tokenizer
from genmech_fem.generative.token_transformer import TokenTransformer
from genmech_fem.generative.tokens import draw_tokens
from genmech_fem.training import Recipe, fit

LENGTH = 6
CHAIN = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.4, 0.5, 0.1]])
FIRST = torch.tensor([0.6, 0.3, 0.1])


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def plain_tokenizer():
    """A tokenizer whose tokens are the values -1, 0, 1 of a field themselves, plus one."""
    tokenizer = Tokenizer((1, 1, LENGTH), (3,), network=Architecture((8,), patch=1))
    tokenizer.encoder = nn.Identity()
    tokenizer.decoder = nn.Identity()
    tokenizer.data_scale.set(torch.zeros(1), torch.ones(1))
    return tokenizer


def fields(tokens):
    return (tokens - 1.0)[:, None, None]


def markov(n, chain=CHAIN, seed=0):
    return draw_tokens(
        lambda tokens: (chain[tokens[:, -1]] if tokens.shape[1] else FIRST.expand(n, 3)).log()[:, None],
        n,
        LENGTH,
        generator=seeded(seed),
    )


def train(model, data, steps=150):
    torch.set_num_threads(1)
    for _ in fit(model, data, Recipe(steps=steps, batch_size=128, learning_rate=1e-2)):
        pass
    return model


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(0)
    model = TokenTransformer(plain_tokenizer(), width=24, depth=2, heads=4)
    return train(model, {"x": fields(markov(4096))})


def test_the_transitions_of_a_markov_chain_are_learned(trained):
    tokens = markov(200, seed=1)
    with torch.no_grad():
        learned = trained.logits(tokens[:, :-1]).softmax(2)
    torch.testing.assert_close(learned[0, 0], FIRST, atol=0.05, rtol=0)
    assert (learned[:, 1:] - CHAIN[tokens[:, :-1]]).abs().mean() < 0.025


def test_samples_follow_the_chain(trained):
    tokens = trained.tokenizer.tokens(trained.sample(2000, generator=seeded(2))).flatten(1)
    for state in range(3):
        after = tokens[:, 1:][tokens[:, :-1] == state]
        torch.testing.assert_close(after.bincount(minlength=3) / len(after), CHAIN[state], atol=0.06, rtol=0)


def test_probabilities_of_all_sequences_add_up_to_one(trained):
    every = torch.tensor(list(itertools.product(range(3), repeat=LENGTH)))
    with torch.no_grad():
        learned = trained.log_likelihood(fields(every)).double()
    assert learned.exp().sum().item() == pytest.approx(1, abs=1e-4)
    exact = (FIRST[every[:, 0]].log() + CHAIN[every[:, :-1], every[:, 1:]].log().sum(1)).double()
    divergence = (exact.exp() * (exact - learned)).sum()
    assert 0 <= divergence < 0.02


def test_a_later_token_does_not_change_earlier_logits(trained):
    tokens = markov(4, seed=3)
    with torch.no_grad():
        before = trained.logits(tokens)
        for place in range(LENGTH):
            changed = tokens.clone()
            changed[:, place] = (changed[:, place] + 1) % 3
            after = trained.logits(changed)
            assert torch.equal(after[:, : place + 1], before[:, : place + 1])


def test_attention_maps_are_causal(trained):
    maps = trained.attention_maps(fields(markov(2)))
    assert [tuple(m.shape) for m in maps] == [(2, 4, LENGTH, LENGTH)] * 2
    assert all(m.triu(1).abs().max() == 0 for m in maps)


def test_at_temperature_zero_the_most_probable_token_follows(trained):
    tokens = trained.tokenizer.tokens(trained.sample(2, generator=seeded(), temperature=0.0)).flatten(1)
    assert tokens.tolist() == [[0] * LENGTH] * 2


@pytest.mark.parametrize("kind", ["class", "scalars"])
def test_samples_follow_the_condition(kind):
    share = torch.tensor([0.1, 0.9])
    label = torch.arange(2048) % 2
    ones = torch.rand(2048, LENGTH, generator=seeded()) < share[label][:, None]
    condition = label if kind == "class" else 7.0 * label[:, None] - 3.0
    torch.manual_seed(0)
    model = TokenTransformer(plain_tokenizer(), (kind, 2 if kind == "class" else 1), width=16, depth=1, heads=2)
    train(model, {"x": fields(2 * ones.long()), "condition": condition}, steps=100)
    for index in range(2):
        samples = model.sample(300, condition=condition[index : index + 1], generator=seeded(1))
        assert (samples > 0).float().mean().item() == pytest.approx(share[index].item(), abs=0.06)
    likelihood = model.log_likelihood(fields(torch.full((1, LENGTH), 2)), condition=condition[1:2])
    assert likelihood.item() == pytest.approx(LENGTH * math.log(0.9), abs=0.3)


def test_training_leaves_the_tokenizer_and_a_configuration_rebuilds_both():
    torch.manual_seed(0)
    x = torch.randn(16, 1, 8, 8, 8, generator=seeded())
    tokenizer = Tokenizer((1, 8, 8, 8), (4, 3), network=Architecture((8, 8)), bounds=(-2, 2))
    tokenizer.prepare({"x": x})
    before = {name: tensor.clone() for name, tensor in tokenizer.state_dict().items()}
    model = TokenTransformer(tokenizer, width=24, depth=1, heads=2)
    for _ in fit(model, {"x": x}, Recipe(steps=3, batch_size=8)):
        pass
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.tokenizer.state_dict().items())
    again = TokenTransformer(**model.config())
    again.load_state_dict(model.state_dict())
    samples = model.sample(2, generator=seeded(1))
    assert samples.shape == (2, 1, 8, 8, 8)
    assert torch.equal(again.sample(2, generator=seeded(1)), samples)


def test_errors_name_what_is_expected(trained):
    model = TokenTransformer(Tokenizer((1, 8, 8), (3,), network=Architecture((8,))), width=16, depth=1)
    with pytest.raises(ValueError, match="expected a trained tokenizer"):
        model.prepare({"x": torch.zeros(2, 1, 8, 8)})
    with pytest.raises(ValueError, match="temperature: expected a number >= 0, got -1"):
        trained.sample(1, generator=seeded(), temperature=-1)
