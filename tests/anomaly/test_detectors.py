"""Each detector against the closed form of its score, for models whose networks are linear."""

import math

import pytest
import torch
from torch import nn

from genmech_fem.anomaly import (
    DenoisingError,
    DescriptorDistance,
    DiscriminatorScore,
    Inversion,
    LatentDistance,
    NegativeELBO,
    PartialNoising,
    PatchMemory,
    Reconstruction,
)
from genmech_fem.anomaly.descriptors import correlation, moments, statistics
from genmech_fem.anomaly.distances import MahalanobisDistance, NeighbourDistance
from genmech_fem.anomaly.map_detector import perimeter
from genmech_fem.anomaly.patch_memory import thinned
from genmech_fem.generative import GAN, VAE, Architecture, Autoencoder, Diffusion, FlowMatching
from genmech_fem.microstructure import radial_average, two_point_correlation

SHAPE = (1, 4, 4)
TINY = Architecture((8,))


def draw(n, seed, shape=SHAPE):
    return torch.randn(n, *shape, generator=torch.Generator().manual_seed(seed))


class Affine(nn.Module):
    def __init__(self, weight, bias, shape_out):
        super().__init__()
        self.weight, self.bias, self.shape = weight, bias, shape_out

    def forward(self, x, condition=None):
        return (x.flatten(1) @ self.weight.T + self.bias).unflatten(1, self.shape)


def frame(columns, seed=0):
    """Orthonormal columns (16, columns)."""
    return torch.linalg.qr(draw(1, seed, (16, columns))[0])[0]


def plain(model):
    model.data_scale.set(torch.zeros(1), torch.ones(1))
    return model.eval()


def projection(columns=3):
    """An autoencoder that projects onto some directions."""
    model = plain(Autoencoder(SHAPE, columns, network=TINY))
    q = frame(columns)
    model.encoder, model.decoder = Affine(q.T, 0, (columns,)), Affine(q, 0, SHAPE)
    return model, q


def residual(x, q):
    flat = x.flatten(1)
    return flat - flat @ q @ q.T


def test_reconstruction_is_the_distance_from_what_the_model_can_make():
    model, q = projection()
    x = draw(6, 1)
    expected = residual(x, q).square().reshape(6, 4, 4)
    score, found = Reconstruction(model).evaluate(x)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(score, expected.mean((1, 2)))
    window = Reconstruction(model, 2).evaluate(x)[0]
    blocks = torch.stack([expected[:, i : i + 2, j : j + 2].mean((1, 2)) for i in range(3) for j in range(3)])
    torch.testing.assert_close(window, blocks.amax(0))
    over = Reconstruction(model, "perimeter").evaluate(x)[0]
    torch.testing.assert_close(over, expected.sum((1, 2)) / perimeter(x))


def test_the_perimeter_of_a_square_is_its_four_sides():
    x = torch.zeros(1, 1, 16, 16)
    x[0, 0, 4:9, 6:11] = 2.0
    assert perimeter(x).item() == 2 * 4 * 5


def test_latent_distances():
    model, q = projection()
    normal, x = 2 * draw(4000, 1) + 1, draw(6, 2)
    mahalanobis, nearest = LatentDistance(model), LatentDistance(model, 2)
    for detector in (mahalanobis, nearest):
        detector.learn(normal)
    z, of_normal = x.flatten(1) @ q, normal.flatten(1) @ q
    expected = ((z - torch.ones(16) @ q).square().sum(1) / 4).sqrt()
    torch.testing.assert_close(mahalanobis.evaluate(x)[0], expected, rtol=0.1, atol=0.05)
    second = (torch.cdist(z / of_normal.std(0), of_normal / of_normal.std(0))).sort(1).values[:, 1]
    torch.testing.assert_close(nearest.evaluate(x)[0], second, rtol=1e-3, atol=1e-4)


def test_the_mahalanobis_distance_does_not_change_under_linear_maps():
    points, some = draw(500, 1, (5,)), draw(7, 2, (5,))
    turn = draw(1, 3, (5, 5))[0]
    distances = []
    for matrix in (torch.eye(5), turn):
        distance = MahalanobisDistance(5)
        distance.fit(points @ matrix)
        distances.append(distance(some @ matrix))
    torch.testing.assert_close(*distances, rtol=0.05, atol=0.0)
    # squares of normal points are chi-squared with 5 degrees of freedom
    distance.fit(points)
    assert distance(points).square().mean().item() == pytest.approx(5, rel=0.02)


def test_neighbours_must_be_there():
    with pytest.raises(ValueError, match="at least 5 normal samples, one a neighbour, got 3"):
        NeighbourDistance(5).fit(torch.rand(3, 2))
    with pytest.raises(ValueError, match="neighbours: expected at least 1, got 0"):
        NeighbourDistance(0)


