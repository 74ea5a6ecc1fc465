"""Anomalies as what a diffusion or flow model repairs when it removes noise.

Partial noising: Wyatt, Leach, Schmon, Willcocks, AnoDDPM (2022), doi:10.1109/CVPRW56347.2022.00080. Error of the
denoising itself: Graham et al. (2023), doi:10.1109/CVPRW59228.2023.00296.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from genmech_fem.anomaly.map_detector import MapDetector
from genmech_fem.generative.path_model import PathModel


class _Noising(MapDetector):
    """Some fixed draws of noise, the same for all samples, so that a score is a function of the sample."""

    noise: Tensor

    def __init__(self, model: PathModel, summary: str | int, draws: int, seed: int) -> None:
        super().__init__(model.shape, summary)
        if draws < 1:
            raise ValueError(f"{type(self).__name__}: expected draws >= 1, got {draws}")
        self.model = model
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("noise", torch.randn((draws, 1, *self.shape), generator=generator))

    def normalize(self, x: Tensor) -> Tensor:
        """Samples in standard deviations of the training data."""
        return self.model.data_scale.normalize(x)

    def pairs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Each draw with each sample (draws * batch, channels, *grid): the samples, and the noise."""
        together = (len(self.noise), *x.shape)
        return x.expand(together).flatten(0, 1), self.noise.expand(together).flatten(0, 1)

    def mean_square(self, error: Tensor) -> Tensor:
        """Mean squares (batch, *grid) over channels and draws of errors (draws * batch, channels, *grid)."""
        return error.square().mean(1).reshape(len(self.noise), -1, *self.shape[1:]).mean(0)


class PartialNoising(_Noising):
    """Square change of a sample that is given noise, but not so much that it is forgotten, and is denoised again.

    Args:
        model: A trained, unconditional `Diffusion` or `FlowMatching`; with the sampler ``"ddpm"`` it takes the steps
            of ``"ddim"``.
        strength: Time up to which noise is added, in (0, 1].
        summary: How the map becomes a score, as for `MapDetector`.
        draws: Noises to average over.
        seed: Of the noises.
    """

    def __init__(
        self, model: PathModel, strength: float = 0.4, summary: str | int = "mean", *, draws: int = 2, seed: int = 0
    ) -> None:
        super().__init__(model, summary, draws, seed)
        if not 0 < strength <= 1:
            raise ValueError(f"PartialNoising: expected a strength in (0, 1], got {strength}")
        self.strength = strength

    def map(self, x: Tensor) -> Tensor:
        """Square changes (batch, *grid)."""
        samples, noise = self.pairs(x)
        again = self.model.renew(samples, noise, self.strength)
        return self.mean_square(self.normalize(again) - self.normalize(samples))


class DenoisingError(_Noising):
    """Square error of the clean sample that the network sees in a noisy one, at some times.

    Args:
        model: A trained, unconditional `Diffusion` or `FlowMatching`.
        times: Times at which noise is added, in (0, 1).
        summary: How the map becomes a score, as for `MapDetector`.
        draws: Noises to average over, for each time.
        seed: Of the noises.
    """

    def __init__(
        self,
        model: PathModel,
        times: Sequence[float] = (0.2, 0.4, 0.6),
        summary: str | int = "mean",
        *,
        draws: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__(model, summary, draws, seed)
        if not times or not all(0 < time < 1 for time in times):
            raise ValueError(f"DenoisingError: expected times in (0, 1), got {times}")
        self.times = tuple(times)

    def map(self, x: Tensor) -> Tensor:
        """Square errors (batch, *grid)."""
        before, noise = self.pairs(self.normalize(x))
        errors = []
        for time in self.times:
            t = torch.full_like(before.flatten(1)[:, 0], time)
            seen = self.model.denoise(self.model.path.mix(before, noise, t), t)[0]
            errors.append(self.mean_square(seen - before))
        return torch.stack(errors).mean(0)
