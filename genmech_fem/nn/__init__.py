"""Bare network modules: blocks, embeddings, and networks on grids, points, meshes and sequences."""

from genmech_fem.errors import MissingExtraError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise MissingExtraError("torch", "learn") from error

from genmech_fem.nn.attention import Attention, Transformer, TransformerBlock, sinusoidal_positions
from genmech_fem.nn.blocks import PaddingMode, ResidualBlock, convolution, convolution_class, gather, spread
from genmech_fem.nn.coders import Decoder, Encoder
from genmech_fem.nn.embeddings import TimeEmbedding
from genmech_fem.nn.fourier import FourierLayer, FourierNetwork
from genmech_fem.nn.graph_network import GraphNetwork
from genmech_fem.nn.path_network import PathNetwork
from genmech_fem.nn.point_attention import LowRankAttention, SliceAttention
from genmech_fem.nn.point_transformer import PointAttention, PointTransformer
from genmech_fem.nn.unet import UNet
from genmech_fem.nn.vision_transformer import VisionTransformer

__all__ = [
    "Attention",
    "Decoder",
    "Encoder",
    "FourierLayer",
    "FourierNetwork",
    "GraphNetwork",
    "LowRankAttention",
    "PaddingMode",
    "PathNetwork",
    "PointAttention",
    "PointTransformer",
    "ResidualBlock",
    "SliceAttention",
    "TimeEmbedding",
    "Transformer",
    "TransformerBlock",
    "UNet",
    "VisionTransformer",
    "convolution",
    "convolution_class",
    "gather",
    "sinusoidal_positions",
    "spread",
]