def test_the_negative_bound_is_that_of_the_closed_form():
    model = plain(VAE(SHAPE, 3, likelihood="gaussian", network=TINY))
    q = frame(3)
    model.encoder = Affine(torch.cat([q.T, torch.zeros(3, 16)]), torch.tensor([0.0] * 3 + [-1.0] * 3), (6,))
    model.decoder = Affine(q, 0, SHAPE)
    x = draw(5, 1)
    kl = 0.5 * ((x.flatten(1) @ q).square() + math.exp(-1) - 1 + 1).sum(1)
    likelihood = -0.5 * (residual(x, q).square().sum(1) + 16 * math.log(2 * math.pi))
    with torch.no_grad():
        torch.testing.assert_close(NegativeELBO(model).evaluate(x)[0], kl - likelihood)


def test_the_discriminator_is_asked():
    model = plain(GAN(SHAPE, 3, network=TINY))
    x = draw(5, 1)
    with torch.no_grad():
        torch.testing.assert_close(DiscriminatorScore(model).evaluate(x)[0], -model.discriminate(x))


def test_inversion_of_a_linear_generator_is_the_projection_on_what_it_makes():
    model = plain(GAN(SHAPE, 3, network=TINY))
    matrix = draw(1, 4, (16, 3))[0]
    model.generator = Affine(matrix, 0.5, SHAPE)
    detector = Inversion(model, starts=10, steps=3, weight=0.0)
    x = 3 * draw(6, 5)
    with torch.no_grad():
        detector.learn(x)
        z = detector.invert(x)
        expected = torch.linalg.lstsq(matrix, (x.flatten(1) - 0.5).T).solution.T
        torch.testing.assert_close(z, expected, rtol=1e-3, atol=1e-3)
        error = (matrix @ expected.T + 0.5 - x.flatten(1).T).T.square().mean(1)
        torch.testing.assert_close(detector.evaluate(x)[0], error, rtol=1e-3, atol=1e-4)


def test_inversion_of_a_curved_generator_comes_back_to_what_was_made():
    torch.manual_seed(0)
    model = plain(GAN((1, 8, 8), 4, network=Architecture((16,), patch=2)))
    detector = Inversion(model, starts=500, steps=8, weight=0.0)
    with torch.no_grad():
        nn.init.normal_(model.generator.stem.weight, std=0.5)
        made = model.decode(draw(20, 1, (4,)))
        detector.learn(made)
        start = detector.starts
        nearest = torch.cdist(made.flatten(1), start).amin(1).square() / 64
        found = detector.evaluate(made)[0]
    assert found.median() < 0.01 * nearest.median()


class Exact(nn.Module):
    """The best denoiser of standard normal data, for a prediction of x_0."""

    def forward(self, x, t, condition=None):
        alpha, sigma = torch.cos(math.pi / 2 * t), torch.sin(math.pi / 2 * t)
        return (alpha / (alpha**2 + sigma**2))[:, None, None, None] * x


def test_the_error_of_the_best_denoiser_of_white_noise():
    model = plain(Diffusion(SHAPE, network=Exact(), prediction="x0"))
    x, (time,) = 2 * draw(3, 1), (0.3,)
    detector = DenoisingError(model, (time,), draws=3)
    alpha, sigma = math.cos(math.pi / 2 * time), math.sin(math.pi / 2 * time)
    errors = [(alpha * (alpha * x + sigma * noise) - x).square()[:, 0] for noise in detector.noise]
    torch.testing.assert_close(detector.map(x), torch.stack(errors).mean(0))


def test_partial_noising_repairs_what_is_unusual_and_returns_the_rest():
    """Steps without drawing carry white noise to itself: only what the added noise changed is changed."""
    model = plain(Diffusion(SHAPE, network=Exact(), prediction="x0", sampler=("ddim", 100)))
    x = draw(3, 1)
    weak, strong = (PartialNoising(model, strength).map(x) for strength in (0.01, 0.6))
    assert weak.max() < 0.1 * strong.mean()
    # the flow of white noise under this path is a rotation that keeps x_t: x_t itself comes out
    noise = PartialNoising(model, 0.6, draws=1).noise[0]
    alpha, sigma = math.cos(math.pi * 0.3), math.sin(math.pi * 0.3)
    expected = (alpha * x + sigma * noise - x).square()[:, 0]
    torch.testing.assert_close(PartialNoising(model, 0.6, draws=1).map(x), expected, rtol=0.05, atol=0.02)


def test_what_noise_needs_is_checked():
    model = plain(FlowMatching(SHAPE, network=Architecture((8,))))
    with pytest.raises(ValueError, match=r"a strength in \(0, 1\], got 0"):
        PartialNoising(model, 0)
    with pytest.raises(ValueError, match=r"times in \(0, 1\), got \(\)"):
        DenoisingError(model, ())
    with pytest.raises(ValueError, match="expected draws >= 1, got 0"):
        DenoisingError(model, draws=0)


