"""Encoder-decoder transformer: from a sequence of numbers to tokens.

Vaswani et al., Attention is all you need (2017), doi:10.48550/arXiv.1706.03762.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genmech_fem.generative.model import GenerativeModel
from genmech_fem.generative.quantization import Tokenizer
from genmech_fem.generative.tokens import Logits, draw_tokens, token_log_probabilities, tokens_of
from genmech_fem.nn.attention import Transformer, sinusoidal_positions
from genmech_fem.training import Batch, Normalizer


class SequenceTransformer(GenerativeModel):
    """Tokens of a field, or of any sequence, given a sequence of vectors such as a load path or properties.

    The decoder attends to the encoded source. Batches hold ``"condition"``, the source (batch, length, features) in
    physical units, and ``"x"``: fields (batch, channels, *grid) if `target` is a tokenizer, else whole numbers
    (batch, length of the target). Fields become a source by ``Tokenizer.sequence``.

    Args:
        features: Length of the vectors of the source.
        target: A trained tokenizer, which stays as it is, or the JSON data of one; or the number of different tokens
            and the length of the target.
        width: Length of the vectors inside, a multiple of twice the number of axes of the target.
        depth: Number of blocks of the encoder, and of the decoder.
        heads: Number of heads, a divisor of `width`.
    """

    positions: Tensor

    def __init__(
        self,
        features: int,
        target: Tokenizer | Mapping[str, Any] | Sequence[int],
        *,
        width: int = 96,
        depth: int = 2,
        heads: int = 4,
    ) -> None:
        super().__init__()
        self.tokenizer: Tokenizer | None = None
        if isinstance(target, Tokenizer | Mapping):
            self.tokenizer = Tokenizer.of(target).frozen()
            self.count, self.grid = self.tokenizer.count, self.tokenizer.coarse
        else:
            self.count, length = target
            self.grid = (length,)
        self.features, self.width, self.depth, self.heads = features, width, depth, heads
        self.source_scale = Normalizer(features)
        self.source = nn.Linear(features, width)
        self.encoder = Transformer(width, depth, heads=heads)
        self.start = nn.Parameter(torch.zeros(width))
        self.embedding = nn.Embedding(self.count, width)
        self.register_buffer("positions", sinusoidal_positions(self.grid, width), persistent=False)
        self.decoder = Transformer(width, depth, heads=heads, causal=True, cross=True)
        self.head = nn.Linear(width, self.count)

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data."""
        return {
            "features": self.features,
            "target": [self.count, *self.grid] if self.tokenizer is None else self.tokenizer.config(),
            "width": self.width,
            "depth": self.depth,
            "heads": self.heads,
        }

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation of the source.

        Raises:
            ValueError: The tokenizer is untrained, or source or target do not fit.
        """
        if self.tokenizer is not None:
            self.tokenizer.check_trained("SequenceTransformer")
        self._tokens(data["x"][:1])
        self._check(data["condition"], len(data["x"]))
        if not self.source_scale.fitted:
            self.source_scale.fit(data["condition"].movedim(2, 1))

    def parameters_of(self, player: str) -> list[nn.Parameter]:  # noqa: ARG002
        """All but those of the tokenizer."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """Mean cross-entropy of a token [nat]."""
        return -self._log_probabilities(batch["x"], batch["condition"]).mean()

    def log_likelihood(self, x: Tensor, *, condition: Tensor) -> Tensor:
        """Log-probability (batch,) [nat] of targets x, given sources (batch, length, features)."""
        self._check(condition, x.shape[0])
        return self._log_probabilities(x, condition).sum(1)

    @torch.no_grad()
    def sample(
        self, n: int, *, condition: Tensor | None = None, generator: torch.Generator, temperature: float = 1.0
    ) -> Tensor:
        """Draw n targets: fields (n, channels, *grid), or tokens (n, length).

        Args:
            n: Number of samples.
            condition: The source of each (n, length, features), or one for all (length, features).
            generator: Source of random numbers, on the device of the model.
            temperature: What logits are divided by; 0 takes the most probable token each time.
        """
        if condition is not None and condition.ndim == 2:
            condition = condition.expand(n, -1, -1)
        logits, length = self._given(self._check(condition, n)), len(self.positions)
        return self._target(draw_tokens(logits, n, length, generator=generator, temperature=temperature))

    def decode(self, uniform: Tensor, *, condition: Tensor) -> Tensor:
        """Targets of numbers (batch, tokens), uniform in [0, 1), each of which draws a token, as `sample` does."""
        return self._target(tokens_of(self._given(self._check(condition, uniform.shape[0])), uniform))

    def logits(self, tokens: Tensor, *, condition: Tensor) -> Tensor:
        """Logits (batch, length + 1, tokens) of each token, given those before it (batch, length) and the source."""
        return self._given(self._check(condition, tokens.shape[0]))(tokens)

    @torch.no_grad()
    def attention_maps(self, x: Tensor, *, condition: Tensor) -> list[Tensor]:
        """What each token of x looks at in the source: weights (batch, heads, tokens, source length) of each block."""
        context = self._encode(self._check(condition, x.shape[0]))
        embedded = self._embed(self._tokens(x)[:, :-1])
        return [maps[1] for maps in self.decoder.attention_maps(embedded, context)]

    def _given(self, source: Tensor) -> Logits:
        """Logits of tokens, for a source that is encoded once."""
        context = self._encode(source)
        return lambda tokens: self.head(self.decoder(self._embed(tokens), context))

    def _target(self, tokens: Tensor) -> Tensor:
        if self.tokenizer is None:
            return tokens
        return self.tokenizer.decode_tokens(tokens.reshape(-1, *self.grid))

    def _encode(self, source: Tensor) -> Tensor:
        normalized = self.source_scale.normalize(source.movedim(2, 1)).movedim(1, 2)
        return self.encoder(self.source(normalized) + sinusoidal_positions((source.shape[1],), self.width).to(source))

    def _embed(self, tokens: Tensor) -> Tensor:
        start = self.start.expand(tokens.shape[0], 1, -1)
        embedded = torch.cat([start, self.embedding(tokens)], dim=1)
        return embedded + self.positions[: embedded.shape[1]]

    def _log_probabilities(self, x: Tensor, source: Tensor) -> Tensor:
        tokens = self._tokens(x)
        return token_log_probabilities(self._given(source)(tokens[:, :-1]), tokens)

    @torch.no_grad()
    def _tokens(self, x: Tensor) -> Tensor:
        if self.tokenizer is not None:
            return self.tokenizer.tokens(x).flatten(1)
        if x.shape[1:] != self.grid or x.is_floating_point() or not ((x >= 0) & (x < self.count)).all():
            raise ValueError(
                f"SequenceTransformer: expected tokens 0 to {self.count - 1} of shape (n, {self.grid[0]}), "
                f"got {tuple(x.shape)} of {x.dtype} from {x.min()} to {x.max()}"
            )
        return x

    def _check(self, source: Tensor | None, n: int) -> Tensor:
        got = None if source is None else tuple(source.shape)
        if source is None or source.ndim != 3 or source.shape[0] != n or source.shape[2] != self.features:
            raise ValueError(
                f"SequenceTransformer: expected a source as condition of shape ({n}, length, {self.features}), "
                f"got {got}"
            )
        return source
