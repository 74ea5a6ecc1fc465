import numpy as np
import pytest
import torch
from campaigns import CLOUD, SMALL
from fem_campaigns import FIBRES

from genmech_fem.datasets import Store, generate, split_by_hash, statistics
from genmech_fem.datasets.torch import StoredSamples, loader, to_tensors
from genmech_fem.errors import DatasetError
from genmech_fem.training.normalization import Normalizer


@pytest.fixture
def fibres(tmp_path):
    generate(FIBRES, tmp_path / "fibres")
    return Store.open(tmp_path / "fibres")


def test_samples_and_batches_are_the_stored_arrays(fibres):
    _, arrays = fibres.read()
    dataset = StoredSamples(fibres)
    assert len(dataset) == 6
    tensors = to_tensors(arrays, fibres.specs)
    batch = dataset[[4, 0]]
    for name, whole in tensors.items():
        torch.testing.assert_close(batch[name], whole[[4, 0]], rtol=0, atol=0)
        torch.testing.assert_close(dataset[3][name], whole[3], rtol=0, atol=0)
    assert {name: tuple(t.shape) for name, t in batch.items()} == {
        "phase": (2, 1, 16, 16),
        "stiffness": (2, 6),
        "strain": (2, 9, 16, 16),
    }
    assert batch["strain"].dtype == torch.float32


@pytest.mark.parametrize("workers", [0, 1])
def test_a_pass_of_the_loader_sees_every_sample_of_its_part_once(tmp_path, workers):
    generate(SMALL, tmp_path)
    found = Store.open(tmp_path)
    part = found.numbers()[::2]
    dataset = StoredSamples(found, part, ["x"])
    batches = loader(dataset, 5, generator=torch.Generator().manual_seed(1), workers=workers)
    passes = [torch.cat([batch["x"] for batch in batches]).numpy() for _ in range(2)]
    _, arrays = found.read(part, ["x"])
    assert not np.array_equal(passes[0], passes[1])
    for seen in passes:
        np.testing.assert_array_equal(np.sort(seen, axis=0), np.sort(arrays["x"].astype(np.float32), axis=0))


def test_fields_on_points_come_with_their_masks(tmp_path):
    generate(CLOUD, tmp_path)
    dataset = StoredSamples(Store.open(tmp_path))
    batch = dataset[[1, 0, 2]]
    assert batch["v"].shape == (3, 2, batch["v.mask"].shape[1])
    one = dataset[0]
    assert one["v.mask"].all()
    torch.testing.assert_close(batch["v"][1][:, batch["v.mask"][1]], one["v"])


def test_normalisation_is_fitted_on_the_training_part(fibres):
    parts = split_by_hash(fibres, {"train": 0.7, "test": 0.3}, by="phase")
    found = statistics(fibres, parts["train"])["strain"]
    normalizer = Normalizer(9).set(torch.as_tensor(found.mean), torch.as_tensor(found.std))
    tensors = to_tensors(fibres.read(parts["train"])[1], fibres.specs)
    other = Normalizer(9).fit(tensors["strain"])
    torch.testing.assert_close(normalizer.mean, other.mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(normalizer.std, other.std, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match=r"expected \(9,\) numbers, got \(2,\)"):
        Normalizer(9).set(torch.ones(2), torch.ones(2))


def test_unknown_samples_are_refused(fibres):
    with pytest.raises(DatasetError, match="sample 9 is not among its 6 good samples"):
        StoredSamples(fibres, [1, 9])
