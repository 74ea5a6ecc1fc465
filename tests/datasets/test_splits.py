"""Fingerprints against counted orbits of shifts and brute force; splits by content; planted leaks."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays as numpy_arrays

from genmech_fem.datasets.content import equal
from genmech_fem.datasets.splits import check_leakage, fingerprints, split_by_hash
from genmech_fem.datasets.store import Store
from genmech_fem.errors import DatasetError
from genmech_fem.fields import FieldSpec, Grid, Points, ScalarSpec, pad

GRID = Grid((8, 8), (0, 0), (1, 1))
SPECS = (FieldSpec("phase", GRID), FieldSpec("angle", GRID, (2,)), ScalarSpec("load", 2), ScalarSpec("result"))
SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}


def shifts(shape):
    return itertools.product(*map(range, shape))


def content(size, seed=0):
    generator = np.random.default_rng(seed)
    return {
        "phase": generator.integers(0, 2, (size, 8, 8)).astype(float),
        "angle": generator.random((size, 2, 8, 8)),
        "load": generator.random((size, 2)),
        "result": generator.random((size, 1)),
    }


def store_of(path, arrays, shard=100):
    store = Store.create(path, SPECS, {})
    size = len(arrays["load"])
    for start in range(0, size, shard):
        numbers = range(start, min(start + shard, size))
        store.write(numbers, {name: array[numbers.start : numbers.stop] for name, array in arrays.items()})
    return store


@pytest.mark.parametrize(("shape", "orbits"), [((2, 2), 7), ((3, 3), 64), ((4, 4), 4156), ((2, 2, 2), 46)])
def test_all_binary_images_have_as_many_fingerprints_as_there_are_orbits_of_shifts(shape, orbits):
    """Burnside's lemma counts the orbits, such as (2^9 + 8 * 2^3) / 9 = 64 of 3 x 3 pixels."""
    size = int(np.prod(shape))
    images = (np.arange(2**size)[:, None] >> np.arange(size) & 1).reshape(-1, *shape)
    assert len(np.unique(fingerprints(images, periodic=True))) == orbits
    assert len(np.unique(fingerprints(images))) == len(images)


@pytest.mark.parametrize("shape", [(16, 16), (5, 12), (6, 7, 8), (9,)])
def test_shifted_copies_share_the_fingerprint(shape):
    image = np.random.default_rng(0).standard_normal((1, 3, *shape))
    axes = tuple(range(1, len(shape) + 1))
    copies = np.stack([np.roll(image[0], shift, axes) for shift in shifts(shape)])
    assert len(np.unique(fingerprints(copies, periodic=True, value_axes=1))) == 1
    assert len(np.unique(fingerprints(copies))) == len(copies)


def test_images_of_one_volume_fraction_do_not_collide():
    generator = np.random.default_rng(1)
    images = generator.permuted(np.repeat([0.0, 1.0], [180, 76])[None].repeat(10_000, axis=0), axis=1)
    for periodic in (True, False):
        assert len(np.unique(fingerprints(images.reshape(-1, 16, 16), periodic=periodic))) == 10_000


def test_mirrored_turned_and_recoloured_images_differ():
    image = np.random.default_rng(2).integers(0, 2, (12, 12)).astype(float)
    others = [image, image[::-1], image[:, ::-1], image.T, np.rot90(image), np.rot90(image, 2), 1 - image, 2 * image]
    assert len(np.unique(fingerprints(np.stack(others), periodic=True))) == len(others)
    vectors = np.random.default_rng(3).random((1, 2, 12, 12))
    swapped = np.concatenate([vectors, vectors[:, ::-1]])
    assert len(np.unique(fingerprints(swapped, periodic=True, value_axes=1))) == 2


