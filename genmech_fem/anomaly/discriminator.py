"""Anomalies as samples that a discriminator does not believe."""

from torch import Tensor

from genmech_fem.anomaly.detector import Detector
from genmech_fem.generative import GAN, VAEGAN


class DiscriminatorScore(Detector):
    """The negative score of the discriminator, in evaluation mode.

    It was trained to tell data from what its generator made, not from anomalies: measure how well that carries over.

    Args:
        model: A trained model.
    """

    def __init__(self, model: GAN | VAEGAN) -> None:
        super().__init__(model.shape)
        self.model = model

    def evaluate(self, x: Tensor) -> tuple[Tensor, None]:
        """Negative scores (batch,); there is no map."""
        return -self.model.discriminate(x), None
