import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genmech_fem.errors import ContractError
from genmech_fem.microstructure import (
    GaussianRandomField,
    chord_length_distribution,
    directional_line,
    lineal_path,
    radial_average,
    seam_mismatch,
    two_point_correlation,
    volume_fraction,
)

RADIUS = 10.0
SIDE = 384
DENSITY = 0.7 / (np.pi * RADIUS**2)


@pytest.fixture(scope="module")
def discs():
    """Phase 1 outside the penetrable discs of a Poisson process on the torus, in several draws."""
    images = np.ones((12, SIDE, SIDE), dtype=bool)
    for i, image in enumerate(images):
        generator = np.random.default_rng(i)
        for centre in SIDE * generator.random((generator.poisson(DENSITY * SIDE**2), 2)):
            near = [np.arange(int(c - RADIUS), int(c + RADIUS) + 2) for c in centre]
            covered = (near[0][:, None] - centre[0]) ** 2 + (near[1] - centre[1]) ** 2 < RADIUS**2
            image[np.ix_(near[0] % SIDE, near[1] % SIDE)] &= ~covered
    return images


def union_of_two_discs(distance):
    half = np.minimum(distance / (2 * RADIUS), 1)
    return 2 * np.pi * RADIUS**2 - 2 * RADIUS**2 * (np.arccos(half) - half * np.sqrt(1 - half**2))


def test_two_point_correlation_of_penetrable_discs(discs):
    distance, s2 = radial_average(two_point_correlation(discs))
    expected = np.exp(-DENSITY * union_of_two_discs(distance))
    np.testing.assert_allclose(s2.mean(axis=0)[:60], expected[:60], atol=0.012)


@pytest.mark.parametrize("axis", [0, 1])
def test_lineal_path_and_chords_of_penetrable_discs(discs, axis):
    r = np.arange(80)
    path = lineal_path(discs, axis).mean(axis=0)
    np.testing.assert_allclose(path[:80], np.exp(-DENSITY * (np.pi * RADIUS**2 + 2 * RADIUS * r)), atol=0.012)
    chords = chord_length_distribution(discs, axis).mean(axis=0)
    decay = np.exp(-2 * RADIUS * DENSITY * r)
    longer = 1 - np.cumsum(chords)[:80]
    np.testing.assert_allclose(longer, decay, atol=0.02)


def markov_chains(keep, leave, shape, seed):
    """Lines whose next pixel stays in phase 1 with probability `keep` and leaves phase 0 with `leave`."""
    generator = np.random.default_rng(seed)
    state = generator.random(shape[1:]) < leave / (leave + 1 - keep)
    lines = []
    for _ in range(shape[0]):
        lines.append(state)
        state = generator.random(shape[1:]) < np.where(state, keep, leave)
    return np.stack(lines)[None]


@pytest.mark.parametrize("shape", [(400, 300), (200, 40, 40)])
def test_a_debye_medium_has_exponential_correlation_path_and_chords(shape):
    keep, leave = 0.8, 0.1
    image = markov_chains(keep, leave, shape, 0)
    share = leave / (leave + 1 - keep)
    direction = (1, *[0] * (len(shape) - 1))
    r = np.arange(20)
    s2 = directional_line(two_point_correlation(image), direction)[1][0, :20]
    np.testing.assert_allclose(s2, share**2 + share * (1 - share) * (keep - leave) ** r, atol=0.01)
    np.testing.assert_allclose(lineal_path(image)[0, :20], share * keep**r, atol=0.01)
    chords = chord_length_distribution(image)[0]
    np.testing.assert_allclose(chords[1:20], (1 - keep) * keep ** (r[1:] - 1), atol=0.01)


def test_a_laminate_is_known_in_every_descriptor():
    laminate = np.zeros((1, 24, 16), dtype=bool)
    laminate[:, 2:5] = laminate[:, 10:13] = laminate[:, 18:21] = True
    np.testing.assert_allclose(lineal_path(laminate, 0)[0, :5], [3 / 8, 2 / 8, 1 / 8, 0, 0])
    np.testing.assert_allclose(lineal_path(laminate, 1)[0], 3 / 8)
    np.testing.assert_array_equal(chord_length_distribution(laminate, 0)[0], np.arange(24) == 3)
    np.testing.assert_array_equal(chord_length_distribution(laminate, 1)[0], 0)
    s2 = two_point_correlation(laminate)
    distance, across = directional_line(s2, (2, 0), 0.5)
    np.testing.assert_allclose(across[0], np.array([3, 2, 1, 0, 0, 0, 1, 2, 3])[np.arange(9) % 8] / 8, atol=1e-12)
    np.testing.assert_allclose(distance, 0.5 * np.arange(9))
    np.testing.assert_allclose(directional_line(s2, (0, -1))[1], 3 / 8)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([(5, 6), (8, 4), (4, 5, 3)]),
    st.floats(0.0, 1.0),
)
def test_descriptors_agree_with_counting_pixel_by_pixel(seed, shape, share):
    images = np.random.default_rng(seed).random((2, *shape)) < share
    s2 = two_point_correlation(images)
    for axis, n in enumerate(shape):
        inside = images.copy()
        path = lineal_path(images, axis)
        for r in range(n):
            np.testing.assert_allclose(path[:, r], volume_fraction(inside), atol=1e-14)
            shifted = np.roll(images, -r, axis + 1)
            np.testing.assert_allclose(
                np.take(s2, r, axis + 1)[(slice(None), *[0] * (len(shape) - 1))],
                volume_fraction(images & shifted),
                atol=1e-12,
            )
            inside &= np.roll(images, -r - 1, axis + 1)
        chords = chord_length_distribution(images, axis)
        runs = [len(run) for line in np.moveaxis(images, axis + 1, -1)[0].reshape(-1, n) for run in chords_of(line)]
        expected = np.bincount(runs, minlength=n) / max(len(runs), 1) if runs else np.zeros(n)
        np.testing.assert_allclose(chords[0], expected, atol=1e-14)


