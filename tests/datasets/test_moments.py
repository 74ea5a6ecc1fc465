"""Streaming statistics against NumPy on whole arrays."""

import json
import tracemalloc

import numpy as np
import pytest

from genmech_fem.datasets import moments as module
from genmech_fem.datasets.moments import Statistics, statistics
from genmech_fem.datasets.store import Store
from genmech_fem.errors import ContractError, DatasetError
from genmech_fem.fields import FieldSpec, Grid, Points, ScalarSpec, pad

STRAIN = FieldSpec("strain", Grid((6, 4), (0, 0), (1, 1)), (2, 2))
LOAD = ScalarSpec("load", 3, "N")


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(module, "BATCH_BYTES", 8 * 100 * 7)


def store_of(path, specs, arrays, shard=9):
    store = Store.create(path, specs, {})
    size = len(next(iter(arrays.values())))
    for start in range(0, size, shard):
        numbers = range(start, min(start + shard, size))
        store.write(numbers, {name: array[numbers.start : numbers.stop] for name, array in arrays.items()})
    return store


def same(found, values):
    """Compare with NumPy's figures of values (n, channels)."""
    np.testing.assert_allclose(found.mean, values.mean(axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.std, values.std(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(found.minimum, values.min(axis=0))
    np.testing.assert_array_equal(found.maximum, values.max(axis=0))
    assert found.count == len(values)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_fields_and_vectors(tmp_path, dtype):
    generator = np.random.default_rng(0)
    scale = np.array([[1.0, 10.0], [1e-6, 1e6]])[..., None, None]
    strain = (scale * generator.standard_normal((50, 2, 2, 6, 4))).astype(dtype)
    load = generator.random((50, 3)).astype(dtype)
    store = store_of(tmp_path, (STRAIN, LOAD), {"strain": strain, "load": load})
    found = statistics(store)
    assert list(found) == ["strain", "load"]
    same(found["strain"], np.moveaxis(strain.reshape(50, 4, 24), 1, 2).reshape(-1, 4).astype(float))
    same(found["load"], load.astype(float))
    training = generator.permutation(50)[:20]
    found = statistics(store, training, ["load"])
    assert list(found) == ["load"]
    same(found["load"], load[training].astype(float))


def test_large_means_cost_no_digits(tmp_path):
    """The mean of the squares less the square of the mean would be wrong in the first digit."""
    load = 1e8 + np.random.default_rng(1).standard_normal((5000, 3))
    found = statistics(store_of(tmp_path, (LOAD,), {"load": load}, shard=1000))["load"]
    np.testing.assert_allclose(found.std, load.std(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.mean - 1e8, (load - 1e8).mean(axis=0), atol=1e-8)
    assert (found.std > 0.9).all()


def test_drift_from_batch_to_batch_is_part_of_the_deviation(tmp_path):
    load = np.arange(900.0)[:, None] * [1.0, -2.0, 0.0] + 5.0
    same(statistics(store_of(tmp_path, (LOAD,), {"load": load}))["load"], load)


def test_padding_does_not_count(tmp_path):
    generator = np.random.default_rng(2)
    samples = [7 + generator.random((2, n)) for n in (3, 300, 1, 12)]
    array, mask = pad(samples)
    store = store_of(tmp_path, (FieldSpec("cloud", Points(2), (2,)),), {"cloud": array, "cloud.mask": mask}, shard=2)
    same(statistics(store)["cloud"], np.concatenate(samples, axis=1).T)


def test_json_gives_the_same_numbers_back(tmp_path):
    load = np.random.default_rng(3).random((10, 3))
    found = statistics(store_of(tmp_path, (LOAD,), {"load": load}))["load"]
    back = Statistics.from_json(json.loads(json.dumps(found.to_json())))
    assert back.to_json() == found.to_json()
    np.testing.assert_array_equal(back.std, found.std)
    for bad in ({}, {**found.to_json(), "mean": [1.0]}, {**found.to_json(), "std": ["a", "b", "c"]}):
        with pytest.raises(ContractError, match="expected the JSON of Statistics"):
            Statistics.from_json(bad)


def test_the_memory_does_not_grow_with_the_set(tmp_path):
    spec = FieldSpec("image", Grid((64, 64), (0, 0), (1, 1)))
    store = store_of(tmp_path, (spec,), {"image": np.ones((600, 64, 64))}, shard=100)  # 20 MB
    tracemalloc.start()
    statistics(store)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6


def test_what_is_not_there_is_named(tmp_path):
    store = store_of(tmp_path, (LOAD,), {"load": np.ones((3, 3))})
    with pytest.raises(DatasetError, match="expected samples to compute statistics of, got none"):
        statistics(store, [])
    with pytest.raises(DatasetError, match="sample 7 is not among"):
        statistics(store, [7])
    with pytest.raises(DatasetError, match=r"expected names of arrays among \['load'\], got \['speed'\]"):
        statistics(store, names=["load", "speed"])
