"""Generative models of fields on grids, one interface for every family."""

from genmech_fem.errors import MissingExtraError

try:
    import torch  # noqa: F401
except ImportError as error:
    raise MissingExtraError("torch", "learn") from error

from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.autoencoder import Autoencoder
from genmech_fem.generative.cycle_gan import CycleGAN
from genmech_fem.generative.diffusion import Diffusion
from genmech_fem.generative.flow_matching import FlowMatching
from genmech_fem.generative.gan import GAN
from genmech_fem.generative.infogan import InfoGAN
from genmech_fem.generative.model import GenerativeModel, LatentModel
from genmech_fem.generative.normalizing_flow import NormalizingFlow
from genmech_fem.generative.quantization import Tokenizer
from genmech_fem.generative.samplers import heun
from genmech_fem.generative.sequence_transformer import SequenceTransformer
from genmech_fem.generative.tempo_gan import TempoGAN
from genmech_fem.generative.token_transformer import TokenTransformer
from genmech_fem.generative.vae import VAE
from genmech_fem.generative.vae_gan import VAEGAN

__all__ = [
    "GAN",
    "VAE",
    "VAEGAN",
    "Architecture",
    "Autoencoder",
    "CycleGAN",
    "Diffusion",
    "FlowMatching",
    "GenerativeModel",
    "InfoGAN",
    "LatentModel",
    "NormalizingFlow",
    "SequenceTransformer",
    "TempoGAN",
    "TokenTransformer",
    "Tokenizer",
    "heun",
]
