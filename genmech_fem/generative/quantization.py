"""Fields as a few whole numbers: finite scalar quantisation.

Mentzer, Minnen, Agustsson, Tschannen (2023), doi:10.48550/arXiv.2309.15505. Gradients go straight through the rounding:
Bengio, Leonard, Courville (2013), doi:10.48550/arXiv.1308.3432.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.model import check_samples
from genmech_fem.nn import convolution_class
from genmech_fem.training import Batch, Normalizer, Trainable


class FiniteScalarQuantizer(nn.Module):
    r"""Round each of d bounded numbers to one of its few levels; a code is one of :math:`\prod_i L_i` tokens.

    Args:
        levels: Number of levels of each entry, at least 2.

    Raises:
        ValueError: There are no levels, or fewer than 2.
    """

    levels: Tensor
    basis: Tensor

    def __init__(self, levels: Sequence[int]) -> None:
        super().__init__()
        if not levels or min(levels) < 2:
            raise ValueError(f"levels: expected at least one number, each >= 2, got {tuple(levels)}")
        self.count = math.prod(levels)
        steps = [math.prod(levels[:i]) for i in range(len(levels))]
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        self.register_buffer("basis", torch.tensor(steps), persistent=False)

    def forward(self, z: Tensor) -> Tensor:
        """Codes in [-1, 1] of numbers z (..., d); their gradient is that of the bounding alone."""
        half = (self.levels - 1) * (1 + 1e-3) / 2
        offset = 0.5 * (self.levels % 2 == 0)
        bounded = (z + (offset / half).atanh()).tanh() * half - offset
        return (bounded + (bounded.round() - bounded).detach()) / (self.levels // 2)

    def tokens(self, codes: Tensor) -> Tensor:
        """Numbers (...), 0 to `count` - 1, of codes (..., d)."""
        half = self.levels // 2
        return ((codes * half).round().long() + half) @ self.basis

    def codes(self, tokens: Tensor) -> Tensor:
        """Codes (..., d) of tokens (...)."""
        half = self.levels // 2
        return (tokens[..., None] // self.basis % self.levels - half) / half


class Tokenizer(Trainable):
    """Fully convolutional autoencoder with a coarse grid of tokens in the middle.

    With circular padding tokens move with the field when that is shifted by a whole number of coarse cells.
    Batches hold ``"x"`` (batch, channels, *grid) in physical units; the loss is the mean square error.

    Args:
        shape: Shape (channels, *grid) of one sample.
        levels: Levels of each entry of a code.
        network: Sizes of encoder and decoder; each token stands for patch 2^(levels of the network - 1) points a side.
        bounds: Range of the data [unit of x], to which decoded fields are clipped.
    """

    def __init__(
        self,
        shape: Sequence[int],
        levels: Sequence[int] = (8, 5, 5, 5),
        *,
        network: Architecture | Mapping[str, Any] = Architecture(),  # noqa: B008 - frozen
        bounds: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.shape, self.levels = tuple(shape), tuple(levels)
        self.bounds = None if bounds is None else tuple(bounds)
        self.sizes = Architecture.of(network)
        self.data_scale = Normalizer(self.shape[0])
        self.quantizer = FiniteScalarQuantizer(levels)
        self.encoder = self.sizes.encoder(self.shape, 1)
        self.decoder = self.sizes.decoder(1, self.shape)
        width, *coarse = self.decoder.coarse
        self.coarse = tuple(coarse)
        conv = convolution_class(len(coarse))
        # point by point instead of linear layers over the whole grid
        head = nn.Sequential(nn.Unflatten(1, (width, *coarse)), conv(width, len(levels), 1))
        self.encoder.add_module("head", head)
        self.decoder.add_module("stem", conv(len(levels), width, 1))

    @property
    def count(self) -> int:
        """Number of different tokens."""
        return self.quantizer.count

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data."""
        return {
            "shape": list(self.shape),
            "levels": list(self.levels),
            "network": self.sizes.config(),
            "bounds": None if self.bounds is None else list(self.bounds),
        }

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation, unless it is known from an earlier training."""
        if not self.data_scale.fitted:
            check_samples(data["x"], self.shape, "Tokenizer")
            self.data_scale.fit(data["x"])

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """Mean square error of the reconstruction of normalised fields."""
        x = self.data_scale.normalize(batch["x"])
        return (self.decoder(self._codes(x).movedim(-1, 1)) - x).square().mean()

    def tokens(self, x: Tensor) -> Tensor:
        """Tokens (batch, *coarse grid) of samples x (batch, channels, *grid)."""
        check_samples(x, self.shape, "Tokenizer")
        return self.quantizer.tokens(self._codes(self.data_scale.normalize(x)))

    def decode_tokens(self, tokens: Tensor) -> Tensor:
        """Samples (batch, channels, *grid) of tokens (batch, *coarse grid)."""
        if tokens.shape[1:] != self.coarse:
            expected = ", ".join(map(str, self.coarse))
            raise ValueError(f"Tokenizer: expected tokens of shape (n, {expected}), got {tuple(tokens.shape)}")
        values = self.data_scale.denormalize(self.decoder(self.quantizer.codes(tokens).movedim(-1, 1)))
        return values if self.bounds is None else values.clamp(*self.bounds)

    def reconstruct(self, x: Tensor) -> Tensor:
        """Samples (batch, channels, *grid) after the way through the tokens."""
        return self.decode_tokens(self.tokens(x))

    def sequence(self, x: Tensor) -> Tensor:
        """Codes (batch, tokens, entries) of samples, as the source of a `SequenceTransformer` takes them."""
        return self.quantizer.codes(self.tokens(x).flatten(1))

    def frozen(self) -> "Tokenizer":
        """The tokenizer itself, kept from further training, for models over its tokens."""
        return self.requires_grad_(False)

    def check_trained(self, model: str) -> None:
        """Raise a ValueError, in the name of the model over its tokens, unless the tokenizer is trained."""
        if not self.data_scale.fitted:
            raise ValueError(f"{model}: expected a trained tokenizer, got one without normalisation: fit it first")

    @classmethod
    def of(cls, config: "Tokenizer | Mapping[str, Any]") -> "Tokenizer":
        """The tokenizer itself, or an untrained one of its JSON data."""
        return config if isinstance(config, Tokenizer) else cls(**config)

    def _codes(self, normalized: Tensor) -> Tensor:
        return self.quantizer(self.encoder(normalized).movedim(1, -1))
