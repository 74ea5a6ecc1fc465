"""A ParaView filter in one file that runs an ONNX surrogate and shows its guard's verdict."""

from pathlib import Path

__all__ = ["filter_path"]


def filter_path() -> Path:
    """The file to load into ParaView, by Tools > Manage Plugins > Load New or ``LoadPlugin``; it needs no other."""
    return Path(__file__).with_name("genmech_onnx_filter.py")
