"""Anomalies as samples that a variational autoencoder holds for unlikely.

An and Cho, Variational autoencoder based anomaly detection using reconstruction probability (2015).
"""

from torch import Tensor

from genmech_fem.anomaly.detector import Detector
from genmech_fem.generative import VAE


class NegativeELBO(Detector):
    """The negative evidence lower bound [nat] of a `VAE`, at the mean of its posterior instead of a draw.

    Args:
        model: A trained model.
    """

    def __init__(self, model: VAE) -> None:
        super().__init__(model.shape)
        self.model = model

    def evaluate(self, x: Tensor) -> tuple[Tensor, None]:
        """Negative bound (batch,); there is no map."""
        return -self.model.elbo(x), None
