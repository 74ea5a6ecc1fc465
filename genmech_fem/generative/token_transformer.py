"""Causal transformer over the tokens of a field.

Esser, Rombach, Ommer, Taming transformers (2021), doi:10.1109/CVPR46437.2021.01268; attention: Vaswani et al. (2017),
doi:10.48550/arXiv.1706.03762.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from genmech_fem.generative.condition import Conditioning
from genmech_fem.generative.model import GenerativeModel
from genmech_fem.generative.quantization import Tokenizer
from genmech_fem.generative.tokens import draw_tokens, token_log_probabilities, tokens_of
from genmech_fem.nn.attention import Transformer, sinusoidal_positions
from genmech_fem.training import Batch


class TokenTransformer(GenerativeModel):
    r"""Autoregressive density :math:`p(t) = \prod_i p(t_i | t_{<i}, c)` of the tokens of a trained tokenizer.

    The condition, or a learned vector, stands before the first token. Batches hold ``"x"`` (batch, channels, *grid)
    and, if conditional, ``"condition"``, in physical units.

    Args:
        tokenizer: A trained tokenizer, which stays as it is, or the JSON data of one.
        condition: Kind and size of the condition, ``("scalars", 6)`` or ``("class", 4)``; None for none.
        width: Length of the vectors, a multiple of twice the number of axes of the grid.
        depth: Number of blocks.
        heads: Number of heads, a divisor of `width`.
    """

    positions: Tensor

    def __init__(
        self,
        tokenizer: Tokenizer | Mapping[str, Any],
        condition: Sequence[object] | None = None,
        *,
        width: int = 96,
        depth: int = 4,
        heads: int = 4,
    ) -> None:
        super().__init__()
        self.tokenizer = Tokenizer.of(tokenizer).frozen()
        self.width, self.depth, self.heads = width, depth, heads
        self.conditioning = Conditioning(condition, "TokenTransformer", ("scalars", "class"))
        self.start = nn.Linear(self.conditioning.features or 1, width)
        self.embedding = nn.Embedding(self.tokenizer.count, width)
        self.register_buffer("positions", sinusoidal_positions(self.tokenizer.coarse, width), persistent=False)
        self.transformer = Transformer(width, depth, heads=heads, causal=True)
        self.head = nn.Linear(width, self.tokenizer.count)

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data."""
        return {
            "tokenizer": self.tokenizer.config(),
            "condition": self.conditioning.config,
            "width": self.width,
            "depth": self.depth,
            "heads": self.heads,
        }

    def prepare(self, data: Batch) -> None:
        """Fit the scale of the condition.

        Raises:
            ValueError: The tokenizer is untrained, or the condition does not fit.
        """
        self.tokenizer.check_trained("TokenTransformer")
        if not self.conditioning.scale.fitted or self.conditioning.kind == "class":
            self.conditioning.fit(data.get("condition"))

    def parameters_of(self, player: str) -> list[nn.Parameter]:  # noqa: ARG002
        """All but those of the tokenizer."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def logits(self, tokens: Tensor, condition: Tensor | None = None) -> Tensor:
        """Logits (batch, length + 1, tokens) of each token, given those before it, and of the next one.

        Args:
            tokens: The first tokens (batch, length) in C order.
            condition: Checked conditions in physical units.
        """
        return self.head(self.transformer(self._embed(tokens, condition)))

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """Mean cross-entropy of a token [nat]."""
        return -self._log_probabilities(batch["x"], batch.get("condition")).mean()

    def log_likelihood(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Log-probability (batch,) [nat] of the tokens of samples x (batch, channels, *grid)."""
        return self._log_probabilities(x, self.conditioning.check(condition, x.shape[0])).sum(1)

    @torch.no_grad()
    def sample(
        self, n: int, *, condition: Tensor | None = None, generator: torch.Generator, temperature: float = 1.0
    ) -> Tensor:
        """Draw n samples (n, channels, *grid) token by token.

        Args:
            n: Number of samples.
            condition: One for all, or one each.
            generator: Source of random numbers, on the device of the model.
            temperature: What logits are divided by; 0 takes the most probable token.
        """
        logits = partial(self.logits, condition=self.conditioning.check(condition, n))
        length = len(self.positions)
        tokens = draw_tokens(logits, n, length, generator=generator, temperature=temperature)
        return self.tokenizer.decode_tokens(tokens.reshape(n, *self.tokenizer.coarse))

    def decode(self, uniform: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Samples (batch, channels, *grid) of numbers (batch, tokens), uniform in [0, 1): one draws each token."""
        logits = partial(self.logits, condition=self.conditioning.check(condition, uniform.shape[0]))
        tokens = tokens_of(logits, uniform)
        return self.tokenizer.decode_tokens(tokens.reshape(-1, *self.tokenizer.coarse))

    @torch.no_grad()
    def attention_maps(self, x: Tensor, *, condition: Tensor | None = None) -> list[Tensor]:
        """Weights (batch, heads, tokens, tokens) of each block: what is seen before each token is predicted.

        Column 0 is the start, column i the token i - 1.
        """
        condition = self.conditioning.check(condition, x.shape[0])
        embedded = self._embed(self.tokenizer.tokens(x).flatten(1)[:, :-1], condition)
        return [maps[0] for maps in self.transformer.attention_maps(embedded)]

    def _embed(self, tokens: Tensor, condition: Tensor | None) -> Tensor:
        given = self.conditioning.encode(condition)
        start = self.start(self.positions.new_ones(tokens.shape[0], 1) if given is None else given)
        embedded = torch.cat([start[:, None], self.embedding(tokens)], dim=1)[:, : len(self.positions)]
        return embedded + self.positions[: embedded.shape[1]]

    def _log_probabilities(self, x: Tensor, condition: Tensor | None) -> Tensor:
        with torch.no_grad():
            tokens = self.tokenizer.tokens(x).flatten(1)
        return token_log_probabilities(self.logits(tokens[:, :-1], condition), tokens)
