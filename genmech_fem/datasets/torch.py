"""Stored arrays as training tensors."""

from collections.abc import Sequence

import numpy as np

from genmech_fem.datasets.store import Store
from genmech_fem.errors import MissingExtraError
from genmech_fem.fields import Arrays, Spec

try:
    import torch
    from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, SequentialSampler
except ImportError as error:
    raise MissingExtraError("torch", "learn") from error


def to_tensors(arrays: Arrays, specs: Sequence[Spec], dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    """Turn arrays into tensors of the layout that networks see.

    Args:
        arrays: Arrays (samples, *spec.shape).
        specs: The arrays to take.
        dtype: Type of the tensors.

    Returns:
        Tensors by name: fields (samples, channels, *grid), vectors (samples, size), and
        masks (samples, points) of fields whose number of points differs by sample.
    """
    tensors = {}
    for spec in specs:
        array = arrays[spec.name]
        tensors[spec.name] = torch.as_tensor(array.reshape(len(array), *_channels(spec, array)), dtype=dtype)
        mask = arrays.get(f"{spec.name}.mask")
        if mask is not None:
            tensors[f"{spec.name}.mask"] = torch.as_tensor(mask)
    return tensors


def _channels(spec: Spec, array: np.ndarray) -> tuple[int, ...]:
    channels, *place = spec.channel_shape
    return (channels, *(array.shape[-1:] if -1 in place else place))


class StoredSamples(Dataset[dict[str, torch.Tensor]]):
    """Samples of a store, read from the disk when they are asked for: for sets larger than the memory.

    ``dataset[i]`` is one sample, ``dataset[[i, j, ...]]`` a batch, which is much faster than
    sample by sample; see `to_tensors` for the layout.

    Args:
        store: The data set.
        numbers: Numbers of the samples, such as those of a part of a split; None is all.
        names: The arrays; None is all.
        dtype: Type of the tensors.

    Raises:
        DatasetError: A number or a name is unknown, or a shard is damaged.
    """

    def __init__(
        self,
        store: Store,
        numbers: Sequence[int] | np.ndarray | None = None,
        names: Sequence[str] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._samples, self._dtype = store.samples(names), dtype
        self.numbers = self._samples.numbers if numbers is None else np.asarray(numbers)
        self._rows = self._samples.rows_of(self.numbers)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | Sequence[int]) -> dict[str, torch.Tensor]:
        """One sample, or a batch of those in a list."""
        if isinstance(index, int | np.integer):
            return {name: tensor[0] for name, tensor in self[[int(index)]].items()}
        return to_tensors(self._samples[self._rows[np.asarray(index)]], self._samples.specs, self._dtype)


def loader(
    dataset: StoredSamples,
    batch_size: int,
    *,
    shuffle: bool = True,
    drop_last: bool = False,
    generator: torch.Generator | None = None,
    workers: int = 0,
) -> DataLoader[dict[str, torch.Tensor]]:
    """Batches of a data set, each read at once.

    Args:
        dataset: The samples.
        batch_size: Samples of a batch.
        shuffle: Whether every pass has a new order.
        drop_last: Whether an incomplete last batch is left out.
        generator: Source of the order.
        workers: Processes that read ahead; the reading itself is seldom what limits training.
    """
    order = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
    return DataLoader(
        dataset,
        sampler=BatchSampler(order, batch_size, drop_last),
        batch_size=None,
        num_workers=workers,
        multiprocessing_context="forkserver" if workers else None,  # a fork of a process with MPI may hang
        persistent_workers=workers > 0,
    )
