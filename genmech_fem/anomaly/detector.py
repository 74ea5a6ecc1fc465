"""What every detector of anomalies offers: scores, maps, and thresholds whose false alarms are calibrated.

Conformal calibration: Vovk, Gammerman, Shafer, Algorithmic learning in a random world (2005),
doi:10.1007/b106715; of anomaly detectors: Laxhammar, Falkman (2010), doi:10.1145/1833280.1833287.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from genmech_fem.generative.model import check_samples

BATCH = 32  # samples evaluated at a time
SLACK = 1e-4  # by which a threshold lies above a score of the calibration, for rounding of other runtimes


class Detector(nn.Module, ABC):
    """Tells how unlike normal samples a sample is.

    A detector first learns what is normal; its scores are then in standard deviations of the scores of normal
    samples, above their mean.

    Args:
        shape: Shape (channels, *grid) of one sample.

    Attributes:
        calibration: Scores (n,) of the calibration, ascending.
    """

    location: Tensor
    spread: Tensor
    calibration: Tensor

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.shape = tuple(shape)
        self.register_buffer("location", torch.tensor(torch.nan))
        self.register_buffer("spread", torch.tensor(torch.nan))
        self.register_buffer("calibration", torch.empty(0))

    @abstractmethod
    def evaluate(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Raw score (batch,) of samples (batch, channels, *grid), high for anomalies, and its map (batch, *grid).

        The map is None where the detector has none.
        """

    def learn(self, x: Tensor) -> None:
        """Keep what the score needs of normal samples (n, channels, *grid): nothing, unless a detector says more."""

    @torch.no_grad()
    def fit_normal(self, x: Tensor, calibration: Tensor) -> None:
        """Learn what is normal, and how much the scores of normal samples vary.

        Args:
            x: Normal samples (n > 1, channels, *grid), such as the training data of the model.
            calibration: Other normal samples (m > 1, channels, *grid), which nothing was trained on: thresholds come
                from their scores, and scores of training data would be too low.

        Raises:
            ValueError: Samples are too few, of another shape, or not finite, or all get the same score.
        """
        name = type(self).__name__
        for some, what in ((x, "x"), (calibration, "calibration")):
            check_finite_samples(some, self.shape, f"{name}.fit_normal: {what}")
            if len(some) < 2:
                raise ValueError(f"{name}.fit_normal: expected at least 2 samples as {what}, got {len(some)}")
        self.eval()
        self.learn(x)
        raw = self._evaluated(calibration)[0]
        spread = raw.std()
        if not spread > 1e-6 * raw.abs().mean():
            raise ValueError(
                f"{name}.fit_normal: expected normal samples whose scores vary, got {raw[0]:.3g} for all {len(raw)}: "
                "are they all the same, or constant?"
            )
        self.location.copy_(raw.mean())
        self.spread.copy_(spread)
        self.calibration = ((raw - self.location) / self.spread).sort().values

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Normalised score (batch,) and map, None without one, of samples as they are."""
        raw, found = self.evaluate(x)
        return (raw - self.location) / self.spread, found

    @torch.no_grad()
    def score(self, x: Tensor) -> Tensor:
        """Scores (n,) of samples (n, channels, *grid), high for anomalies [standard deviations of normal scores].

        Raises:
            ValueError: `fit_normal` was not called, or samples are of another shape, or not finite.
        """
        self._check(x, "score")
        return (self._evaluated(x)[0] - self.location) / self.spread

    @torch.no_grad()
    def score_map(self, x: Tensor) -> Tensor:
        """Where samples (n, channels, *grid) are anomalous (n, *grid), in the unit of the raw score.

        Raises:
            ValueError: The detector has no maps, or as for `score`.
        """
        self._check(x, "score_map")
        maps = self._evaluated(x)[1]
        if maps is None:
            raise ValueError(f"{type(self).__name__}.score_map: this detector judges samples as a whole")
        return maps

    def threshold(self, quantile: float = 0.95) -> float:
        """The score above which a sample counts as anomalous.

        Among normal samples that are exchangeable with those of the calibration the share of false alarms is at most
        ``1 - quantile``, in the mean over calibrations, whatever the detector.

        Args:
            quantile: Least share of normal samples below the threshold.

        Raises:
            ValueError: The quantile is not in (0, 1), or needs more samples of calibration.
        """
        self._check_fitted("threshold")
        if not 0 < quantile < 1:
            raise ValueError(f"threshold: expected a quantile in (0, 1), got {quantile}")
        count = len(self.calibration)
        rank = math.ceil((count + 1) * quantile - 1e-9)
        if rank > count:
            needed = math.ceil(quantile / (1 - quantile) - 1e-9)
            raise ValueError(
                f"threshold: expected at least {needed} samples of calibration for the quantile {quantile}, got {count}"
            )
        return float(self.calibration[rank - 1]) + SLACK

    def alarm(self, x: Tensor, quantile: float = 0.95) -> Tensor:
        """Which samples (n, channels, *grid) are above the threshold (n,)."""
        return self.score(x) > self.threshold(quantile)

    def p_value(self, x: Tensor) -> Tensor:
        """Conformal p-value (n,): at most u with a probability of at most u, for normal samples."""
        above = len(self.calibration) - torch.searchsorted(self.calibration, self.score(x))
        return (1 + above) / (1 + len(self.calibration))

    def _evaluated(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Raw scores and maps, a few samples at a time."""
        parts = [self.evaluate(part) for part in torch.split(x, BATCH)]
        raw = torch.cat([score for score, _ in parts])
        if not raw.isfinite().all():
            wrong = (~raw.isfinite()).nonzero().flatten().tolist()
            raise ValueError(
                f"{type(self).__name__}: the scores of the samples {wrong[:10]} are not finite: are the samples in "
                "the unit and range of the training data?"
            )
        maps = [part for _, part in parts if part is not None]
        return raw, torch.cat(maps) if maps else None

    def _check(self, x: Tensor, what: str) -> None:
        self._check_fitted(what)
        check_finite_samples(x, self.shape, f"{type(self).__name__}.{what}")

    def _check_fitted(self, what: str) -> None:
        if not len(self.calibration):
            raise ValueError(f"{type(self).__name__}.{what}: expected a detector that knows normal samples: fit_normal")


def check_finite_samples(x: Tensor, shape: Sequence[int], name: str) -> None:
    """Raise a ValueError unless x (n, *shape) are finite samples."""
    check_samples(x, shape, name)
    wrong = (~x.flatten(1).isfinite().all(1)).nonzero().flatten().tolist()
    if wrong:
        raise ValueError(f"{name}: expected finite samples, got NaN or infinity in {wrong[:10]}")
