"""From torch to ONNX files that describe themselves."""

from genmech_fem.export.detector import detector_model, detector_to_onnx
from genmech_fem.export.flow import flow_to_onnx
from genmech_fem.export.onnx_file import ExportReport, to_onnx

__all__ = ["ExportReport", "detector_model", "detector_to_onnx", "flow_to_onnx", "to_onnx"]
