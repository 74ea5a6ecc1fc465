"""Network of two layers, applied to each vector alone."""

from torch import nn


def perceptron(size_in: int, hidden: int, size_out: int) -> nn.Sequential:
    """Map vectors (..., size_in) to (..., size_out) by way of `hidden` numbers."""
    return nn.Sequential(nn.Linear(size_in, hidden), nn.GELU(), nn.Linear(hidden, size_out))
