"""The data store: a folder of closed, checksummed blocks.

``manifest.json`` says what the arrays are and what made them; ``shards/`` holds blocks of
samples (see `genmech_fem.datasets.blocks`), ``pending/WRITER/`` the samples that a writer
has finished since its last shard. All files appear by rename, so a killed writer leaves a
store that reads and resumes. Where two blocks hold the same sample the first one counts.
"""

import datetime
import errno
import fcntl
import json
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genmech_fem.datasets.blocks import Block, Failure, damaged, join, write_atomic, write_block
from genmech_fem.datasets.provenance import changes, versions
from genmech_fem.errors import DatasetError
from genmech_fem.fields import Arrays, Spec, from_json, to_json

VERSION = 2
SHARD_BYTES = 2**26
SHARD_SAMPLES = 1024


@dataclass(frozen=True)
class Store:
    """An open data store; use `Store.create` or `Store.open`.

    Attributes:
        path: The folder.
        specs: Specs of the stored arrays.
        description: What made the data, as JSON data.
        about: Title, licence, date and versions, as JSON data.
    """

    path: Path
    specs: tuple[Spec, ...]
    description: Mapping[str, Any]
    about: Mapping[str, Any]

    @classmethod
    def create(
        cls,
        path: Path | str,
        specs: Sequence[Spec],
        description: Mapping[str, Any],
        about: Mapping[str, Any] | None = None,
    ) -> "Store":
        """Make a store, or open the one at `path` if it holds the same thing.

        Args:
            path: The folder.
            specs: Specs of the arrays.
            description: What makes the data; has to stay the same.
            about: Title, licence and the like; may change.

        Raises:
            DatasetError: `path` holds a store of other specs or of another description (the
                message names what changed), or other files.
            OSError: The folder cannot be written.

        Warns:
            UserWarning: The store was begun with other versions of packages.
        """
        path = Path(path)
        now: dict[str, Any] = json.loads(json.dumps({"specs": [to_json(s) for s in specs], "description": description}))
        made: dict[str, Any] = {
            "created": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "versions": versions(),
        }
        # in this order: another job may be making the same store at this moment, its manifest first
        used = path.exists() and any(not file.name.startswith(".manifest.json.") for file in path.iterdir())
        if (path / "manifest.json").exists():
            old = _manifest(path)
            differing = list(changes({key: old[key] for key in now}, now))
            if differing:
                raise DatasetError(
                    f"{path} holds data of another campaign ({'; '.join(differing[:8])}): choose another folder or "
                    "repeat the old settings"
                )
            others = list(changes(old["about"].get("versions", {}), made["versions"]))
            if others:
                warnings.warn(f"{path} was begun with other versions: {'; '.join(others)}", stacklevel=2)
            made = {**old["about"], **(about or {})}
        elif used:
            raise DatasetError(f"{path} holds files that are not of a data store: choose an empty or a new folder")
        store = cls(path, tuple(specs), now["description"], {**(about or {}), **made})
        path.mkdir(parents=True, exist_ok=True)
        manifest = {"version": VERSION, **now, "about": store.about}
        write_atomic(path / "manifest.json", json.dumps(manifest, indent=1).encode())
        (path / "shards").mkdir(exist_ok=True)
        return store

    @classmethod
    def open(cls, path: Path | str) -> "Store":
        """Open an existing store.

        Raises:
            DatasetError: There is none, its manifest is damaged, or a newer version wrote it.
        """
        path = Path(path)
        manifest = _manifest(path)
        return cls(path, tuple(map(from_json, manifest["specs"])), manifest["description"], manifest["about"])

    def write(self, numbers: Sequence[int], arrays: Arrays, failures: Mapping[int, Failure] | None = None) -> Path:
        """Add samples as one closed shard.

        Args:
            numbers: Sample numbers, in the order of the arrays.
            arrays: The samples (len(numbers), *spec.shape).
            failures: Failed samples by number.

        Raises:
            ContractError: The arrays do not match the specs or the numbers.
            OSError: The shard cannot be written.
        """
        return write_block(self.path / "shards", self.specs, numbers, arrays, failures or {})

    def files(self) -> list[Path]:
        """Files of all blocks."""
        # pending ones first: a shard appears before the pending blocks that it replaces vanish
        pending = sorted(self.path.glob("pending/*/*.safetensors"))
        return sorted((self.path / "shards").glob("*.safetensors")) + pending

    def blocks(self, *, verify: bool = False) -> Iterator[Block]:
        """All blocks.

        Args:
            verify: Compare each with its checksum.

        Raises:
            DatasetError: One is damaged.
        """
        for file in self.files():
            try:
                block = Block(file)
                if verify:
                    block.verify()
            except FileNotFoundError:  # its writer has just made a shard of it
                if file.parent.name == "shards":
                    raise damaged(file, "it has vanished") from None
                continue
            yield block

    def samples(self, names: Sequence[str] | None = None, *, verify: bool = True) -> "Samples":
        """All good samples for random access.

        Args:
            names: The arrays to read; None is all.
            verify: Compare every block with its checksum first.

        Raises:
            DatasetError: An array is unknown, or a block is damaged.
        """
        wanted = [spec for spec in self.specs if names is None or spec.name in names]
        unknown = set(names or ()) - {spec.name for spec in wanted}
        if unknown:
            known = [spec.name for spec in self.specs]
            raise DatasetError(f"{self.path}: expected names of arrays among {known}, got {sorted(unknown)}")
        return Samples(self.path, wanted, list(self.blocks(verify=verify)))

    def numbers(self) -> np.ndarray:
        """Numbers of all good samples (samples,), sorted."""
        return np.unique(np.concatenate([np.empty(0, np.int64), *(block.numbers for block in self.blocks())]))

    def failures(self) -> dict[int, Failure]:
        """Failed samples by number."""
        failed = {i: failure for block in self.blocks() for i, failure in block.failures.items()}
        good = set(self.numbers().tolist()) if failed else set()
        return {i: failed[i] for i in sorted(failed) if i not in good}

    def read(
        self, numbers: Sequence[int] | np.ndarray | None = None, names: Sequence[str] | None = None
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Read good samples.

        Args:
            numbers: Their numbers; None is all of them in order.
            names: The arrays to read; None is all.

        Returns:
            Numbers (samples,) and arrays (samples, *spec.shape).

        Raises:
            DatasetError: There are none, a number or a name is unknown, or a block is damaged.
        """
        samples = self.samples(names)
        chosen = samples.numbers if numbers is None else np.asarray(numbers)
        return chosen, samples[samples.rows_of(chosen)]

    def batches(
        self,
        size: int = 64,
        numbers: Sequence[int] | np.ndarray | None = None,
        names: Sequence[str] | None = None,
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """`read` for sets larger than the memory: at most `size` samples at a time."""
        samples = self.samples(names)
        chosen = samples.numbers if numbers is None else np.asarray(numbers)
        rows = samples.rows_of(chosen)
        for start in range(0, len(rows), size):
            yield chosen[start : start + size], samples[rows[start : start + size]]

    def check(self) -> list[DatasetError]:
        """What is damaged: one error for each file."""
        found = []
        for file in self.files():
            try:
                Block(file).verify()
            except DatasetError as error:
                found.append(error)
        return found

    def quarantine(self) -> list[Path]:
        """Move damaged blocks to the folder ``quarantine``; repeating the campaign makes their samples again.

        Returns:
            Where they are now.
        """
        moved = []
        for file in self.files():
            try:
                Block(file).verify()
            except DatasetError:
                (self.path / "quarantine").mkdir(exist_ok=True)
                moved.append(file.replace(self.path / "quarantine" / file.name))
        return moved


class Samples:
    """Random access to the samples of a store: ``samples[rows]`` are arrays (rows, *spec.shape).

    Raises:
        DatasetError: There are no samples.
    """

    def __init__(self, path: Path, specs: Sequence[Spec], blocks: Sequence[Block]) -> None:
        self.path, self.specs = path, tuple(specs)
        self._blocks = [block for block in blocks if len(block.numbers)]
        if not self._blocks:
            raise DatasetError(f"{path} holds no finished samples: run the campaign first")
        self.numbers, first = np.unique(np.concatenate([b.numbers for b in self._blocks]), return_index=True)
        ends = np.cumsum([len(b.numbers) for b in self._blocks])
        self._block = np.searchsorted(ends, first, side="right")
        self._row = first - np.concatenate([[0], ends])[self._block]

    def __len__(self) -> int:
        return len(self.numbers)

    def rows_of(self, numbers: np.ndarray) -> np.ndarray:
        """Rows of samples by their numbers.

        Raises:
            DatasetError: One is not among the good samples.
        """
        rows = np.minimum(np.searchsorted(self.numbers, numbers), len(self.numbers) - 1)
        missing = np.asarray(numbers)[self.numbers[rows] != numbers]
        if len(missing):
            raise DatasetError(f"{self.path}: sample {missing[0]} is not among its {len(self)} good samples")
        return rows

    def __getitem__(self, rows: np.ndarray | Sequence[int]) -> dict[str, np.ndarray]:
        """Arrays of the samples in `rows`, in their order."""
        rows = np.asarray(rows, dtype=np.int64)
        if not len(rows):
            raise DatasetError(f"{self.path}: expected at least one sample, got none")
        order = np.argsort(self._block[rows], kind="stable")
        starts = np.flatnonzero(np.diff(self._block[rows[order]], prepend=-1))
        parts = [rows[part] for part in np.split(order, starts[1:])]
        back = np.argsort(order)
        joined: dict[str, np.ndarray] = {}
        for spec in self.specs:
            found = [self._blocks[self._block[part[0]]].rows(spec, self._row[part]) for part in parts]
            joined |= join(spec, found)
        return {name: array[back] for name, array in joined.items()}


class Writer:
    """Adds samples to a store one by one: each is on the disk when `add` returns.

    A pending block is a file of one `add`; `SHARD_SAMPLES` samples or `SHARD_BYTES` of them
    become a shard. The writer of a name is alone: its folder is locked as long as it lives.
    What dead writers left pending becomes a shard.

    Args:
        store: The store.
        name: Name of the writer.

    Raises:
        DatasetError: A writer of this name is alive.
        OSError: The store cannot be written.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.folder = store, store.path / "pending" / name
        lock = _lock(self.folder, patience=5.0)
        if lock is None:
            raise DatasetError(
                f"{store.path}: another process is writing {name} of this campaign: wait for it, or give every process "
                "a part of its own"
            )
        self._lock = lock
        self._pending: list[Path] = []
        self._bytes = 0
        self._merge(_whole_blocks(self.folder))
        for other in sorted({file.parent for file in store.path.glob("pending/*/*.safetensors")}):
            left = _lock(other)
            if left is not None:
                self._merge(_whole_blocks(other))
                os.close(left)

    def add(self, numbers: Sequence[int], arrays: Arrays, failures: Mapping[int, Failure]) -> None:
        """Add finished samples.

        Raises:
            ContractError: See `Store.write`.
            OSError: They cannot be written.
        """
        self.count(write_block(self.folder, self.store.specs, numbers, arrays, failures, sync=False))

    def count(self, file: Path) -> None:
        """Take a block that lies in `folder` into account, one sample or a few.

        Raises:
            DatasetError: It is not there.
            OSError: A shard cannot be written.
        """
        try:
            self._bytes += file.stat().st_size
        except FileNotFoundError as error:
            raise DatasetError(f"{file}: expected the sample that a worker wrote; do all see this folder?") from error
        self._pending.append(file)
        if len(self._pending) >= SHARD_SAMPLES or self._bytes >= SHARD_BYTES:
            self._merge([Block(file) for file in self._pending])
            self._pending, self._bytes = [], 0

    @contextmanager
    def full_disk_said(self) -> Iterator[None]:
        """Let the error of a full disk say what is stored and what to do."""
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise OSError(
                error.errno,
                f"{self.store.path}: the disk is full ({error.strerror}); {len(self.store.numbers())} samples are "
                "stored and can be read: free space and repeat the campaign to go on",
            ) from error

    def close(self) -> None:
        """Make a shard of what is pending and end."""
        try:
            with self.full_disk_said():
                self._merge(_whole_blocks(self.folder))
        finally:
            os.close(self._lock)

    def _merge(self, blocks: Sequence[Block]) -> None:
        """Make one shard of pending blocks."""
        if not blocks:
            return
        good = [block for block in blocks if len(block.numbers)]
        arrays: dict[str, np.ndarray] = {}
        for spec in self.store.specs if good else ():
            arrays |= join(spec, [block.rows(spec, np.arange(len(block.numbers))) for block in good])
        numbers = [i for block in good for i in block.numbers.tolist()]
        self.store.write(numbers, arrays, {i: f for block in blocks for i, f in block.failures.items()})
        for block in blocks:
            block.file.unlink()


def _whole_blocks(folder: Path) -> list[Block]:
    """The pending blocks of a writer; those that a power cut left incomplete are deleted."""
    blocks = []
    for file in sorted(folder.glob("*.safetensors")):
        try:
            block = Block(file)
            block.verify()
        except DatasetError:
            file.unlink()
            continue
        blocks.append(block)
    return blocks


def _lock(folder: Path, patience: float = 0.0) -> int | None:
    """Lock a writer's folder; None if it stays locked for `patience` [s]. The lock ends with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < until:
                time.sleep(0.1)
                continue
            os.close(descriptor)
            return None
        return descriptor


def _manifest(path: Path) -> dict[str, Any]:
    file = path / "manifest.json"
    try:
        manifest: dict[str, Any] = json.loads(file.read_text())
        version = manifest["version"]
        if version == VERSION:
            tuple(map(from_json, manifest["specs"]))
            return {key: manifest[key] for key in ("specs", "description", "about")}
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DatasetError(f"{path} holds no data store: expected a file manifest.json in it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{file} is damaged: {error}") from error
    raise DatasetError(f"{file}: expected a store of version {VERSION}, got version {version}: repeat the campaign")
