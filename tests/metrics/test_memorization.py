"""Memorisation against brute force over all shifts and symmetries."""

from itertools import permutations, product

import numpy as np
import pytest

from genmech_fem.errors import ContractError, NotFiniteError
from genmech_fem.metrics import memorization, nearest_distance
from genmech_fem.microstructure import PeriodicFibres


def symmetric_copies(image):
    for axes in permutations(range(image.ndim)):
        turned = image.transpose(axes)
        if turned.shape == image.shape:
            for flips in product((1, -1), repeat=image.ndim):
                yield turned[tuple(slice(None, None, flip) for flip in flips)]


def brute_force(sample, training, symmetries=True):
    best = np.inf, -1
    for copy in symmetric_copies(sample) if symmetries else [sample]:
        for shift in np.ndindex(sample.shape):
            moved = np.roll(copy, shift, tuple(range(sample.ndim)))
            for i, image in enumerate(training):
                best = min(best, (float(np.sqrt(np.mean((moved - image) ** 2))), i))
    return best


@pytest.mark.parametrize("shape", [(6, 6), (5, 5), (4, 6), (3, 3, 3), (2, 4, 4)])
@pytest.mark.parametrize("symmetries", [True, False])
@pytest.mark.parametrize("block", [2**24, 100])
def test_the_distance_is_that_of_trying_everything(shape, symmetries, block, monkeypatch):
    monkeypatch.setattr(memorization, "BLOCK", block)
    generator = np.random.default_rng(0)
    samples, training = generator.random((4, *shape)), generator.random((9, *shape))
    distances, index = nearest_distance(samples, training, symmetries=symmetries)
    expected = [brute_force(sample, training, symmetries) for sample in samples]
    np.testing.assert_allclose(distances, [d for d, _ in expected], rtol=1e-12)
    assert index.tolist() == [i for _, i in expected]


def test_a_cube_has_48_symmetries_and_a_square_8():
    for shape, count in (((4, 4), 8), ((4, 4, 4), 48), ((4, 6), 4)):
        image = np.random.default_rng(0).random(shape)
        assert len({copy.tobytes() for copy in symmetric_copies(image)}) == count
        assert 2 * len(list(memorization._versions(image))) == count


@pytest.fixture(scope="module")
def fibres():
    sampler = PeriodicFibres(resolution=32)
    return np.concatenate([sampler(np.random.default_rng(i))["phase"] for i in range(60)])


def test_a_shifted_turned_mirrored_copy_is_found_at_distance_zero(fibres):
    training = fibres[:50]
    copies = np.stack([np.roll(np.rot90(training[i])[::-1], (5, 9 + i), (0, 1)) for i in range(10)])
    distances, index = nearest_distance(copies, training)
    assert distances.max() == 0.0
    assert index.tolist() == list(range(10))
    assert nearest_distance(fibres[50:], training)[0].min() > 0.01
    assert nearest_distance(copies, training, symmetries=False)[0].max() > 0.1


def test_the_distance_to_noisy_copies_is_the_noise(fibres):
    noise = 0.01 * np.random.default_rng(0).standard_normal((20, 32, 32))
    moved = np.roll(fibres[:20], (3, 30), (1, 2)) + noise
    distances, index = nearest_distance(moved, fibres)
    np.testing.assert_allclose(distances, np.sqrt((noise**2).mean(axis=(1, 2))), rtol=1e-9)
    assert index.tolist() == list(range(20))


def test_errors_name_what_is_expected():
    images = np.zeros((3, 4, 4))
    with pytest.raises(ContractError, match=r"images \(4, 4\) as the samples, got \(4, 5\)"):
        nearest_distance(images, np.zeros((3, 4, 5)))
    with pytest.raises(
        ContractError, match=r"training: expected images \(batch, nx, ny\[, nz\]\), got shape \(0, 4, 4\)"
    ):
        nearest_distance(images, images[:0])
    with pytest.raises(NotFiniteError, match="samples: expected finite numbers"):
        nearest_distance(np.full((1, 4, 4), np.nan), images)
