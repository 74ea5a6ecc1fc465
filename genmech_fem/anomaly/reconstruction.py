"""Anomalies as what an autoencoder cannot reproduce.

Sakurada and Yairi (2014), doi:10.1145/2689746.2689747; denoising: Vincent et al. (2008), doi:10.1145/1390156.1390294.
"""

from torch import Tensor

from genmech_fem.anomaly.map_detector import MapDetector
from genmech_fem.generative import VAE, VAEGAN, Autoencoder, Tokenizer


class Reconstruction(MapDetector):
    """Square error of the reconstruction, in the mean over the channels, in standard deviations of the training data.

    Args:
        model: A trained autoencoder of any kind (`Autoencoder`, denoising or not, `VAE`, `VAEGAN`, `Tokenizer`).
        summary: How the map becomes a score, as for `MapDetector`.
    """

    def __init__(self, model: Autoencoder | VAE | VAEGAN | Tokenizer, summary: str | int = "mean") -> None:
        super().__init__(model.shape, summary)
        self.model = model

    def map(self, x: Tensor) -> Tensor:
        """Square errors (batch, *grid)."""
        again = (
            self.model.reconstruct(x) if isinstance(self.model, Tokenizer) else self.model.decode(self.model.encode(x))
        )
        return (self.normalize(again) - self.normalize(x)).square().mean(1)

    def normalize(self, x: Tensor) -> Tensor:
        """Samples in standard deviations of the training data."""
        return self.model.data_scale.normalize(x)
