"""Bare network modules: blocks, embeddings, encoder, decoder and the U-Net."""

from genmech_fem.errors import MissingExtraError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise MissingExtraError("torch", "learn") from error

from genmech_fem.nn.attention import Attention, Transformer, TransformerBlock, sinusoidal_positions
from genmech_fem.nn.blocks import PaddingMode, ResidualBlock, convolution, convolution_class, gather, spread
from genmech_fem.nn.coders import Decoder, Encoder
from genmech_fem.nn.embeddings import TimeEmbedding
from genmech_fem.nn.unet import UNet

__all__ = [
    "Attention",
    "Decoder",
    "Encoder",
    "PaddingMode",
    "ResidualBlock",
    "TimeEmbedding",
    "Transformer",
    "TransformerBlock",
    "UNet",
    "convolution",
    "convolution_class",
    "gather",
    "sinusoidal_positions",
    "spread",
]
