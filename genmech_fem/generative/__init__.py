"""Generative models: what they offer, and flow matching."""

from genmech_fem.errors import MissingExtraError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise MissingExtraError("torch", "learn") from error

from genmech_fem.generative.flow_matching import FlowMatching
from genmech_fem.generative.model import GenerativeModel, LatentModel
from genmech_fem.generative.ode import heun

__all__ = ["FlowMatching", "GenerativeModel", "LatentModel", "heun"]
