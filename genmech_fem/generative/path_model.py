"""Models that carry noise to data along a Gaussian path: what diffusion and flow matching have in common.

Guidance without a classifier: Ho and Salimans (2022), doi:10.48550/arXiv.2207.12598. Image to image: Meng et al.,
SDEdit (2022), doi:10.48550/arXiv.2108.01073.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.condition import Conditioning
from genmech_fem.generative.gaussians import normal, normal_like
from genmech_fem.generative.model import LatentModel, check_samples
from genmech_fem.generative.network import TimedUNet
from genmech_fem.generative.paths import PATHS, PREDICTIONS, Prediction
from genmech_fem.generative.samplers import check_sampler
from genmech_fem.generative.walk import Walk
from genmech_fem.training import Batch, Normalizer


class PathModel(LatentModel):
    """A network that tells data from noise anywhere on a Gaussian path, and samplers that use it.

    Batches hold ``"x"`` (batch, channels, *grid) and, if conditional, ``"condition"``, in physical units. The latent of
    a sample is its noise, standard normal, of the shape of x.

    Args:
        shape: Shape (channels, *grid) of one sample.
        condition: Kind and size of the condition, such as ``("scalars", 6)``; None for none.
        network: Sizes of a U-Net, or any module that is a `ConditionalNetwork`.
        path: Name of one of `PATHS`.
        prediction: What the network predicts: ``"x0"``, ``"eps"`` or ``"v"``.
        sampler: ``("heun" | "ddim" | "ddpm", steps)``; may be changed after the training.
        drop: Probability that a batch is trained without its condition, as guidance needs.
        bounds: Range of the data [unit of x], to which samples are clipped.

    Attributes:
        guidance: Weight w of ``(1 + w) conditional - w unconditional`` predictions, 0 at first.

    Raises:
        ValueError: An argument is none of these.
    """

    def __init__(
        self,
        shape: Sequence[int],
        condition: Sequence[object] | None,
        *,
        network: Architecture | Mapping[str, Any] | nn.Module,
        path: str,
        prediction: Prediction,
        sampler: Sequence[object],
        drop: float,
        bounds: Sequence[float] | None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if path not in PATHS or prediction not in PREDICTIONS:
            raise ValueError(
                f"{name}: expected a path of {', '.join(PATHS)} and a prediction of {', '.join(PREDICTIONS)}, "
                f"got {path!r} and {prediction!r}"
            )
        if not 0 <= drop < 1:
            raise ValueError(f"{name}.drop: expected a probability in [0, 1), got {drop}")
        self.shape, self.path, self.prediction = tuple(shape), PATHS[path], prediction
        self.sampler, self.drop, self.guidance = check_sampler(sampler), drop, 0.0
        self.bounds = None if bounds is None else (float(bounds[0]), float(bounds[1]))
        self.data_scale, self.conditioning = Normalizer(self.shape[0]), Conditioning(condition, name)
        self._architecture = None if isinstance(network, nn.Module) else Architecture.of(network)
        self.network = (
            network
            if isinstance(network, nn.Module)
            else TimedUNet(self.shape, self.conditioning.features, self.conditioning.channels, Architecture.of(network))
        )

    def config(self) -> dict[str, Any]:
        """Constructor arguments as JSON data; without the network if that was given as a module."""
        config = {
            "shape": list(self.shape),
            "condition": self.conditioning.config,
            "sampler": list(self.sampler),
            "drop": self.drop,
            "bounds": None if self.bounds is None else list(self.bounds),
        }
        return config | ({} if self._architecture is None else {"network": self._architecture.config()})

    def prepare(self, data: Batch) -> None:
        """Fit the normalisation, unless it is known from an earlier training."""
        if not self.data_scale.fitted:
            check_samples(data["x"], self.shape, type(self).__name__)
            self.data_scale.fit(data["x"])
            self.conditioning.fit(data.get("condition"))

    @abstractmethod
    def times(self, n: int, generator: torch.Generator) -> Tensor:
        """Times (n,) at which the network is trained."""

    def loss(self, batch: Batch, player: str, *, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        """Mean square error of the prediction, at random times and for random noise."""
        x_0 = self.data_scale.normalize(batch["x"])
        eps, t = normal_like(x_0, generator), self.times(len(x_0), generator)
        condition = self.conditioning.encode(batch.get("condition"))
        if self.drop and torch.rand((), generator=generator, device=generator.device) < self.drop:
            condition = None
        target = self.path.target(self.prediction, x_0, eps, t)
        return (self.network(self.path.mix(x_0, eps, t), t, condition) - target).square().mean()

    @torch.no_grad()
    def sample(self, n: int, *, condition: Tensor | None = None, generator: torch.Generator) -> Tensor:
        """Draw n samples (n, channels, *grid) in physical units, clipped to `bounds`.

        Args:
            n: Number of samples.
            condition: One for all, or one each.
            generator: Source of the noise, on the device of the model.

        Raises:
            ValueError: The condition is missing, unwanted, or of another shape.
        """
        walk = self._walk(condition, n)
        return self._physical(walk.draw(normal((n, *self.shape), generator), generator))

    def decode(self, z: Tensor, *, condition: Tensor | None = None, noise: Tensor | None = None) -> Tensor:
        """Carry noise (batch, channels, *grid) to samples without drawing more; differentiable.

        Args:
            z: Where to begin, standard normal.
            condition: One for all, or one each.
            noise: What each step of the sampler ``"ddpm"`` adds (batch, steps, channels, *grid), standard normal;
                without it that sampler takes the steps of ``"ddim"``.

        Raises:
            ValueError: The condition is missing, unwanted, or of another shape, or so is the noise.
        """
        walk, (name, steps) = self._walk(condition, z.shape[0]), self.sampler
        if noise is not None and (name != "ddpm" or noise.shape[1:] != (steps, *self.shape)):
            raise ValueError(
                f"{type(self).__name__}.decode: expected noise (n, {steps}, {', '.join(map(str, self.shape))}) for the "
                f"sampler 'ddpm' alone, got {tuple(noise.shape)} for {name!r}"
            )
        return self._physical(walk.follow(z, noise=None if noise is None else noise.transpose(0, 1)))

    def encode(self, x: Tensor, *, condition: Tensor | None = None) -> Tensor:
        """Carry samples (batch, channels, *grid) back to their noise."""
        return self._walk(condition, x.shape[0]).follow(self.data_scale.normalize(x), start=0.0, stop=1.0)

    @torch.no_grad()
    def inpaint(
        self,
        known: Tensor,
        mask: Tensor,
        *,
        condition: Tensor | None = None,
        generator: torch.Generator,
        repeats: int = 3,
    ) -> Tensor:
        """Draw samples (batch, channels, *grid) that are `known` where `mask` holds.

        Args:
            known: Samples (batch, channels, *grid) in physical units, arbitrary where not known.
            mask: Where they are known, True there, of a shape that broadcasts to theirs.
            condition: One for all, or one each.
            generator: Source of the noise.
            repeats: How often each step is taken, with noise added in between; more fit the
                new parts better to the known ones.
        """
        goal, n = self.data_scale.normalize(known), len(known)

        def project(x: Tensor, s: Tensor) -> Tensor:
            return torch.where(mask, self.path.mix(goal, normal_like(x, generator), s.expand(n)), x)

        z, walk = normal_like(goal, generator), self._walk(condition, n)
        x = walk.draw(z, generator, project=project, repeats=repeats)
        return torch.where(mask, known, self._physical(x))

    @torch.no_grad()
    def vary(
        self, x: Tensor, strength: float, *, condition: Tensor | None = None, generator: torch.Generator
    ) -> Tensor:
        """Draw samples near x (batch, channels, *grid): add noise up to the time `strength`, and denoise.

        Args:
            x: Samples in physical units.
            strength: In (0, 1]; near 0 they stay, at 1 they are forgotten.
            condition: One for all, or one each.
            generator: Source of the noise.

        Raises:
            ValueError: The strength is outside of its range.
        """
        if not 0 < strength <= 1:
            raise ValueError(f"vary: expected a strength in (0, 1], got {strength}")
        x_t = self._noised(x, normal_like(x, generator), strength)
        return self._physical(self._walk(condition, x.shape[0]).draw(x_t, generator, start=strength))

    def renew(self, x: Tensor, noise: Tensor, strength: float, *, condition: Tensor | None = None) -> Tensor:
        """As `vary`, with this noise (batch, channels, *grid), standard normal, and without drawing more."""
        x_t = self._noised(x, noise, strength)
        return self._physical(self._walk(condition, x.shape[0]).follow(x_t, start=strength))

    def denoise(self, x_t: Tensor, t: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Normalised data and noise (batch, channels, *grid) that the network sees in x_t at the times t (batch,).

        Args:
            x_t: Normalised fields.
            t: Times, 0 at the data, 1 at the noise.
            condition: Encoded conditions.
        """
        x_0, eps = self.path.data_and_noise(self.prediction, self._predict(x_t, t, condition), x_t, t)
        if self.bounds is not None and self.prediction == "eps":  # near t = 1 small errors of eps are large in x_0
            one = (1, self.shape[0], *[1] * (x_t.ndim - 2))
            low, high = (self.data_scale.normalize(x_t.new_full(one, bound)) for bound in self.bounds)
            x_0 = torch.minimum(torch.maximum(x_0, low), high)
            return self.path.data_and_noise("x0", x_0, x_t, t)
        return x_0, eps

    def _walk(self, condition: Tensor | None, n: int) -> Walk:
        """The way between noise and data under the condition of n samples."""
        given = self.conditioning.given(condition, n, optional=self.drop > 0)
        return Walk(
            self.path,
            self.sampler,
            lambda x, t: self._velocity(x, t, given),
            lambda x, t: self.denoise(x, t, given),
        )

    def _noised(self, x: Tensor, noise: Tensor, strength: float) -> Tensor:
        """Normalised samples with noise up to the time `strength`."""
        x_0 = self.data_scale.normalize(x)
        return self.path.mix(x_0, noise, torch.full_like(x_0.flatten(1)[:, 0], strength))

    def _predict(self, x_t: Tensor, t: Tensor, condition: Tensor | None) -> Tensor:
        predicted = self.network(x_t, t, condition)
        if condition is None or not self.guidance:
            return predicted
        return (1 + self.guidance) * predicted - self.guidance * self.network(x_t, t, None)

    def _velocity(self, x: Tensor, t: Tensor, condition: Tensor | None) -> Tensor:
        """dx/dt, from data to noise."""
        if self.prediction == "v":
            return self.path.speed * self._predict(x, t, condition)
        return self.path.speed * self.path.target("v", *self.denoise(x, t, condition), t)

    def _physical(self, x: Tensor) -> Tensor:
        values = self.data_scale.denormalize(x)
        return values if self.bounds is None else values.clamp(*self.bounds)
