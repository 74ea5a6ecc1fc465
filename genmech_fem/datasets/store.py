"""The data store: a folder of closed, checksummed blocks.

``manifest.json`` says what the arrays are and what made them; ``shards/`` holds blocks of
samples (see `genmech_fem.datasets.blocks`), ``pending/WRITER/`` the samples that a writer
has finished since its last shard. All files appear by rename, so a killed writer leaves a
store that reads and resumes. Where two blocks hold the same sample the first one counts.
"""

import datetime
import json
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from genmech_fem.datasets.blocks import Block, Failure, damaged, write_block
from genmech_fem.datasets.provenance import changes, versions
from genmech_fem.datasets.reader import Samples
from genmech_fem.drafts import write_atomic
from genmech_fem.errors import DatasetError
from genmech_fem.fields import Arrays, Spec, from_json, to_json

VERSION = 2


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
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        made: Mapping[str, Any] = {"created": today, "versions": versions()}
        # in this order: another job may be making the same store at this moment, its manifest first
        used = path.exists() and any(not file.name.startswith(".manifest.json.") for file in path.iterdir())
        if (path / "manifest.json").exists():
            made = {**_begun(path, now, made["versions"]), **(about or {})}
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

    def specs_of(self, names: Collection[str] | None) -> list[Spec]:
        """Specs of some arrays, in the order of the store; None is all.

        Raises:
            DatasetError: A name is unknown.
        """
        known = [spec.name for spec in self.specs]
        unknown = set(names or ()) - set(known)
        if unknown:
            raise DatasetError(f"{self.path}: expected names of arrays among {known}, got {sorted(unknown)}")
        return [spec for spec in self.specs if names is None or spec.name in names]

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

    def samples(self, names: Sequence[str] | None = None, *, verify: bool = True) -> Samples:
        """All good samples for random access.

        Args:
            names: The arrays to read; None is all.
            verify: Compare every block with its checksum first.

        Raises:
            DatasetError: An array is unknown, or a block is damaged.
        """
        return Samples(self.path, self.specs_of(names), list(self.blocks(verify=verify)))

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
        return [error for _, error in self._damaged()]

    def quarantine(self) -> list[Path]:
        """Move damaged blocks to the folder ``quarantine``; repeating the campaign makes their samples again.

        Returns:
            Where they are now.
        """
        moved = []
        for file, _ in self._damaged():
            (self.path / "quarantine").mkdir(exist_ok=True)
            moved.append(file.replace(self.path / "quarantine" / file.name))
        return moved

    def _damaged(self) -> Iterator[tuple[Path, DatasetError]]:
        """Damaged blocks and what is wrong with them."""
        for file in self.files():
            try:
                Block(file).verify()
            except DatasetError as error:
                yield file, error


def unused(path: Path | str) -> Path:
    """The path, if there is nothing or an empty folder.

    Raises:
        DatasetError: It is in use.
    """
    path = Path(path)
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise DatasetError(f"{path}: expected an empty or a new folder, it is in use")
    return path


def _begun(path: Path, now: Mapping[str, Any], used: Mapping[str, str]) -> Mapping[str, Any]:
    """What the store at `path` says about itself, if it is of the specs and of the description of `now`.

    Raises:
        DatasetError: It is not, or its manifest is damaged.

    Warns:
        UserWarning: It was begun with other versions of packages than are `used`.
    """
    old = _manifest(path)
    differing = list(changes({key: old[key] for key in now}, now))
    if differing:
        raise DatasetError(
            f"{path} holds data of another campaign ({'; '.join(differing[:8])}): choose another folder or "
            "repeat the old settings"
        )
    about: Mapping[str, Any] = old["about"]
    others = list(changes(about.get("versions", {}), used))
    if others:
        warnings.warn(f"{path} was begun with other versions: {'; '.join(others)}", stacklevel=3)
    return about


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
