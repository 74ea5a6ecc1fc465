"""The folder of a run that resumes: its settings, and what each finished stage found."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from genmech_fem.datasets.provenance import environment
from genmech_fem.drafts import write_atomic
from genmech_fem.errors import DatasetError

FREE_BYTES = 200_000_000


class Run:
    """A run folder: its settings, and what each finished stage found.

    Args:
        folder: Where everything is written.
        settings: What to do: a dataclass of JSON data.
        command: The command line that began it.

    Raises:
        DatasetError: The folder holds something else, a run of other settings, or a
            damaged record.
        OSError: The folder cannot be written, or its disk is full.
    """

    def __init__(self, folder: Path, settings: Any, *, command: str = "") -> None:
        self.folder, self.settings = folder, settings
        self._file = folder / "run.json"
        if folder.is_dir() and any(folder.glob("[!.]*")) and not self._file.exists():  # a kill leaves hidden drafts
            raise DatasetError(f"{folder} holds files that are not of a run: choose another folder with --out")
        folder.mkdir(parents=True, exist_ok=True)
        self.record: dict[str, Any] = {
            "command": command,
            "settings": _plain(settings),
            "environment": environment(),
            "seconds": {},
        }
        if self._file.exists():
            self.record = self._read()
        elif shutil.disk_usage(folder).free < FREE_BYTES:
            raise OSError(f"{folder}: less than {FREE_BYTES // 10**6} MB are free on this disk: choose another --out")
        self._save()

    def _read(self) -> dict[str, Any]:
        try:
            record = json.loads(self._file.read_text())
            old = record["settings"]
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(f"{self._file} is damaged: choose another folder with --out") from error
        new = _plain(self.settings)
        changed = [f"{key} was {old.get(key)}, now {new[key]}" for key in new if old.get(key) != new[key]]
        if changed:
            raise DatasetError(
                f"{self.folder} holds a run of other settings ({'; '.join(changed)}): "
                "choose another folder with --out or repeat the old settings"
            )
        return dict(record)

    def _save(self) -> None:
        write_atomic(self._file, json.dumps(self.record, indent=1).encode())

    def stage(self, name: str, compute: Callable[["Run"], dict[str, Any]]) -> dict[str, Any]:
        """Return what the stage found, computing it if this run has not yet."""
        if name not in self.record:
            began = time.perf_counter()
            try:
                self.record[name] = compute(self)
            finally:
                self.record["seconds"][name] = self.record["seconds"].get(name, 0.0) + time.perf_counter() - began
                self._save()
        return dict(self.record[name])


def _plain(settings: Any) -> dict[str, Any]:
    return dict(json.loads(json.dumps(asdict(settings))))
