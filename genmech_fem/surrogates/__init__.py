"""Surrogates: networks that stand in for a solver, and torch modules as ForwardModels."""

from genmech_fem.errors import MissingExtraError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise MissingExtraError("torch", "learn") from error

from genmech_fem.surrogates.field_surrogate import FieldSurrogate
from genmech_fem.surrogates.perceptron import Perceptron
from genmech_fem.surrogates.torch_model import TorchModel

__all__ = ["FieldSurrogate", "Perceptron", "TorchModel"]
