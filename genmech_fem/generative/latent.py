"""Tools for latent models: interpolation, traversal, maps, recall of classes, and the effect of beta.

Interpolation on the sphere: White (2016), doi:10.48550/arXiv.1609.04468. Active units: Burda, Grosse, Salakhutdinov
(2016), doi:10.48550/arXiv.1509.00519.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from genmech_fem.generative.model import LatentModel
from genmech_fem.generative.vae import VAE
from genmech_fem.training import Batch, Recipe, fit

ACTIVE = 0.01  # least variance of the posterior mean of an active latent


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Points (n, ...) between a and b (...) at the shares t (n,), on the arc about the origin instead of the chord."""
    t = t.reshape(-1, *[1] * a.ndim)
    cosine = (a.flatten() @ b.flatten()) / (a.norm() * b.norm())
    angle = cosine.clamp(-1, 1).acos()
    if angle.sin() < 1e-6:
        return torch.lerp(a, b, t)
    return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()


@torch.no_grad()
def interpolate(model: LatentModel, ends: Tensor, n: int, *, spherical: bool = False) -> Tensor:
    """Decode n latents from that of one sample to that of another.

    Args:
        model: An unconditional model.
        ends: The two samples (2, channels, *grid) in physical units.
        n: Number of pictures, both ends included.
        spherical: Whether to go along the arc, which keeps the length that latents of a wide prior have.
    """
    a, b = model.encode(ends)
    t = torch.linspace(0, 1, n, device=a.device)
    return model.decode(slerp(a, b, t) if spherical else torch.lerp(a, b, t.reshape(-1, *[1] * a.ndim)))


@torch.no_grad()
def traverse(model: LatentModel, z: Tensor, values: Sequence[float]) -> Tensor:
    """Decode a latent z (latent,) with each of its entries set to each value: (latent, values, channels, *grid)."""
    grid = z.repeat(len(z), len(values), 1)
    for axis in range(len(z)):
        grid[axis, :, axis] = torch.as_tensor(values, dtype=z.dtype)
    fields = model.decode(grid.flatten(0, 1))
    return fields.reshape(len(z), len(values), *fields.shape[1:])


@torch.no_grad()
def latent_map(model: LatentModel, x: Tensor) -> Tensor:
    """Coordinates (n, 2) of samples x (n, channels, *grid) along the first two principal axes of their latents."""
    z = model.encode(x).flatten(1)
    centred = z - z.mean(0)
    return centred @ torch.linalg.svd(centred, full_matrices=False)[2][:2].T


def torus_overlap(x: Tensor, y: Tensor) -> Tensor:
    """Largest intersection over union (n, m) of images x (n, *grid) and y (m, *grid), binary at 0.5, over all shifts.

    The shift with the largest intersection, found by fast Fourier transforms, has the largest ratio too.
    """
    x, y = ((images > 0.5).to(torch.float32) for images in (x, y))
    grid, axes = x.shape[1:], tuple(range(1, x.ndim))
    spectra = torch.fft.rfftn(y, dim=axes).conj()
    common = [
        torch.fft.irfftn(torch.fft.rfftn(one, dim=tuple(range(len(grid)))) * spectra, s=grid, dim=axes)
        .flatten(1)
        .amax(1)
        for one in x
    ]
    intersection = torch.stack(common).round()
    union = x.flatten(1).sum(1)[:, None] + y.flatten(1).sum(1) - intersection
    return intersection / union.clamp(min=1)


class ClassRecall(NamedTuple):
    """Share of the samples by the class of the template that fits best, and overlap (n,) with that template."""

    shares: dict[str, float]
    overlaps: Tensor


def class_recall(samples: Tensor, templates: Mapping[str, Tensor]) -> ClassRecall:
    """Sort samples (n, 1, *grid) by the classes of the templates, each (m, *grid), that they overlap most."""
    overlaps = torch.stack([torus_overlap(samples[:, 0], images).amax(1) for images in templates.values()])
    best = overlaps.argmax(0)
    shares = {name: float((best == index).float().mean()) for index, name in enumerate(templates)}
    return ClassRecall(shares, overlaps.amax(0))


def active_units(means: Tensor) -> int:
    """Number of latents that tell samples apart, out of the posterior means (n, latent) under a normal prior."""
    return int((means.var(0) > ACTIVE).sum())


def beta_table(
    build: Callable[[float], VAE],
    data: Batch,
    *,
    betas: Iterable[float],
    recipe: Recipe,
    templates: Mapping[str, Tensor],
    samples: int = 512,
) -> list[dict[str, float]]:
    """Train a VAE for each beta and tell what that does.

    Args:
        build: Makes the untrained model with this beta.
        data: Training data.
        betas: Weights of the KL term.
        recipe: Settings of each training.
        templates: Images (m, *grid) of each class.
        samples: Number of prior samples to sort by class.

    Returns:
        A row for each beta: root of the mean square error of reconstructions [unit of x], KL divergence [nat], active
        latents, the smallest share of a class, and the share of samples that overlap a template by more than 0.9.
    """
    rows = []
    for beta in betas:
        model = build(beta)
        for _ in fit(model, data, recipe):
            pass
        generator = torch.Generator(next(model.parameters()).device).manual_seed(recipe.seed)
        with torch.no_grad():
            kl = model.terms(data, generator=generator)[1].mean()
            means = model.encode(data["x"])
            error = (model.decode(means) - data["x"]).square().mean().sqrt()
        recall = class_recall(model.sample(samples, generator=generator), templates)
        rows.append(
            {
                "beta": beta,
                "error": float(error),
                "KL": float(kl),
                "active": active_units(means),
                "smallest share": min(recall.shares.values()),
                "good": float((recall.overlaps > 0.9).float().mean()),
            }
        )
    return rows
