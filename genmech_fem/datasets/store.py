"""The data store: a folder of closed, checksummed shards.

``manifest.json`` says what the arrays are; ``shards/START-STOP.safetensors`` holds samples
START to STOP - 1 of the campaign without the failed ones, which the record beside it
(``.json``, with the sha256 of the shard) lists with their reasons. Files appear by
rename, the record last, so a killed writer leaves a store that reads and resumes.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from genmech_fem.errors import ContractError, DatasetError
from genmech_fem.fields import Arrays, Spec, check, concatenate, from_json, to_json


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file that is either whole or not there."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


@dataclass(frozen=True)
class Store:
    """An open data store; use `Store.create` or `Store.open`.

    Attributes:
        path: The folder.
        specs: Specs of the stored arrays.
        description: What made the data, as JSON data.
    """

    path: Path
    specs: tuple[Spec, ...]
    description: Mapping[str, Any]

    @classmethod
    def create(cls, path: Path, specs: Sequence[Spec], description: Mapping[str, Any]) -> "Store":
        """Make a store, or open the one at `path` if it holds the same thing.

        Raises:
            DatasetError: `path` holds a store of other specs or of another description.
            OSError: The folder cannot be written.
        """
        store = cls(Path(path), tuple(specs), json.loads(json.dumps(description)))
        if (store.path / "manifest.json").exists():
            old = cls.open(path)
            if (old.specs, old.description) != (store.specs, store.description):
                raise DatasetError(
                    f"{path} holds data of another campaign ({dict(old.description)}, now asked: "
                    f"{dict(store.description)}): choose another folder or repeat the old settings"
                )
            return old
        (store.path / "shards").mkdir(parents=True, exist_ok=True)
        manifest = {"version": 1, "specs": [to_json(spec) for spec in specs], "description": store.description}
        write_atomic(store.path / "manifest.json", json.dumps(manifest, indent=1).encode())
        return store

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Open an existing store.

        Raises:
            DatasetError: There is none, or its manifest is damaged.
        """
        file = Path(path) / "manifest.json"
        try:
            manifest = json.loads(file.read_text())
            return cls(Path(path), tuple(from_json(spec) for spec in manifest["specs"]), manifest["description"])
        except FileNotFoundError as error:
            raise DatasetError(f"{path} holds no data store: expected a file manifest.json in it") from error
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{file} is damaged: {error}") from error

    def append(self, start: int, stop: int, arrays: Arrays | None, failures: Mapping[int, str]) -> None:
        """Add the samples `start` to `stop` - 1.

        Args:
            start: First sample number.
            stop: Last sample number plus one.
            arrays: The samples that did not fail, in order; None if all failed.
            failures: Reason of each failed sample by its number.
        """
        good = [i for i in range(start, stop) if i not in failures]
        checked = check(arrays, self.specs, "stored array") if arrays is not None else {}
        if any(len(array) != len(good) for array in checked.values()):
            raise ContractError(f"expected {len(good)} good samples for {start}-{stop}, got another number")
        data = save({name: np.ascontiguousarray(array) for name, array in checked.items()})
        name = self.path / "shards" / f"{start:08d}-{stop:08d}"
        write_atomic(name.with_suffix(".safetensors"), data)
        record = {
            "start": start,
            "stop": stop,
            "sha256": hashlib.sha256(data).hexdigest(),
            "failures": {str(i): reason for i, reason in failures.items()},
        }
        write_atomic(name.with_suffix(".json"), json.dumps(record).encode())

    def records(self) -> list[dict[str, Any]]:
        """Records of the finished shards, in the order of their samples.

        Raises:
            DatasetError: A record is damaged.
        """
        records = []
        for file in sorted((self.path / "shards").glob("*.json")):
            try:
                record = json.loads(file.read_text())
                record["failures"] = {int(i): reason for i, reason in record["failures"].items()}
                records.append({"file": file.with_suffix(".safetensors"), **record})
            except (ValueError, KeyError, AttributeError) as error:
                raise DatasetError(f"{file} is damaged: delete it, and the campaign makes it again") from error
        return records

    def failures(self) -> dict[int, str]:
        """Reason of every failed sample by its number."""
        return {i: reason for record in self.records() for i, reason in record["failures"].items()}

    def read(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Numbers (samples,) and arrays (samples, ...) of all good samples, in order.

        Raises:
            DatasetError: The store is empty, or a shard is damaged.
        """
        parts, numbers = [], []
        for record in self.records():
            good = [i for i in range(record["start"], record["stop"]) if i not in record["failures"]]
            if good:
                parts.append(self._shard(record))
                numbers += good
        if not parts:
            raise DatasetError(f"{self.path} holds no finished samples: run the campaign first")
        return np.array(numbers), concatenate(parts)

    def _shard(self, record: Mapping[str, Any]) -> dict[str, np.ndarray]:
        file = record["file"]
        remedy = f"delete {file.with_suffix('.json').name} beside it, and the campaign makes it again"
        try:
            data = file.read_bytes()
            if hashlib.sha256(data).hexdigest() != record["sha256"]:
                raise DatasetError(f"{file} is damaged (its checksum differs): {remedy}")
            return load(data)
        except (FileNotFoundError, SafetensorError) as error:
            raise DatasetError(f"{file} is missing or damaged: {remedy}") from error
