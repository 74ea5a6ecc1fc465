import numpy as np
import pytest

from genmech_fem.geometry import conforming_mesh, multiphase_mesh, smooth_image, smooth_labels, with_facet_tags
from genmech_fem.microstructure import Voronoi


def square(n=32, shape=2):
    image = np.zeros((n,) * shape)
    image[(slice(n // 4, 3 * n // 4),) * shape] = 1.0
    return image


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("dimension", [2, 3])
def test_smoothing_keeps_the_share_and_rounds_the_corners(periodic, dimension):
    image = square(24, dimension)
    mesh = conforming_mesh(smooth_image(image, 1.5, periodic), periodic=periodic)
    assert mesh.phase_fractions()[1] == pytest.approx(image.mean(), abs=3e-3)
    box = mesh.points[mesh.cells[mesh.tags == 1]].reshape(-1, dimension)
    corner = np.linalg.norm(box - 0.25, axis=1).min()
    assert 0.2 / 24 < corner < 3 / 24


def test_smoothing_shortens_the_staircase_of_a_disc():
    x = (np.indices((48, 48)) + 0.5) / 48 - 0.5
    image = (np.hypot(*x) < 0.3).astype(float)
    lengths = []
    for level in (image, smooth_image(image)):
        mesh = with_facet_tags(conforming_mesh(level))
        edges = mesh.points[mesh.facets[mesh.facet_tags == mesh.names["interface_0_1"]]]
        lengths.append(np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1).sum())
    assert lengths[1] == pytest.approx(2 * np.pi * 0.3, rel=0.01)
    assert lengths[1] < lengths[0]


def test_one_phase_and_no_smoothing_stay_as_they_are():
    for value in (0.0, 1.0):
        np.testing.assert_allclose(smooth_image(np.full((6, 6), value)), value)
    image = square()
    assert np.abs(smooth_image(image, 0.0) - image).max() < 0.5


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_grains_of_a_polycrystal_keep_their_areas_and_meet_in_triple_points(periodic, seed):
    sampler = Voronoi(resolution=64, seeds=(8, 8))
    labels = np.asarray(sampler.labels(sampler.places(np.random.default_rng(seed)))).astype(int)
    mesh = with_facet_tags(multiphase_mesh(smooth_labels(labels, 1.0, periodic), periodic=periodic))
    assert mesh.measures().min() > 0
    assert mesh.measures().sum() == pytest.approx(1.0)
    assert mesh.smallest_angle() > 4
    np.testing.assert_allclose(mesh.phase_fractions(), np.bincount(labels.ravel()) / labels.size, atol=6e-3)
    touching = [set(mesh.tags[(mesh.cells == point).any(axis=1)].tolist()) for point in np.unique(mesh.facets)]
    assert sum(len(phases) == 3 for phases in touching) >= 5
    assert {name for name in mesh.names if name.startswith("phase")} == {f"phase_{k}" for k in range(8)}
    if periodic:
        left, right = (np.sort(mesh.points[mesh.points[:, 0] == x, 1]) for x in (0.0, 1.0))
        np.testing.assert_array_equal(left, right)


def test_two_phases_as_labels_are_the_two_phases_as_an_image():
    image = square() > 0
    one = conforming_mesh(smooth_labels(image.astype(int))[1], periodic=True)
    two = multiphase_mesh(smooth_labels(image.astype(int)), periodic=True)
    np.testing.assert_allclose(two.phase_fractions(), one.phase_fractions(), atol=3e-3)
    assert two.smallest_angle() > 6


def test_wrong_images_are_refused():
    with pytest.raises(ValueError, match="expected an image with values from 0 to 1"):
        smooth_image(np.full((4, 4), 255))
    with pytest.raises(ValueError, match="expected an image with values from 0 to 1"):
        smooth_image(np.full((4, 4), np.nan))
    with pytest.raises(ValueError, match="expected a width of at least 0 pixels, got -1"):
        smooth_image(np.zeros((4, 4)), -1.0)
    with pytest.raises(ValueError, match="expected whole numbers from 0"):
        smooth_labels(np.full((4, 4), 0.5))
    with pytest.raises(ValueError, match=r"expected \(phases, nx, ny\) of at least 2 phases"):
        multiphase_mesh(np.zeros((1, 8, 8)))
    with pytest.raises(ValueError, match="multiphase_mesh.indicators: expected finite values"):
        multiphase_mesh(np.full((2, 8, 8), np.nan))
