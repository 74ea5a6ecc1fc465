"""Encoder-decoder transformer: exact mappings of sequences are learned, and attention shows them."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.quantization import Tokenizer
from genmech_fem.generative.sequence_transformer import SequenceTransformer
from genmech_fem.training import Recipe, fit


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def train(model, data, steps, rate=3e-3):
    torch.set_num_threads(1)
    for _ in fit(model, data, Recipe(steps=steps, batch_size=64, learning_rate=rate)):
        pass
    return model


@pytest.fixture(scope="module")
def reverser():
    """Six tokens out of five, one-hot, to be written backwards."""
    tokens = torch.randint(5, (4096, 6), generator=seeded())
    torch.manual_seed(0)
    model = SequenceTransformer(5, (5, 6), width=32, depth=1, heads=1)
    return train(model, {"x": tokens.flip(1), "condition": F.one_hot(tokens, 5).float()}, 500, 5e-3)


def test_unseen_sequences_are_reversed(reverser):
    tokens = torch.randint(5, (200, 6), generator=seeded(1))
    source = F.one_hot(tokens, 5).float()
    found = reverser.sample(200, condition=source, generator=seeded(), temperature=0.0)
    assert (found == tokens.flip(1)).float().mean() > 0.99
    assert reverser.log_likelihood(tokens.flip(1), condition=source).mean() > -0.2
    one = reverser.sample(3, condition=source[0], generator=seeded(), temperature=0.0)
    assert torch.equal(one, found[:1].expand(3, -1))


def test_the_attention_of_a_reversal_is_antidiagonal(reverser):
    tokens = torch.randint(5, (200, 6), generator=seeded(2))
    (weights,) = reverser.attention_maps(tokens.flip(1), condition=F.one_hot(tokens, 5).float())
    mean = weights.mean(dim=(0, 1))
    assert mean.argmax(1).tolist() == [5, 4, 3, 2, 1, 0]
    assert mean.flip(1).diagonal().mean() > 0.6


def test_a_load_path_tells_where_a_perfectly_plastic_bar_yields():
    """Stress of the bar: the strain increments, stopped at plus and minus the yield stress: it needs the whole path."""

    def plateaus(increments):
        stress, tokens = torch.zeros(len(increments)), []
        for step in increments[:, :, 0].T:
            stress = (stress + step).clamp(-1, 1)
            tokens.append((stress >= 1).long() - (stress <= -1).long() + 1)
        return torch.stack(tokens, 1)

    increments = torch.randint(-2, 3, (6000, 5, 1), generator=seeded()) * 0.5
    torch.manual_seed(0)
    model = SequenceTransformer(1, (3, 5), width=32, depth=1, heads=2)
    train(model, {"x": plateaus(increments), "condition": increments}, 400, 5e-3)
    unseen = torch.randint(-2, 3, (300, 5, 1), generator=seeded(1)) * 0.5
    found = model.sample(300, condition=unseen, generator=seeded(), temperature=0.0)
    assert (found == plateaus(unseen)).float().mean() > 0.97


def test_a_field_is_translated_to_another_by_way_of_tokens():
    tokenizer = Tokenizer((1, 2, 3), (3,), network=Architecture((8,), patch=1))
    tokenizer.encoder, tokenizer.decoder = nn.Identity(), nn.Identity()  # tokens are the values -1, 0, 1, plus one
    tokenizer.data_scale.set(torch.zeros(1), torch.ones(1))
    x = torch.randint(-1, 2, (3000, 1, 2, 3), generator=seeded()).float()
    torch.manual_seed(0)
    model = SequenceTransformer(1, tokenizer, width=32, depth=1, heads=2)
    train(model, {"x": -x.roll(1, 3), "condition": tokenizer.sequence(x)}, 250, 1e-2)
    found = model.sample(100, condition=tokenizer.sequence(x[:100]), generator=seeded(), temperature=0.0)
    assert (found == -x[:100].roll(1, 3)).float().mean() > 0.99


def test_it_is_rebuilt_from_its_configuration(reverser):
    again = SequenceTransformer(**reverser.config())
    again.load_state_dict(reverser.state_dict())
    source = torch.randn(5, 6, 5, generator=seeded())
    assert torch.equal(
        again.sample(5, condition=source, generator=seeded(1)),
        reverser.sample(5, condition=source, generator=seeded(1)),
    )
    tokenizer = Tokenizer((1, 8, 8), (3, 3), network=Architecture((8,)))
    tokenizer.prepare({"x": torch.randn(2, 1, 8, 8)})
    model = SequenceTransformer(2, tokenizer, width=16, depth=1, heads=2)
    model.prepare({"x": torch.randn(4, 1, 8, 8), "condition": torch.randn(4, 3, 2, generator=seeded())})
    again = SequenceTransformer(**model.config())
    again.load_state_dict(model.state_dict())
    samples = model.sample(2, condition=torch.ones(3, 2), generator=seeded())
    assert samples.shape == (2, 1, 8, 8)
    assert torch.equal(again.sample(2, condition=torch.ones(3, 2), generator=seeded()), samples)


def test_errors_name_what_is_expected(reverser):
    with pytest.raises(ValueError, match=r"shape \(2, length, 5\), got None"):
        reverser.sample(2, generator=seeded())
    with pytest.raises(ValueError, match=r"shape \(2, length, 5\), got \(2, 6, 4\)"):
        reverser.sample(2, condition=torch.zeros(2, 6, 4), generator=seeded())
    with pytest.raises(ValueError, match=r"tokens 0 to 4 of shape \(n, 6\)"):
        reverser.log_likelihood(torch.full((1, 6), 5), condition=torch.zeros(1, 6, 5))
