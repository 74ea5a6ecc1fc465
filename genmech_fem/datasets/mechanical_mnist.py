"""Mechanical MNIST, uniaxial extension, from its published files.

Lejeune (2020), doi:10.1016/j.eml.2020.100659. A block of 28 x 28 pixels of neo-Hookean
material, E = 1 + 99 grey / 255 in each and nu = 0.3, is clamped at the bottom and pulled
upwards at the top; the set holds its strain energy at 13 displacements.
"""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Literal

import numpy as np

from genmech_fem.datasets.store import Store, unused
from genmech_fem.datasets.tables import read_table
from genmech_fem.drafts import draft
from genmech_fem.errors import DatasetError
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec

DISPLACEMENT = (0.0, 0.001, 0.01, 0.1, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0)
ARRAYS = {"bitmap": "(samples, 28, 28)", "strain_energy": "(samples, steps)", "displacement": "(steps,)"}
BLOCK = 1024  # samples in memory, and in a shard
ABOUT = {
    "title": "Mechanical MNIST, uniaxial extension",
    "licence": "CC BY-SA 3.0",
    "source": "E. Lejeune (2020), https://hdl.handle.net/2144/38693, doi:10.1016/j.eml.2020.100659",
}

type _Blocks = Iterator[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Published:
    """Bitmaps (samples, 28, 28), row 0 at the top, and energies (samples, steps) at displacements (steps,)."""

    bitmap: np.ndarray
    strain_energy: np.ndarray
    displacement: np.ndarray


def youngs_modulus(bitmap: np.ndarray) -> np.ndarray:
    """Modulus E = 1 + 99 pixel / 255 of blocks (..., nx, ny), last axis upwards, from images with row 0 at the top."""
    return np.asarray(1.0 + 99.0 * np.swapaxes(np.asarray(bitmap, dtype=float)[..., ::-1, :], -1, -2) / 255.0)


def import_mechanical_mnist(
    source: Path | str | Sequence[Path | str], path: Path | str, *, part: Literal["train", "test"] = "train"
) -> Store:
    """Turn the published files into a store, block by block.

    Args:
        source: Folder with ``mnist_img_train.txt`` and ``summary_psi_train_all.txt`` (or
            ``test``), or with the archives they are published in; or these two files; or an
            ``.npz`` with the arrays of `Published`. Text files may be gzipped or zipped.
        path: Folder of the store, empty or not there; it appears when all samples are in it.
        part: Which samples of a folder or of archives; one store holds one part.

    Returns:
        Store of "youngs_modulus" on the cells of the block, x to the right and y upwards, and
        "strain_energy" at the displacements that its description lists. Sample 0 is the first row.

    Raises:
        DatasetError: A file is missing or damaged, the files differ in their numbers of
            samples, or `path` is in use.
        OSError: A file cannot be read or written.
    """
    path = unused(path)
    files, displacement, blocks = _open(source, part)
    specs = (
        FieldSpec("youngs_modulus", Grid((28, 28), (0, 0), (28, 28))),
        ScalarSpec("strain_energy", len(displacement)),
    )
    description = {"data": ABOUT["title"], "files": [f.name for f in files], "displacement": list(displacement)}
    with draft(path) as unfinished:
        _fill(Store.create(unfinished, specs, description, ABOUT), blocks, files[0])
    return Store.open(path)


def _fill(store: Store, blocks: _Blocks, file: Path) -> None:
    """Write blocks into a new store; errors name the file of the bitmaps."""
    done = 0
    for bitmap, energy in blocks:
        if bitmap.min() < 0 or bitmap.max() > 255:
            values = f"{bitmap.min():g} to {bitmap.max():g}"
            raise DatasetError(f"{file}: expected grey values from 0 to 255, got {values}")
        arrays = {"youngs_modulus": youngs_modulus(bitmap), "strain_energy": energy}
        store.write(range(done, done + len(bitmap)), arrays)
        done += len(bitmap)
    if not done:
        raise DatasetError(f"{file}: expected samples, got an empty file")


def read(file: Path) -> Published:
    """Read an npz file of Mechanical MNIST.

    Raises:
        OSError: It cannot be read.
        DatasetError: It is damaged, or arrays are missing or have the wrong shape.
    """
    try:
        with file.open("rb") as stream, np.load(stream) as archive:
            missing = sorted(set(ARRAYS) - set(archive.files))
            arrays = {} if missing else {name: np.asarray(archive[name], dtype=float) for name in ARRAYS}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, AttributeError, TypeError) as error:
        raise DatasetError(f"{file}: expected an npz archive, got a damaged or another file ({error})") from error
    if missing:
        raise DatasetError(f"{file}: expected the arrays {list(ARRAYS)}, missing are {missing}")
    samples, steps = len(arrays["bitmap"]), arrays["displacement"].size
    expected = {"bitmap": (samples, 28, 28), "strain_energy": (samples, steps), "displacement": (steps,)}
    for name, array in arrays.items():
        if array.shape != expected[name]:
            raise DatasetError(f"{file}: {name}: expected shape {ARRAYS[name]} = {expected[name]}, got {array.shape}")
        if not np.isfinite(array).all():
            raise DatasetError(f"{file}: {name}: expected finite numbers, got NaN or infinity")
    if arrays["bitmap"].min(initial=0) < 0 or arrays["bitmap"].max(initial=0) > 255:
        raise DatasetError(f"{file}: bitmap: expected grey values from 0 to 255, got others")
    return Published(**arrays)


def _open(source: Path | str | Sequence[Path | str], part: str) -> tuple[list[Path], tuple[float, ...], _Blocks]:
    """Files, displacements, and blocks of bitmaps (samples, 28, 28) with energies (samples, steps)."""
    names = (f"mnist_img_{part}.txt", f"summary_psi_{part}_all.txt")
    if isinstance(source, Path | str):
        source = Path(source)
        if source.suffix == ".npz":
            data = read(source)
            starts = range(0, len(data.bitmap), BLOCK)
            blocks = ((data.bitmap[i : i + BLOCK], data.strain_energy[i : i + BLOCK]) for i in starts)
            return [source], tuple(float(f"{d:.6g}") for d in data.displacement), blocks  # digits of single precision
        files = [_find(source, *both) for both in zip(names, ("MNIST_input_files", "FEA_psi_results"), strict=True)]
    else:
        files = [Path(file) for file in source]
        if len(files) != 2:
            raise DatasetError(f"expected two files, bitmaps and energies, got {len(files)}")
    return files, DISPLACEMENT, _rows(files, names)


def _find(folder: Path, name: str, archive: str) -> Path:
    candidates = (name, f"{name}.gz", f"{name}.zip", f"{archive}.zip", f"{archive}/{name}")
    for file in (folder / candidate for candidate in candidates):
        if file.is_file():
            return file
    raise DatasetError(f"{folder}: expected one of the files {', '.join(candidates)}, found none")


def _rows(files: Sequence[Path], names: Sequence[str]) -> _Blocks:
    first = read_table(files[0], 28 * 28, rows=BLOCK, member=names[0])
    second = read_table(files[1], len(DISPLACEMENT), rows=BLOCK, member=names[1])
    done = 0
    for bitmap, energy in zip_longest(first, second, fillvalue=np.zeros((0, 1))):
        if len(bitmap) != len(energy):
            counts = [done + len(block) + sum(map(len, rest)) for block, rest in ((bitmap, first), (energy, second))]
            raise DatasetError(f"expected as many rows in {files[0]} as in {files[1]}, got {counts[0]} and {counts[1]}")
        yield bitmap.reshape(-1, 28, 28), energy
        done += len(bitmap)
