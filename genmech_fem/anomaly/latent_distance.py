"""Anomalies as samples whose latents are far from those of normal samples."""

from torch import Tensor

from genmech_fem.anomaly.detector import Detector
from genmech_fem.anomaly.distances import MahalanobisDistance, NeighbourDistance
from genmech_fem.generative import VAE, VAEGAN, Autoencoder


class LatentDistance(Detector):
    """Distance of the latent vector from those of normal samples.

    Args:
        model: A trained model with latent vectors.
        neighbours: Take the distance to the nearest but k - 1 of them, k; 0 for the Mahalanobis distance.
    """

    def __init__(self, model: Autoencoder | VAE | VAEGAN, neighbours: int = 0) -> None:
        super().__init__(model.shape)
        self.model = model
        self.distance = NeighbourDistance(neighbours) if neighbours else MahalanobisDistance(model.latent)

    def learn(self, x: Tensor) -> None:
        """Keep the latents of normal samples, or their mean and covariance."""
        self.distance.fit(self.model.encode(x))

    def evaluate(self, x: Tensor) -> tuple[Tensor, None]:
        """Distance (batch,); there is no map."""
        return self.distance(self.model.encode(x)), None
