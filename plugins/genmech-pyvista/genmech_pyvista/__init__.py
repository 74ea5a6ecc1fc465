"""The accessor mesh.genmech of PyVista: ONNX predictions, anomaly maps and errors on any mesh."""

from genmech_pyvista.accessor import Accessor

__all__ = ["Accessor"]
