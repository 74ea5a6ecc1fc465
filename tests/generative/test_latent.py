"""Latent tools: on linear models and on shapes that one can count, the answers are known."""

import numpy as np
import pytest
import torch
from torch import nn

from genmech_fem.generative.architecture import Architecture
from genmech_fem.generative.autoencoder import Autoencoder
from genmech_fem.generative.latent import (
    active_units,
    beta_table,
    class_recall,
    interpolate,
    latent_map,
    slerp,
    torus_overlap,
    traverse,
)
from genmech_fem.generative.vae import VAE
from genmech_fem.microstructure import BasicShapes
from genmech_fem.training import Recipe

SHAPE = (1, 2, 4)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def isometry():
    """A model whose latents are the coordinates of x in an orthonormal basis of three vectors."""
    basis = torch.linalg.qr(torch.randn(8, 3, generator=seeded()))[0]
    model = Autoencoder(SHAPE, 3, network=Architecture((8,)))
    model.data_scale.set(torch.zeros(1), torch.ones(1))
    model.encoder = nn.Sequential(nn.Flatten(), nn.Linear(8, 3, bias=False))
    model.decoder = nn.Sequential(nn.Linear(3, 8, bias=False), nn.Unflatten(1, SHAPE))
    model.encoder[1].weight.data = basis.T.contiguous()
    model.decoder[0].weight.data = basis
    return model.requires_grad_(False)


def test_straight_interpolation_of_a_linear_model_is_that_of_the_fields(isometry):
    ends = isometry.decode(torch.randn(2, 3, generator=seeded(1)))
    t = torch.linspace(0, 1, 5).reshape(-1, 1, 1, 1)
    torch.testing.assert_close(interpolate(isometry, ends, 5), (1 - t) * ends[0] + t * ends[1])
    torch.testing.assert_close(interpolate(isometry, ends, 5, spherical=True)[[0, -1]], ends)


def test_the_arc_turns_at_a_constant_rate_and_keeps_the_length():
    a, b = torch.tensor([2.0, 0.0, 0.0]), torch.tensor([0.0, 0.0, 2.0])
    t = torch.linspace(0, 1, 7)
    angle = t * torch.pi / 2
    torch.testing.assert_close(slerp(a, b, t), 2 * torch.stack([angle.cos(), 0 * t, angle.sin()], 1))
    torch.testing.assert_close(slerp(a, 3 * a, t), (1 + 2 * t)[:, None] * a)


def test_a_traversal_changes_one_entry_at_a_time(isometry):
    z = torch.randn(3, generator=seeded(2))
    fields = traverse(isometry, z, [-1.0, 0.0, 2.0])
    assert fields.shape == (3, 3, *SHAPE)
    basis = isometry.decode(torch.eye(3))
    for axis in range(3):
        torch.testing.assert_close(fields[axis, 2] - fields[axis, 0], 3 * basis[axis])


def test_a_latent_map_of_planar_data_keeps_distances(isometry):
    plane = torch.randn(40, 2, generator=seeded(3)) @ torch.randn(2, 3, generator=seeded(4))
    points = latent_map(isometry, isometry.decode(plane))
    torch.testing.assert_close(torch.pdist(points), torch.pdist(plane), atol=1e-4, rtol=1e-4)
    assert points[:, 0].var() > points[:, 1].var()


def test_overlap_looks_at_all_shifts_on_the_torus():
    images = (torch.rand(4, 6, 6, generator=seeded(5)) > 0.6).float()
    others = (torch.rand(3, 6, 6, generator=seeded(6)) > 0.4).float()
    found = torus_overlap(images, others)
    for i, image in enumerate(images.bool()):
        for j, other in enumerate(others.bool()):
            shifted = [other.roll((a, b), (0, 1)) for a in range(6) for b in range(6)]
            assert found[i, j].item() == pytest.approx(
                max(((image & y).sum() / (image | y).sum()).item() for y in shifted)
            )
    moved = images.roll((2, 5), (1, 2))
    torch.testing.assert_close(torus_overlap(images, moved).diagonal(), torch.ones(4))


def test_overlap_in_three_dimensions_is_the_ratio_of_nested_cubes():
    small, large = torch.zeros(2, 1, 8, 8, 8)
    small[:, :2, :2, :2] = 1
    large[:, 3:6, 2:5, 4:7] = 1
    assert torus_overlap(small, large).item() == pytest.approx(8 / 27)


def draw(kind, n, seed):
    sampler = BasicShapes(32, (kind,), count=(1, 1), size=(0.2, 0.26))
    images = [sampler(np.random.default_rng([seed, i]))["phase"] for i in range(n)]
    return torch.as_tensor(np.stack(images)).float()


@pytest.fixture(scope="module")
def shapes():
    return {kind: draw(kind, 60, 0)[:, 0] for kind in ("circle", "triangle", "square", "cross")}


def test_classes_of_shapes_are_recalled(shapes):
    unseen = {"circle": 10, "triangle": 20, "square": 30, "cross": 40}
    samples = torch.cat([draw(kind, n, 1) for kind, n in unseen.items()])
    recall = class_recall(samples, shapes)
    assert recall.shares == pytest.approx({kind: n / 100 for kind, n in unseen.items()}, abs=0.021)
    assert (recall.overlaps > 0.85).float().mean() > 0.9
    noise = torch.rand(20, 1, 32, 32, generator=seeded())
    assert class_recall(noise, shapes).overlaps.max() < 0.5


def test_only_latents_that_move_are_active():
    means = torch.randn(500, 5, generator=seeded()) * torch.tensor([1.0, 0.5, 0.05, 0.01, 0.0])
    assert active_units(means) == 2


def test_the_table_shows_what_beta_does(shapes):
    torch.set_num_threads(1)
    x = torch.cat(list(shapes.values()))[:, None]

    def build(beta):
        torch.manual_seed(0)
        return VAE((1, 32, 32), 4, beta=beta, network=Architecture((16,), patch=8))

    weak, strong = beta_table(
        build, {"x": x}, betas=(1.0, 100.0), recipe=Recipe(steps=80, batch_size=32), templates=shapes, samples=40
    )
    assert (weak["beta"], strong["beta"]) == (1.0, 100.0)
    assert weak["KL"] > strong["KL"]
    assert weak["error"] < strong["error"]
    assert weak["active"] >= strong["active"]
