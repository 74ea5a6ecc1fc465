"""Anomaly detection: what a model of normal samples cannot reproduce must be an anomaly."""

from genmech_fem.errors import MissingExtraError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise MissingExtraError("torch", "learn") from error

from genmech_fem.anomaly.descriptors import DESCRIPTORS, DescriptorDistance
from genmech_fem.anomaly.detector import Detector
from genmech_fem.anomaly.discriminator import DiscriminatorScore
from genmech_fem.anomaly.inversion import Inversion
from genmech_fem.anomaly.latent_distance import LatentDistance
from genmech_fem.anomaly.likelihood import NegativeELBO
from genmech_fem.anomaly.map_detector import MapDetector
from genmech_fem.anomaly.noising import DenoisingError, PartialNoising
from genmech_fem.anomaly.patch_memory import PatchMemory
from genmech_fem.anomaly.reconstruction import Reconstruction

__all__ = [
    "DESCRIPTORS",
    "DenoisingError",
    "DescriptorDistance",
    "Detector",
    "DiscriminatorScore",
    "Inversion",
    "LatentDistance",
    "MapDetector",
    "NegativeELBO",
    "PartialNoising",
    "PatchMemory",
    "Reconstruction",
]
