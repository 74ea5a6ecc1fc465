"""Samples to a store, one by one; each is on the disk at once."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from genmech_fem.datasets.blocks import Block, Failure, join, write_block
from genmech_fem.datasets.store import Store
from genmech_fem.errors import DatasetError
from genmech_fem.fields import Arrays

SHARD_BYTES = 2**26
SHARD_SAMPLES = 1024


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