def chords_of(line):
    if line.all():
        return []
    turned = np.roll(line, -int(np.argmin(line)))
    return [run for run in "".join("1" if v else "0" for v in turned).split("0") if run]


@pytest.mark.parametrize("describe", [two_point_correlation, lineal_path, chord_length_distribution])
def test_descriptors_do_not_change_under_translation(describe):
    images = np.random.default_rng(0).random((3, 12, 10)) < 0.7
    np.testing.assert_allclose(describe(np.roll(images, (5, 3), axis=(1, 2))), describe(images), atol=1e-14)


@pytest.mark.parametrize(
    ("shape", "spacing"), [((32, 32), 1.0), ((32, 16), (0.5, 1.0)), ((24, 24, 12), (1.0, 1.0, 2.0))]
)
def test_radial_averages_of_functions_of_the_length(shape, spacing):
    edges = np.broadcast_to(spacing, (len(shape),))
    axes = [np.fft.fftfreq(n, 1 / n) * h for n, h in zip(shape, edges, strict=True)]
    length = np.sqrt(sum(np.meshgrid(*[a**2 for a in axes], indexing="ij")))
    distance, means = radial_average(length[None], spacing)
    np.testing.assert_allclose(means[0], distance, atol=1e-13)
    # shells without a vector (pixels that are not square) have length 0
    filled = distance > 0
    assert (np.abs(distance - edges.min() * np.arange(len(distance)))[filled] <= edges.min() / 2).all()
    assert len(distance) == int(min(n * h for n, h in zip(shape, edges, strict=True)) / edges.min()) // 2 + 1


def test_the_seam_of_a_periodic_image_is_like_any_other_place():
    x = np.linspace(0, 2 * np.pi, 33)[:-1]
    wave = np.cos(x)[:, None] * np.sin(2 * x)[None] + np.zeros((2, 1, 1))
    np.testing.assert_allclose(
        np.median([seam_mismatch(np.roll(wave, k, (1, 2))) for k in range(32)], axis=0), 1, atol=0.25
    )
    cells = np.concatenate([GaussianRandomField(48)(np.random.default_rng(i))["phase"] for i in range(30)])
    assert np.median(seam_mismatch(cells), axis=0).max() < 1.3
    assert np.median(seam_mismatch(cells[:, :32, :32]), axis=0).min() > 2
    ramp = np.broadcast_to(np.arange(20.0)[:, None], (1, 20, 6))
    np.testing.assert_allclose(seam_mismatch(ramp), [[19.0, 1.0]])
    assert seam_mismatch(np.ones((2, 4, 4, 4))).shape == (2, 3)
    np.testing.assert_array_equal(seam_mismatch(np.ones((2, 4, 4, 4))), 1)


@pytest.mark.parametrize("describe", [two_point_correlation, lineal_path, chord_length_distribution])
def test_bad_images_are_refused(describe):
    with pytest.raises(ContractError, match="expected images"):
        describe(np.zeros((4, 4)))
    with pytest.raises(ContractError, match="expected images"):
        describe(np.zeros((0, 4, 4)))
    with pytest.raises(ContractError, match="NaN"):
        describe(np.full((1, 4, 4), np.nan))


def test_bad_arguments_are_refused():
    images = np.zeros((1, 4, 4))
    for describe in (lineal_path, chord_length_distribution):
        for axis in (-1, 2):
            with pytest.raises(ValueError, match="axis: expected 0 to 1"):
                describe(images, axis)
    with pytest.raises(ValueError, match="direction: expected 2 numbers"):
        directional_line(images, (0, 0))
    with pytest.raises(ValueError, match="direction: expected 2 numbers"):
        directional_line(images, (1, 0, 0))
    with pytest.raises(ValueError, match="spacing: expected numbers above 0"):
        radial_average(images, (1.0, -1.0))
    with pytest.raises(ContractError, match="at least 2 pixels"):
        seam_mismatch(np.zeros((1, 4, 1)))
