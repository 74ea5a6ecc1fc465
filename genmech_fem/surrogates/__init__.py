"""Surrogates: networks that stand in for a solver, and torch modules as ForwardModels."""

from genmech_fem.errors import MissingExtraError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise MissingExtraError("torch", "learn") from error

from genmech_fem.surrogates.adaptation import LowRankUpdate, low_rank, merge, only
from genmech_fem.surrogates.ensemble import Ensemble
from genmech_fem.surrogates.field_surrogate import FieldSurrogate
from genmech_fem.surrogates.grid_surrogate import GridSurrogate
from genmech_fem.surrogates.heads import PositiveDefinite, VoigtReuss, symmetric, upper
from genmech_fem.surrogates.learning_curve import CurvePoint, labels_needed, learning_curve
from genmech_fem.surrogates.losses import EnergyNorm, Loss, relative_h1, relative_l2
from genmech_fem.surrogates.path_surrogate import PathSurrogate, path_model
from genmech_fem.surrogates.perceptron import Perceptron
from genmech_fem.surrogates.point_surrogate import PointSurrogate, padded
from genmech_fem.surrogates.property_surrogate import PropertySurrogate
from genmech_fem.surrogates.ranges import TrainingRange
from genmech_fem.surrogates.torch_model import TorchModel

__all__ = [
    "CurvePoint",
    "EnergyNorm",
    "Ensemble",
    "FieldSurrogate",
    "GridSurrogate",
    "Loss",
    "LowRankUpdate",
    "PathSurrogate",
    "Perceptron",
    "PointSurrogate",
    "PositiveDefinite",
    "PropertySurrogate",
    "TorchModel",
    "TrainingRange",
    "VoigtReuss",
    "labels_needed",
    "learning_curve",
    "low_rank",
    "merge",
    "only",
    "padded",
    "path_model",
    "relative_h1",
    "relative_l2",
    "symmetric",
    "upper",
]
