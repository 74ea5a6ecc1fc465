"""From torch to ONNX files that describe themselves."""

from genmech_fem.errors import MissingExtraError

try:
    import onnx  # noqa: F401
    import onnxscript  # noqa: F401  (torch.onnx needs it)
except ImportError as error:
    raise MissingExtraError("onnx and onnxscript", "learn") from error

from genmech_fem.export.detector import detector_model, detector_to_onnx
from genmech_fem.export.flow import flow_to_onnx
from genmech_fem.export.generators import generator_model, generator_to_onnx
from genmech_fem.export.law import law_to_onnx
from genmech_fem.export.onnx_file import to_onnx
from genmech_fem.export.report import ExportReport

__all__ = [
    "ExportReport",
    "detector_model",
    "detector_to_onnx",
    "flow_to_onnx",
    "generator_model",
    "generator_to_onnx",
    "law_to_onnx",
    "to_onnx",
]
