"""Deployment with numpy and ONNX Runtime only."""

from genmech_fem.runtime.flow_sampler import FlowSampler
from genmech_fem.runtime.onnx_model import METADATA_KEY, OnnxModel

__all__ = ["METADATA_KEY", "FlowSampler", "OnnxModel"]