def test_fingerprints_depend_on_values_only_and_never_change():
    image = np.array([[[0.0, 1.0], [2.0, -0.0]]])
    for periodic, known in ((False, 0x3E8FEB0E0BEA2AD8), (True, 0x30515BC30B74DD45)):
        found = fingerprints(image, periodic=periodic)
        assert found.dtype == np.uint64
        for same in (image.astype(np.float32), image.astype(int), np.asfortranarray(image), image + 0.0):
            assert fingerprints(same, periodic=periodic) == found
        assert int(found[0]) == known
    assert fingerprints(np.zeros((0, 4, 4)), periodic=True).shape == (0,)


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_copies_are_found_exactly_where_brute_force_finds_them(data):
    shape = data.draw(st.sampled_from([(4, 4), (2, 6), (2, 3, 2)]))
    images = numpy_arrays(np.float64, (1, *shape), elements=st.sampled_from([0.0, 1.0]))
    a = data.draw(images)
    axes = tuple(range(1, a.ndim))
    b = (
        np.roll(a, data.draw(st.sampled_from(list(shifts(shape)))), axes)
        if data.draw(st.booleans())
        else data.draw(images)
    )
    expected = any(np.array_equal(a, np.roll(b, shift, axes)) for shift in shifts(shape))
    same = len(np.unique(fingerprints(np.stack([a, b]), periodic=True, value_axes=1))) == 1
    assert equal(a, b, periodic=True) == same == expected


def test_bad_arrays_are_named():
    with pytest.raises(ValueError, match="expected real numbers, got dtype complex128"):
        fingerprints(np.zeros((2, 3), dtype=complex))
    with pytest.raises(ValueError, match=r"expected an array \(samples, value, \*grid\), got shape \(2,\)"):
        fingerprints(np.zeros(2), periodic=True, value_axes=1)


@pytest.fixture(scope="module")
def thousand(tmp_path_factory):
    return store_of(tmp_path_factory.mktemp("store") / "a", content(1000))


@pytest.mark.parametrize(("by", "periodic"), [("load", False), (["phase", "angle", "load"], True)])
def test_shares_are_met_and_the_parts_are_complete(thousand, by, periodic):
    parts = split_by_hash(thousand, SHARES, by=by, periodic=periodic)
    assert list(parts) == list(SHARES)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(1000))
    for name, share in SHARES.items():
        assert abs(len(parts[name]) - 1000 * share) < 4 * np.sqrt(1000 * share * (1 - share))
        assert (np.diff(parts[name]) > 0).all()
    check_leakage(thousand, parts, by=by, periodic=periodic)
    again = split_by_hash(thousand, SHARES, by=by, periodic=periodic)
    other = split_by_hash(thousand, SHARES, by=by, periodic=periodic, seed=1)
    assert all(np.array_equal(parts[name], again[name]) for name in SHARES)
    common = len(np.intersect1d(parts["train"], other["train"]))
    assert abs(common - 490) < 4 * np.sqrt(1000 * 0.49 * 0.51)


def test_a_set_that_grows_moves_no_sample(tmp_path):
    arrays = content(300)
    store = store_of(tmp_path, {name: array[:120] for name, array in arrays.items()})
    before = split_by_hash(store, SHARES, by="phase", periodic=True)
    store.write(range(120, 300), {name: array[120:] for name, array in arrays.items()})
    after = split_by_hash(store, SHARES, by="phase", periodic=True)
    for name in SHARES:
        np.testing.assert_array_equal(before[name], after[name][after[name] < 120])


def test_copies_land_in_one_part(tmp_path):
    arrays = content(200)
    generator = np.random.default_rng(5)
    for i in range(100, 200):
        shift = tuple(generator.integers(1, 8, 2))
        arrays["phase"][i] = np.roll(arrays["phase"][i - 100], shift, (0, 1))
        arrays["angle"][i] = np.roll(arrays["angle"][i - 100], shift, (1, 2))
    arrays["load"][100:] = arrays["load"][:100]
    store = store_of(tmp_path, arrays)
    inputs = ("phase", "angle", "load")
    parts = split_by_hash(store, SHARES, by=inputs, periodic=True)
    for members in parts.values():
        assert set((members % 100).tolist()) == set(members[members < 100].tolist())
    check_leakage(store, parts, by=inputs, periodic=True)
    halves = {"a": np.arange(100), "b": np.arange(100, 200)}
    check_leakage(store, halves, by=inputs)
    with pytest.raises(DatasetError, match=r"different parts: 100, namely 0 \(a\) and 100 \(b\).* and 90 more"):
        check_leakage(store, halves, by=inputs, periodic=True)


