"""Bare network modules: blocks, embeddings and the U-Net."""

from genmech_fem.errors import MissingExtraError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise MissingExtraError("torch", "learn") from error

from genmech_fem.nn.blocks import ResidualBlock, convolution
from genmech_fem.nn.embeddings import TimeEmbedding
from genmech_fem.nn.unet import UNet

__all__ = ["ResidualBlock", "TimeEmbedding", "UNet", "convolution"]
