"""A variational autoencoder of circles, triangles, squares and crosses of any rotation and of many sizes.

A normal prior gives too many samples between the classes, and few of some of them; a learned mixture gives each its
share. Run it with  python examples/latent_shapes.py FOLDER  (some six minutes), which then holds pictures of the
latent space.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from genmech_fem.generative import VAE, Architecture
from genmech_fem.generative.latent import beta_table, class_recall, interpolate, latent_map, traverse
from genmech_fem.microstructure import Shape, phase_from_distance, phase_grid
from genmech_fem.plotting import interpolation_strip, latent_map_picture, to_png, traversal_grid
from genmech_fem.training import Recipe, fit

import numpy as np
import torch

TURN = {"circle": 1e-3, "triangle": 2 * np.pi / 3, "square": np.pi / 2, "cross": np.pi / 2}  # that change nothing
SIZES = (0.15, 0.22)  # radius of the disc of the same area [cell length]
GOOD = 0.9  # least overlap of a sample with a shape


def draw(kind: str, size: float, angle: float) -> np.ndarray:
    """Picture (32, 32) of a shape with the area of a disc of the radius `size`."""
    grid = phase_grid(32)
    radius = size * np.sqrt(np.pi / Shape(kind, (0.5, 0.5), 1.0, 0.0).area)
    shape = Shape(kind, (0.5, 0.5), float(radius), angle)
    return phase_from_distance(shape.distance(grid.points() - 0.5), grid.spacing[0]).reshape(grid.shape)


def random_shapes(n: int, seed: int) -> tuple[torch.Tensor, np.ndarray]:
    """Pictures (n, 1, 32, 32) of random shapes, and their classes (n,)."""
    generator, labels, kinds = np.random.default_rng(seed), np.arange(n) % len(TURN), list(TURN)
    pictures = [draw(kinds[k], generator.uniform(*SIZES), generator.uniform(0, 2 * np.pi)) for k in labels]
    return torch.as_tensor(np.stack(pictures)[:, None]).float(), labels


def all_shapes(sizes: int = 7, step: float = np.pi / 36) -> dict[str, torch.Tensor]:
    """Pictures (m, 32, 32) of each class, evenly over its sizes and, by `step` [rad], over its rotations."""
    return {
        kind: torch.as_tensor(
            np.stack([draw(kind, size, a) for size in np.linspace(*SIZES, sizes) for a in np.arange(0, turn, step)])
        ).float()
        for kind, turn in TURN.items()
    }


def build(beta: float = 1.0, components: int = 32) -> VAE:
    """The untrained model."""
    torch.manual_seed(0)
    network = Architecture((32, 64), patch=4, padding_mode="zeros")
    return VAE((1, 32, 32), 8, beta=beta, components=components, network=network)


def main(
    folder: Path, samples: int = 4096, *, steps: int = 2500, betas: Sequence[float] = (0.3, 1.0, 4.0), draws: int = 512
) -> dict[str, dict[str, float]]:
    """Return for a normal and a mixture prior the shares of the classes among the draws, and of good draws."""
    x, labels = random_shapes(samples, seed=0)
    templates, models, found = all_shapes(), {}, {}
    recipe = Recipe(steps=steps, batch_size=32, average=0.998)
    for prior, components in (("normal", 0), ("mixture", 32)):
        models[prior] = model = build(components=components)
        for _ in fit(model, {"x": x}, recipe):
            pass
        recall = class_recall(model.sample(draws, generator=torch.Generator().manual_seed(0)), templates)
        found[prior] = {**recall.shares, "good": float((recall.overlaps > GOOD).float().mean())}
        print(f"{prior} prior: ", ", ".join(f"{name} {share:.0%}" for name, share in found[prior].items()))

    short = Recipe(steps=steps // 2, batch_size=32, average=0.99)
    for row in beta_table(
        lambda beta: build(beta, components=0), {"x": x}, betas=betas, recipe=short, templates=templates, samples=draws
    ):
        print(", ".join(f"{name} {value:.3g}" for name, value in row.items()))

    model = models["mixture"]
    points = latent_map(model, x[:1000])
    strips = [interpolate(model, x[[0, k]], 9)[:, 0].numpy() for k in (1, 2, 3)]
    with torch.no_grad():
        fields = traverse(model, model.encode(x[3:4])[0], [-2.0, -1.0, 0.0, 1.0, 2.0])[:, :, 0]
    for name, figure in {
        "map": latent_map_picture(points.numpy(), labels[:1000], list(TURN)),
        "interpolation": interpolation_strip(strips),
        "traversal": traversal_grid(fields.numpy(), [-2.0, -1.0, 0.0, 1.0, 2.0]),
    }.items():
        (Path(folder) / f"{name}.png").write_bytes(to_png(figure))
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