def test_a_memory_of_an_image_knows_its_shifts_and_nothing_else():
    torch.manual_seed(0)
    model = plain(Autoencoder((1, 16, 16), 4, network=Architecture((16, 24))))
    x = draw(2, 1, (1, 16, 16))
    detector = PatchMemory(model, (0, 1), memory=1000)
    with torch.no_grad():
        detector.learn(x)
        again, moved = detector.evaluate(x)[0], detector.evaluate(x.roll((4, 8), (2, 3)))[0]
        other = x.clone()
        other[:, :, 4:8, 4:8] += 3
        score, found = detector.evaluate(other)
    assert max(again.max(), moved.max()) < 0.05
    assert score.min() > 1.0
    inside = found[:, 3:9, 3:9].mean()
    assert inside > 2 * found[:, 12:].mean()
    with pytest.raises(ValueError, match=r"levels of 0 to 1 and memory >= 1, got \(0, 2\) and 5"):
        PatchMemory(model, (0, 2), memory=5)


def test_thinning_keeps_what_is_far_apart():
    points = torch.cat([torch.zeros(50, 2), torch.ones(50, 2), torch.tensor([[9.0, 9.0]])])
    kept = thinned(points + 1e-3 * draw(101, 1, (2,)), 3)
    assert sorted(kept.sum(1).round().tolist()) == [0.0, 2.0, 18.0]


def test_moments_of_a_disc_and_of_a_square_do_not_change_with_place_and_size():
    x, y = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")

    def square(side, a, b):
        return ((x - a).abs() < side / 2) & ((y - b).abs() < side / 2)

    discs = torch.stack([(x - 30) ** 2 + (y - 30) ** 2 < 20**2, (x - 40) ** 2 + (y - 22) ** 2 < 15**2])
    squares = torch.stack([square(30, 20.5, 20.5), square(20, 40.5, 33.5)])
    of_discs, of_squares = (moments(some[:, None].float()) for some in (discs, squares))
    torch.testing.assert_close(of_discs[:, 1], torch.full((2,), 1 / (2 * math.pi)), rtol=5e-3, atol=0)
    torch.testing.assert_close(of_squares[:, 1], torch.full((2,), 1 / 6), rtol=5e-3, atol=0)
    torch.testing.assert_close(of_discs[:, 2], torch.full((2,), 1 / (3 * math.pi**2)), rtol=1e-2, atol=0)


def test_statistics_of_known_values():
    x = torch.tensor([0.0, 0, 0, 4]).reshape(1, 1, 2, 2)
    deviation = math.sqrt(3)
    expected = [1, deviation, (3 * -1 + 27) / 4 / deviation**3, (3 + 81) / 4 / 9, 0, 4]
    torch.testing.assert_close(statistics(x)[0], torch.tensor(expected))


@pytest.mark.parametrize("grid", [(12, 12), (8, 12), (6, 6, 8)])
def test_the_two_point_correlation_is_that_of_the_microstructure_room(grid):
    x = (draw(3, 1, (1, *grid)) > 0.3).float()
    correlations = two_point_correlation(x[:, 0].numpy())
    expected = torch.as_tensor(radial_average(correlations)[1])
    torch.testing.assert_close(correlation(x).double(), expected, rtol=1e-4, atol=1e-5)


def test_a_function_of_your_own_is_a_descriptor():
    detector = DescriptorDistance(SHAPE, lambda x: x.flatten(1).amax(1, keepdim=True))
    detector.fit_normal(draw(100, 1), draw(50, 2))
    assert detector.score(draw(1, 3) + 9) > 10


def test_a_descriptor_that_is_not_finite_is_refused():
    detector = DescriptorDistance((1, 4, 4), lambda x: x.flatten(1).log())
    with pytest.raises(ValueError, match="descriptors or latents of normal samples that are finite"):
        detector.fit_normal(torch.zeros(20, 1, 4, 4), torch.rand(20, 1, 4, 4))


def test_moments_take_fields_of_both_signs():
    detector, generator = DescriptorDistance((1, 6, 6), "moments"), torch.Generator().manual_seed(0)
    normal, calibration = (torch.randn(40, 1, 6, 6, generator=generator) for _ in range(2))
    detector.fit_normal(normal, calibration)
    assert detector.score(3 * normal).mean() > 3


def test_units_of_a_descriptor_do_not_matter():
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(200, 3, generator=generator) @ torch.randn(3, 3, generator=generator) + 5
    scale, found = torch.tensor([1e4, 1.0, 1e-3]), []
    for unit in (torch.ones(3), scale):
        distance = MahalanobisDistance(3)
        distance.fit(points * unit)
        found.append(distance(points[:20] * unit))
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-3)
