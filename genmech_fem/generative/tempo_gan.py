"""tempoGAN: sequences of coarse fields made fine, by a generator that a second discriminator watches in time.

Xie, Franz, Chu, Thuerey (2018), doi:10.1145/3197517.3201304.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from genmech_fem.generative.adversarial import discriminator_loss, generator_loss, to_physical
from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.condition import Conditioning
from genmech_fem.generative.model import GenerativeModel, check_samples
from genmech_fem.training import Batch, Normalizer

FRAMES = 3
PENALTY = 1.0  # less than usual: real and generated frames are close to each other, so the scores need steeper slopes


class TempoGAN(GenerativeModel):
    r"""A generator that refines single coarse frames, and two discriminators.

    The spatial one sees a fine frame beside its coarse one, the temporal one three fine frames in a row; the generator
    deceives both and stays close to the truth, :math:`\lambda E | x - G(c) |` in standard deviations of the data. Like
    the paper's it takes no noise. Unlike there, frames are not advected onto each other before they are compared: heat
    spreads without being carried. With ``temporal=0`` it is trained frame by frame, without the second discriminator.
    Batches hold sequences: ``"coarse"`` (batch, frames, channels, *coarse) and ``"x"`` (batch, frames, channels, *fine)
    in physical units, at least three frames; each loss takes three consecutive ones at random.

    Args:
        shape: Shape (channels, *coarse) of one coarse frame.
        factor: Fine points per coarse one, along each axis.
        temporal: Weight of deceiving the temporal discriminator.
        pixel: Weight lambda of the distance from the truth.
        network: Sizes of all networks.
        bounds: Range of the data [unit of x], into which the generator squashes its output.
    """

    betas: ClassVar[tuple[float, float]] = (0.5, 0.99)

    def __init__(
        self,
        shape: Sequence[int],
        factor: int = 4,
        *,
        temporal: float = 1.0,
        pixel: float = 5.0,
        network: Architecture | Mapping[str, Any] = Architecture(),  # noqa: B008 - frozen
        bounds: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if factor < 1 or not (temporal >= 0 and pixel >= 0):
            raise ValueError(
                f"TempoGAN: expected factor >= 1, temporal >= 0 and pixel >= 0, got {factor=}, {temporal=}, {pixel=}"
            )
        self.shape, self.factor, self.weight, self.pixel = tuple(shape), factor, temporal, pixel
        self.fine = (shape[0], *(factor * points for points in shape[1:]))
        self.bounds = None if bounds is None else tuple(bounds)
        self.sizes = Architecture.of(network)
        self.conditioning = Conditioning(("field", shape[0]), "TempoGAN")
        self.data_scale = Normalizer(shape[0])
        self.generator = self.sizes.unet(shape[0], shape)
        self.spatial = self.sizes.encoder((2 * shape[0], *self.fine[1:]), 1)
        self.temporal = self.sizes.encoder((FRAMES * shape[0], *self.fine[1:]), 1) if temporal else None
        self.players = ("spatial", *(("temporal",) if temporal else ()), "generator")

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data."""
        return {
            "shape": list(self.shape),
            "factor": self.factor,
            "temporal": self.weight,
            "pixel": self.pixel,
            "network": self.sizes.config(),
            "bounds": None if self.bounds is None else list(self.bounds),
        }

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation, unless it is known from an earlier training.

        Raises:
            ValueError: The sequences do not fit the model, are too short, or differ in length.
        """
        x, coarse = data["x"], data["coarse"]
        if x.shape[:2] != coarse.shape[:2] or x.shape[1] < FRAMES:
            raise ValueError(
                f"TempoGAN: expected 'x' and 'coarse' of shape (n, frames >= {FRAMES}, channels, *grid) with as many "
                f"frames, got {tuple(x.shape)} and {tuple(coarse.shape)}"
            )
        if not self.data_scale.fitted:
            check_samples(x.flatten(0, 1), self.fine, "TempoGAN")
            check_samples(coarse.flatten(0, 1), self.shape, "TempoGAN")
            self.data_scale.fit(x.flatten(0, 1))
            self.conditioning.fit(coarse.flatten(0, 1))

    def parameters_of(self, player: str) -> list[nn.Parameter]:
        """Those of the generator, or of one of the discriminators."""
        return list(self.get_submodule(player).parameters())

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:
        """Hinge objective of one player over three frames in a row, the spatial one in the middle frame."""
        x, coarse = _window(batch["x"], batch["coarse"], generator)
        with torch.set_grad_enabled(player == "generator"):
            fake = self._normalize(self._refine(coarse.flatten(0, 1))).reshape(x.shape)
        real = self._normalize(x.flatten(0, 1)).reshape(x.shape)
        middle = self._normalize(self._repeat(coarse[:, 1]))
        views = {
            "spatial": [torch.cat([middle, frames[:, 1]], dim=1) for frames in (real, fake)],
            "temporal": [frames.flatten(1, 2) for frames in (real, fake)],
        }
        if player == "generator":
            loss = self.pixel * (fake - real).abs().mean() + generator_loss(self.spatial(views["spatial"][1]))
            if self.temporal is not None:
                loss = loss + self.weight * generator_loss(self.temporal(views["temporal"][1]))
            return loss
        return discriminator_loss(self.get_submodule(player), *views[player], generator=generator, penalty=PENALTY)

    def refine(self, coarse: Tensor) -> Tensor:
        """Map coarse frames (batch, channels, *coarse) to fine ones (batch, channels, *fine).

        Raises:
            ValueError: The shape differs.
        """
        check_samples(coarse, self.shape, "TempoGAN")
        return self._refine(coarse)

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """Refine n coarse frames, the condition, to (n, channels, *fine): one each, nothing is drawn."""
        return self.refine(cast(Tensor, self.conditioning.check(condition, n)))

    def _normalize(self, x: Tensor) -> Tensor:
        return self.data_scale.normalize(x)

    def _repeat(self, coarse: Tensor) -> Tensor:
        return F.interpolate(coarse, scale_factor=float(self.factor), mode="nearest")

    def _refine(self, coarse: Tensor) -> Tensor:
        given = self._normalize(self._repeat(coarse))
        return to_physical(given + self.generator(given), self.data_scale, self.bounds)


def temporal_error(frames: Tensor, truth: Tensor) -> Tensor:
    """Error (batch,) of the changes from frame to frame of (batch, frames, ...), relative to the true changes."""
    change, true_change = (x.diff(dim=1).flatten(1) for x in (frames, truth))
    return (change - true_change).norm(dim=1) / true_change.norm(dim=1)


def flicker(frames: Tensor, truth: Tensor) -> Tensor:
    """Energy (batch,) of the second differences in time of (batch, frames, ...), as a share of the true one."""
    energy, true_energy = (x.diff(n=2, dim=1).flatten(1).square().sum(1) for x in (frames, truth))
    return energy / true_energy


def _window(x: Tensor, coarse: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Three consecutive frames of each sequence, from a random one on."""
    samples, frames = x.shape[:2]
    first = torch.randint(frames - FRAMES + 1, (samples, 1), generator=generator, device=x.device)
    index = first + torch.arange(FRAMES, device=x.device)
    rows = torch.arange(samples, device=x.device)[:, None]
    return x[rows, index], coarse[rows, index]
