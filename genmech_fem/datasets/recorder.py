"""Solved samples that arrive one by one, as a data set."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from genmech_fem.datasets.content import contents, fingerprints
from genmech_fem.datasets.store import Store
from genmech_fem.datasets.writer import Writer
from genmech_fem.errors import ContractError
from genmech_fem.fields import Arrays, Spec, check, take

READ_AT_ONCE = 64  # samples


class Recorder:
    """Append samples that somebody solved to a store, which reads like the store of a campaign.

    What `record` returned from is on the disk: a killed process loses nothing of it, and a recorder of the same folder
    goes on behind it. Samples whose inputs are in the store are not stored again.

    Args:
        folder: The store; made if it is not there.
        inputs: Specs of what was solved for.
        outputs: Specs of the solutions.
        title: What the data are, for people.

    Raises:
        ContractError: An output is called like an input.
        DatasetError: The folder holds other data, or another recorder writes it.
        OSError: It cannot be written.
    """

    def __init__(
        self, folder: Path | str, inputs: Sequence[Spec], outputs: Sequence[Spec], *, title: str = "recorded solves"
    ) -> None:
        self.inputs, self.specs = tuple(inputs), (*inputs, *outputs)
        names = [spec.name for spec in self.specs]
        if len(set(names)) != len(names):
            raise ContractError(f"Recorder: expected a name for each input and output, got {names}")
        about = {"recorder": {"inputs": [spec.name for spec in inputs]}}
        self.store = Store.create(folder, self.specs, about, {"title": title})
        self._writer = Writer(self.store, "recorder")
        numbers = self.store.numbers()
        self._next = int(numbers.max(initial=-1)) + 1
        self._known: set[int] = set()
        if len(numbers):
            names = [spec.name for spec in self.inputs]
            for _, arrays in self.store.batches(READ_AT_ONCE, names=names):
                self._known.update(self._marks(arrays))

    def __len__(self) -> int:
        """Number of samples in the store."""
        return len(self._known)

    def record(self, inputs: Arrays, outputs: Arrays) -> None:
        """Append the samples of a batch whose inputs are not in the store.

        Raises:
            ContractError: The arrays do not match the specs.
            OSError: They cannot be written.
        """
        arrays = check({**inputs, **outputs}, self.specs, "recorded array")
        marks = self._marks(arrays)
        new = {mark: row for row, mark in reversed(list(enumerate(marks))) if mark not in self._known}
        if not new:
            return
        rows = sorted(new.values())
        numbers = range(self._next, self._next + len(rows))
        with self._writer.full_disk_said():
            self._writer.add(numbers, take(arrays, rows), {})
        self._next += len(rows)
        self._known.update(new)

    def close(self) -> None:
        """Make a shard of what is pending, and let others write."""
        self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _marks(self, arrays: Arrays) -> list[int]:
        """A number for the inputs of each sample, the same for the same inputs."""
        rows = contents(arrays, self.inputs, periodic=False)
        return [int(fingerprints(np.asarray(row)[None])[0]) for row in rows]
