"""Sizes of the convolutional networks of a generative model."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from genmech_fem.nn import Decoder, Encoder, PaddingMode, UNet


@dataclass(frozen=True)
class Architecture:
    """Sizes that all convolutional networks of a model share, in two and in three dimensions.

    Args:
        widths: Channels of the levels, fine to coarse, multiples of 8.
        patch: Edge of the square or cube of points that are gathered into channels first; a network
            costs about patch^dimension times less.
        padding_mode: ``"circular"`` for periodic fields, else ``"zeros"``.
    """

    widths: Sequence[int] = (32, 64, 96)
    patch: int = 2
    padding_mode: PaddingMode = "circular"

    @classmethod
    def of(cls, config: "Architecture | Mapping[str, Any]") -> "Architecture":
        """The architecture itself, or that of its JSON data."""
        return config if isinstance(config, Architecture) else cls(**config)

    def config(self) -> dict[str, Any]:
        """The arguments as JSON data."""
        return {**asdict(self), "widths": list(self.widths)}

    def encoder(self, shape: Sequence[int], features: int, *, condition_features: int = 0) -> Encoder:
        """Fields of this shape (channels, *grid) to vectors."""
        return Encoder(shape, features, condition_features=condition_features, **self._sizes())

    def decoder(self, features: int, shape: Sequence[int], *, condition_features: int = 0) -> Decoder:
        """Vectors to fields of this shape (channels, *grid)."""
        return Decoder(features, shape, condition_features=condition_features, **self._sizes())

    def unet(self, channels_in: int, shape: Sequence[int], *, condition_features: int = 0) -> UNet:
        """Fields of so many channels to fields of this shape (channels, *grid)."""
        return UNet(
            channels_in,
            shape[0],
            channels=self.widths,
            condition_features=condition_features,
            patch=self.patch,
            padding_mode=self.padding_mode,
            dimension=len(shape) - 1,
        )

    def _sizes(self) -> dict[str, Any]:
        return {"widths": self.widths, "patch": self.patch, "padding_mode": self.padding_mode}
