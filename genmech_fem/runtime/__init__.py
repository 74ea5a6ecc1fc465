"""Deployment with numpy and ONNX Runtime only."""

from genmech_fem.runtime.conformal import ConformalGuard, conformal_radius
from genmech_fem.runtime.counts import Counts
from genmech_fem.runtime.description import METADATA_KEY
from genmech_fem.runtime.domain import Domain
from genmech_fem.runtime.flow_sampler import FlowSampler
from genmech_fem.runtime.guarded_model import GuardedModel
from genmech_fem.runtime.guards import DetectorGuard, Guard, RangeGuard, Verdict
from genmech_fem.runtime.onnx_law import OnnxLaw
from genmech_fem.runtime.onnx_model import OnnxModel
from genmech_fem.runtime.passport import Passport

__all__ = [
    "METADATA_KEY",
    "ConformalGuard",
    "Counts",
    "DetectorGuard",
    "Domain",
    "FlowSampler",
    "Guard",
    "GuardedModel",
    "OnnxLaw",
    "OnnxModel",
    "Passport",
    "RangeGuard",
    "Verdict",
    "conformal_radius",
]
