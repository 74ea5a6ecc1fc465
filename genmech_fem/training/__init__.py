"""Training: what can be trained, the loop, normalisation and weights on disk."""

from genmech_fem.errors import MissingExtraError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise MissingExtraError("torch", "learn") from error

from genmech_fem.training.fit import Augment, Progress, fit
from genmech_fem.training.normalization import Normalizer
from genmech_fem.training.recipe import Recipe
from genmech_fem.training.symmetry import TorusSymmetries
from genmech_fem.training.trainable import Batch, Trainable
from genmech_fem.training.weights import load_weights, save_weights

__all__ = [
    "Augment",
    "Batch",
    "Normalizer",
    "Progress",
    "Recipe",
    "TorusSymmetries",
    "Trainable",
    "fit",
    "load_weights",
    "save_weights",
]
