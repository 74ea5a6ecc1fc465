"""Finite scalar quantisation: counted codes, gradients straight through, tokens that move with the field."""

import pytest
import torch

from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.quantization import FiniteScalarQuantizer, Tokenizer
from genmech_fem.training import Recipe, fit

LEVELS = (8, 5, 4)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_tokens_and_codes_are_one_to_one():
    quantizer = FiniteScalarQuantizer(LEVELS)
    tokens = torch.arange(8 * 5 * 4)
    codes = quantizer.codes(tokens)
    assert len(codes.unique(dim=0)) == len(tokens)
    assert codes.abs().max() == 1
    assert torch.equal(quantizer.tokens(codes), tokens)


def test_wide_numbers_reach_every_token_and_no_other():
    quantizer = FiniteScalarQuantizer(LEVELS)
    tokens = quantizer.tokens(quantizer(2 * torch.randn(200_000, 3, generator=seeded())))
    assert torch.equal(tokens.unique(), torch.arange(quantizer.count))


def test_codes_are_the_nearest_levels_and_gradients_go_straight_through():
    quantizer = FiniteScalarQuantizer((5,))
    z = torch.linspace(-3, 3, 101)[:, None].requires_grad_()
    codes = quantizer(z)
    bounded = z.tanh() * 2 * 1.001 / 2
    assert (codes - bounded).abs().max() <= 0.25 + 1e-3
    assert set((2 * codes).detach().flatten().tolist()) == {-2.0, -1.0, 0.0, 1.0, 2.0}
    (gradient,) = torch.autograd.grad(codes.sum(), z)
    torch.testing.assert_close(gradient, 1.001 * (1 - z.detach().tanh() ** 2), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shape", [(1, 16, 16), (2, 8, 8, 8)])
def test_tokens_move_with_a_periodic_field(shape):
    torch.manual_seed(0)
    x = torch.randn(3, *shape, generator=seeded())
    axes = tuple(range(2, 1 + len(shape)))
    for padding_mode in ("circular", "zeros"):
        model = Tokenizer(shape, LEVELS, network=Architecture((8, 16), padding_mode=padding_mode))
        model.prepare({"x": x})
        with torch.no_grad():
            model.encoder.head[1].weight *= 10  # an untrained encoder barely leaves its middle level
            tokens = model.tokens(x)
            shifted = model.tokens(x.roll((4,) * len(axes), axes))
        assert tokens.shape == (3, *(points // 4 for points in shape[1:]))
        assert len(tokens.unique()) > 5
        same = torch.equal(shifted, tokens.roll((1,) * len(axes), tuple(axis - 1 for axis in axes)))
        assert same == (padding_mode == "circular")


def test_a_trained_tokenizer_keeps_random_mosaics():
    torch.set_num_threads(1)
    x = torch.rand(256, 1, 4, 4, generator=seeded()).round().repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.manual_seed(0)
    model = Tokenizer((1, 8, 8), (3, 3), network=Architecture((16,), patch=2), bounds=(0, 1))
    for _ in fit(model, {"x": x}, Recipe(steps=150, batch_size=64, learning_rate=1e-2)):
        pass
    with torch.no_grad():
        assert (model.reconstruct(x).round() == x).float().mean() > 0.999
        assert torch.equal(model.reconstruct(x), model.decode_tokens(model.tokens(x)))
        assert model.sequence(x).shape == (256, 16, 2)


def test_it_is_rebuilt_from_its_configuration():
    model = Tokenizer((1, 8, 8, 8), (3, 3), network=Architecture((8, 8)))
    x = torch.randn(2, 1, 8, 8, 8, generator=seeded())
    model.prepare({"x": x})
    again = Tokenizer(**model.config())
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.tokens(x), model.tokens(x))
    assert model.reconstruct(x).shape == x.shape


def test_errors_name_what_is_expected():
    with pytest.raises(ValueError, match=r"each >= 2, got \(8, 1\)"):
        FiniteScalarQuantizer((8, 1))
    model = Tokenizer((1, 8, 8), (3, 3), network=Architecture((8,)))
    with pytest.raises(ValueError, match=r"tokens of shape \(n, 4, 4\), got \(1, 16\)"):
        model.decode_tokens(torch.zeros(1, 16, dtype=torch.long))