@pytest.mark.parametrize("shift", [(0, 0), (3, 5)])
def test_a_planted_leak_is_named(tmp_path, shift):
    arrays = content(50)
    arrays["phase"][41] = np.roll(arrays["phase"][7], shift, (0, 1))
    store = store_of(tmp_path, arrays)
    parts = {"train": np.arange(40), "test": np.arange(40, 50)}
    with pytest.raises(DatasetError, match=r"different parts: 1, namely 7 \(train\) and 41 \(test\); split_by_hash"):
        check_leakage(store, parts, by="phase", periodic=True)
    check_leakage(store, parts, by=["phase", "angle"], periodic=True)
    if any(shift):
        check_leakage(store, parts, by="phase")


def test_fields_have_to_shift_together_to_be_a_copy(tmp_path):
    arrays = content(2)
    arrays["load"][1] = arrays["load"][0]
    arrays["phase"][1] = np.roll(arrays["phase"][0], (1, 0), (0, 1))
    arrays["angle"][1] = np.roll(arrays["angle"][0], (2, 0), (1, 2))
    store = store_of(tmp_path, arrays)
    parts = {"a": np.array([0]), "b": np.array([1])}
    check_leakage(store, parts, by=["phase", "angle"], periodic=True)
    for name in ("phase", "angle"):
        with pytest.raises(DatasetError, match=r"0 \(a\) and 1 \(b\)"):
            check_leakage(store, parts, by=[name, "load"], periodic=True)


def test_a_number_in_two_parts_is_named(thousand):
    with pytest.raises(DatasetError, match="sample 5 is in 'train' and in 'test'"):
        check_leakage(thousand, {"train": np.arange(6), "test": np.arange(5, 9)}, by="load")


def test_many_copies_of_one_sample_take_one_comparison_each(tmp_path):
    arrays = content(400)
    arrays["phase"][:] = 1.0
    store = store_of(tmp_path, arrays)
    assert sorted(map(len, split_by_hash(store, SHARES, by="phase").values())) == [0, 0, 400]
    with pytest.raises(DatasetError, match="different parts: 200"):
        check_leakage(store, {"a": np.arange(200), "b": np.arange(200, 400)}, by="phase", periodic=True)


def test_padding_does_not_count(tmp_path):
    """The same points in batches of another length have the same fingerprint; more points have another."""
    cloud = np.random.default_rng(0).random((2, 5))
    spec = FieldSpec("cloud", Points(2), (2,))
    store = Store.create(tmp_path, [spec], {})
    samples = [
        cloud,
        *np.random.default_rng(1).random((98, 2, 3)),
        np.ones((2, 40)),
        cloud,
        np.c_[cloud, [[0.0], [0.0]]],
    ]
    array, mask = pad(samples)
    store.write(range(len(samples)), {"cloud": array, "cloud.mask": mask})
    with pytest.raises(DatasetError, match=r"different parts: 1, namely 0 \(a\) and 100 \(b\)"):
        check_leakage(store, {"a": np.arange(100), "b": np.array([100, 101])}, by="cloud")


def test_bad_arguments_are_named(thousand):
    with pytest.raises(ValueError, match=r"positive shares that add up to 1, got \{'a': 0.5\}"):
        split_by_hash(thousand, {"a": 0.5}, by="load")
    with pytest.raises(ValueError, match="seed >= 0, got -1"):
        split_by_hash(thousand, {"a": 1.0}, by="load", seed=-1)
    with pytest.raises(ValueError, match=r"expected names among .*, got \['speed'\]"):
        split_by_hash(thousand, {"a": 1.0}, by="speed")
    with pytest.raises(ValueError, match="expected fields on the cells of one grid"):
        split_by_hash(thousand, {"a": 1.0}, by="load", periodic=True)
