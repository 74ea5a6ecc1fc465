"""Training: what can be trained, the loop, normalisation and weights on disk."""

from genmech_fem.errors import MissingExtraError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise MissingExtraError("torch", "learn") from error

from genmech_fem.training.fit import fit
from genmech_fem.training.log import read_log
from genmech_fem.training.models import load_model, save_model
from genmech_fem.training.normalization import Normalizer
from genmech_fem.training.recipe import Recipe
from genmech_fem.training.record import Augment, training_record
from genmech_fem.training.run import Progress
from genmech_fem.training.symmetry import Mirrors, TorusSymmetries
from genmech_fem.training.trainable import Batch, Trainable
from genmech_fem.training.weights import load_weights, save_weights

__all__ = [
    "Augment",
    "Batch",
    "Mirrors",
    "Normalizer",
    "Progress",
    "Recipe",
    "TorusSymmetries",
    "Trainable",
    "fit",
    "load_model",
    "load_weights",
    "read_log",
    "save_model",
    "save_weights",
    "training_record",
]
