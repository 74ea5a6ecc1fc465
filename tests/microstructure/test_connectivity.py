import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import generate_binary_structure, label

from genmech_fem.microstructure import (
    PeriodicFibres,
    circularity,
    component_count,
    components,
    nearest_neighbour_distances,
    percolation,
    torus_offsets,
)


def test_fibres_are_found_with_their_place_size_and_distance():
    sampler = PeriodicFibres(resolution=128, radius=(0.07, 0.1))
    for i in range(10):
        centres, radius = sampler.discs(np.random.default_rng(i))
        phase = sampler(np.random.default_rng(i))["phase"]
        found = components(phase[0])
        assert len(found.sizes) == len(centres)
        np.testing.assert_allclose(found.sizes / 128**2, np.pi * radius**2, rtol=0.03)
        places = (found.centroids + 0.5) / 128
        nearest = [np.linalg.norm(torus_offsets(places, c, 1.0), axis=1).min() for c in centres]
        assert max(nearest) < 2e-3
        expected = [
            np.linalg.norm(torus_offsets(np.delete(places, k, 0), p, 1.0), axis=1).min() for k, p in enumerate(places)
        ]
        np.testing.assert_allclose(nearest_neighbour_distances(phase, 1 / 128)[0], expected, atol=1e-12)
        assert found.circularity.min() > 0.99
        assert not found.percolates.any()


def test_nearest_neighbours_of_poisson_points_are_hertz_distributed():
    generator, side, count = np.random.default_rng(0), 1000, 300
    images = np.zeros((10, side, side), dtype=bool)
    for image in images:
        image[tuple(generator.integers(0, side, (2, count)))] = True
    mean = np.mean(np.concatenate(nearest_neighbour_distances(images)))
    assert mean == pytest.approx(0.5 / np.sqrt(count / side**2), rel=0.03)


@pytest.mark.parametrize("dimension", [2, 3])
def test_components_do_not_change_under_translation(dimension):
    generator = np.random.default_rng(dimension)
    shape = (9, 12, 7)[:dimension]
    for share in (0.2, 0.4, 0.6):
        image = generator.random(shape) < share
        for diagonal in (False, True):
            found = components(image, diagonal)
            moved = components(np.roll(image, (4, 5, 3)[:dimension], tuple(range(dimension))), diagonal)
            for name in ("sizes", "circularity"):
                np.testing.assert_allclose(np.sort(getattr(moved, name)), np.sort(getattr(found, name)), atol=1e-12)
            np.testing.assert_array_equal(moved.percolates.sum(axis=0), found.percolates.sum(axis=0))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95), st.booleans(), st.sampled_from([(6, 7), (4, 5, 6)]))
def test_components_and_winding_agree_with_those_of_the_tiled_image(seed, share, diagonal, shape):
    image = np.random.default_rng(seed).random(shape) < share
    found = components(image, diagonal)
    structure = generate_binary_structure(image.ndim, image.ndim if diagonal else 1)
    # within 5 cells a side every piece of the middle cell meets all it is connected to, or winds
    tiled, _ = label(np.tile(image, (5,) * image.ndim), structure)
    middle = tuple(slice(2 * n, 3 * n) for n in image.shape)
    for number, winds in enumerate(found.percolates, start=1):
        pixels = found.labels == number
        assert found.sizes[number - 1] == pixels.sum()
        if not winds.any():
            assert len(np.unique(tiled[np.tile(pixels, (5,) * image.ndim)])) >= 3**image.ndim
            assert len(set(tiled[middle][pixels])) <= 2**image.ndim
    assert (found.labels > 0).sum() == image.sum()
    flat, count = label(image, structure)
    whole = components(image, diagonal, periodic=False)
    assert len(whole.sizes) == count
    np.testing.assert_array_equal(whole.labels, flat)


def test_percolation_of_bars_diagonals_and_gaps():
    bar = np.zeros((6, 6), dtype=bool)
    bar[:, 2] = True
    gap = bar.copy()
    gap[3, 2] = False
    shifted = np.zeros((6, 6), dtype=bool)  # reaches both ends, but not at the same place
    shifted[:3, 1] = shifted[2, 1:5] = shifted[2:, 4] = True
    stairs = np.eye(6, dtype=bool) | np.roll(np.eye(6, dtype=bool), 1, 0)
    images = np.stack([bar, gap, shifted, stairs, np.ones_like(bar), np.zeros_like(bar)])
    np.testing.assert_array_equal(percolation(images), [[1, 0], [0, 0], [0, 0], [1, 1], [1, 1], [0, 0]])
    np.testing.assert_array_equal(percolation(images, periodic=False), [[1, 0], [0, 0], [1, 0], [1, 1], [1, 1], [0, 0]])
    diagonal = np.eye(6, dtype=bool)[None]
    np.testing.assert_array_equal(percolation(diagonal), [[0, 0]])
    np.testing.assert_array_equal(percolation(diagonal, diagonal=True), [[1, 1]])
    np.testing.assert_array_equal(component_count(diagonal), [6])
    np.testing.assert_array_equal(component_count(diagonal, diagonal=True), [1])


def test_a_helix_round_the_torus_winds_along_its_axis():
    helix = np.zeros((8, 8, 8), dtype=bool)
    for x, (y, z) in enumerate([(0, 0), (0, 2), (0, 5), (3, 5), (5, 5), (5, 2), (5, 0), (2, 0)]):
        helix[x, y, z] = True
    path = np.zeros_like(helix)
    corners = np.argwhere(helix)
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        path[a[0], min(a[1], b[1]) : max(a[1], b[1]) + 1, min(a[2], b[2]) : max(a[2], b[2]) + 1] = True
    np.testing.assert_array_equal(percolation(path[None]), [[True, False, False]])
    assert component_count(path[None])[0] == 1


def test_circularity_of_balls_squares_and_cubes():
    x = np.arange(40) - 19.7
    disc = x[:, None] ** 2 + x**2 < 15.2**2
    square = (np.abs(x)[:, None] < 9) & (np.abs(x) < 9)
    ball = x[:, None, None] ** 2 + x[:, None] ** 2 + x**2 < 12.3**2
    cube = square[:, :, None] & (np.abs(x) < 9)
    for image, expected, error in ((disc, 1, 2e-3), (square, 3 / np.pi, 1e-12), (ball, 1, 5e-3), (cube, 0.9241, 1e-3)):
        assert circularity(image[None])[0] == pytest.approx([expected], abs=error)
        moved = np.roll(image, (17, 23), (0, 1))
        assert circularity(moved[None])[0] == pytest.approx(circularity(image[None])[0])
    bar = np.zeros((1, 8, 8))
    bar[0, :, 3] = 1
    np.testing.assert_array_equal(circularity(bar)[0], [0])


def test_images_without_or_with_one_inclusion():
    empty, full = np.zeros((1, 8, 8)), np.ones((1, 8, 8))
    one = empty.copy()
    one[0, 3, 3] = 1
    assert component_count(np.concatenate([empty, full, one])).tolist() == [0, 1, 1]
    assert [d.size for d in nearest_neighbour_distances(np.concatenate([empty, full, one]))] == [0, 0, 0]
    assert circularity(empty)[0].size == 0
    assert components(empty[0]).percolates.shape == (0, 2)
    assert components(full[0]).percolates.all()
    np.testing.assert_allclose(components(one[0]).centroids, [[3, 3]])


def test_bad_images_are_refused():
    with pytest.raises(ValueError, match="expected images"):
        components(np.zeros(5))
    with pytest.raises(ValueError, match="NaN"):
        components(np.full((4, 4), np.nan))
