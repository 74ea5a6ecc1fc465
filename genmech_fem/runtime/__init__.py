"""Deployment with numpy and ONNX Runtime only."""

from genmech_fem.runtime.flow_sampler import FlowSampler
from genmech_fem.runtime.guarded_model import Counts, GuardedModel
from genmech_fem.runtime.guards import ConformalGuard, DetectorGuard, Guard, RangeGuard, Verdict, conformal_radius
from genmech_fem.runtime.onnx_model import METADATA_KEY, OnnxModel

__all__ = [
    "METADATA_KEY",
    "ConformalGuard",
    "Counts",
    "DetectorGuard",
    "FlowSampler",
    "Guard",
    "GuardedModel",
    "OnnxModel",
    "RangeGuard",
    "Verdict",
    "conformal_radius",
]
