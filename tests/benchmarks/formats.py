"""Ways to keep samples on a disk: each writes an array (samples, ...) to a path and reads rows of it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np

from genmech_fem.datasets import Store
from genmech_fem.datasets.writer import Writer
from genmech_fem.fields import FieldSpec, Grid

type Reader = Callable[[np.ndarray], np.ndarray]

TOGETHER = 64  # samples that are written at once


def _new_store(path: Path, values: np.ndarray) -> Store:
    return Store.create(path, (FieldSpec("u", Grid(values.shape[2:], (0, 0), (1, 1)), values.shape[1:2]),), {})


def store_write(path: Path, values: np.ndarray) -> None:
    store = _new_store(path, values)
    for start in range(0, len(values), TOGETHER):
        part = values[start : start + TOGETHER]
        store.write(range(start, start + len(part)), {"u": part})


def store_one_by_one(path: Path, values: np.ndarray) -> None:
    writer = Writer(_new_store(path, values), "part-0-of-1")
    for i in range(len(values)):
        writer.add([i], {"u": values[i : i + 1]}, {})
    writer.close()


def store_read(path: Path, *, verify: bool = False) -> Reader:
    samples = Store.open(path).samples(verify=verify)
    return lambda rows: samples[rows]["u"]


def hdf5_write(path: Path, values: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("u", values.shape, values.dtype, chunks=(1, *values.shape[1:]))
        for start in range(0, len(values), TOGETHER):
            dataset[start : start + TOGETHER] = values[start : start + TOGETHER]


def hdf5_read(path: Path) -> Reader:
    dataset = h5py.File(path)["u"]
    return lambda rows: dataset[np.sort(rows)][np.argsort(np.argsort(rows))]


def npz_write(path: Path, values: np.ndarray) -> None:
    path.mkdir()
    for i, value in enumerate(values):
        np.savez(path / f"{i}.npz", u=value)


def npz_read(path: Path) -> Reader:
    return lambda rows: np.stack([np.load(path / f"{i}.npz")["u"] for i in rows])


def npy_write(path: Path, values: np.ndarray) -> None:
    with path.open("wb") as file:
        np.save(file, values)


def npy_read(path: Path) -> Reader:
    array = np.load(path, mmap_mode="r")
    return lambda rows: array[rows]


FORMATS: dict[str, tuple[Callable[[Path, np.ndarray], None], Callable[[Path], Reader]]] = {
    "genmech store, shards": (store_write, store_read),
    "genmech store, sample by sample": (store_one_by_one, store_read),
    "genmech store, checksums compared": (store_write, partial(store_read, verify=True)),
    "HDF5, one file (not safe against kills)": (hdf5_write, hdf5_read),
    "npz, one file a sample": (npz_write, npz_read),
    "npy, one file (no safety at all)": (npy_write, npy_read),
}
