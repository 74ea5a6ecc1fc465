"""Sequences of tokens, drawn one by one from the logits of an autoregressive model."""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

type Logits = Callable[[Tensor], Tensor]
"""Tokens (n, length) to logits (n, length + 1, tokens), of each given those before it and of the next one."""


def token_log_probabilities(logits: Tensor, tokens: Tensor) -> Tensor:
    """Log-probabilities (batch, length) [nat] of tokens (batch, length) under logits (batch, length, tokens)."""
    return -F.cross_entropy(logits.transpose(1, 2), tokens, reduction="none")


def draw_tokens(logits: Logits, n: int, length: int, *, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
    """Draw n sequences of tokens (n, length).

    Args:
        logits: Those of each token, given those before it.
        n: Number of sequences.
        length: Number of tokens of each.
        generator: Source of random numbers.
        temperature: What logits are divided by; 0 takes the most probable token.

    Raises:
        ValueError: The temperature is negative.
    """
    if not temperature >= 0:
        raise ValueError(f"temperature: expected a number >= 0, got {temperature}")
    tokens = torch.empty(n, 0, dtype=torch.long, device=generator.device)
    for _ in range(length):
        last = logits(tokens)[:, -1]
        if temperature:
            drawn = torch.multinomial((last / temperature).softmax(1), 1, generator=generator)
        else:
            drawn = last.argmax(1, keepdim=True)
        tokens = torch.cat([tokens, drawn], dim=1)
    return tokens


def tokens_of(logits: Logits, uniform: Tensor) -> Tensor:
    """Tokens (n, length), each where its distribution function first exceeds its number, uniform in [0, 1).

    Args:
        logits: Those of each token, given those before it.
        uniform: The numbers (n, length).
    """
    tokens = torch.empty_like(uniform[:, :0], dtype=torch.long)
    for number in uniform[..., None].unbind(1):
        share = logits(tokens)[:, -1].softmax(1).cumsum(1)
        drawn = (share[:, :-1] <= number).sum(1, keepdim=True)
        tokens = torch.cat([tokens, drawn], dim=1)
    return tokens
