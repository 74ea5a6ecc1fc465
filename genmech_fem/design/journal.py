"""Answers on the disk, so that an interrupted design loop goes on where it was."""

import json
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from genmech_fem.design.evaluator import Answer, Evaluator
from genmech_fem.design.search import Evaluation
from genmech_fem.drafts import write_atomic
from genmech_fem.errors import ContractError, DatasetError

_SAME = 1e-6
_SCALED = ("values", "gradients", "jacobians")


class JournalError(ContractError):
    """A journal does not belong to the loop that reads it."""


class Journal:
    """A folder with one file for each answer.

    Optimisers are deterministic: told the same answers, they ask the same questions. A loop that is begun again is
    told the answers of the journal first, and ends as if it had never stopped.

    Args:
        folder: Where to write; it is made where needed.

    Raises:
        DatasetError: The folder holds other files.
    """

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        for file in sorted(self._folder.iterdir()):
            if file.suffix != ".part" and not re.fullmatch(r"\d{6,}\.safetensors", file.name):
                raise self._foreign(file)
        self._written = 0

    def read(self) -> list[Answer]:
        """Answers without outputs, up to the first file that is missing or damaged.

        Raises:
            DatasetError: A file is whole, but holds something else.
        """
        found: list[Answer] = []
        while (file := self._file(len(found))).exists():
            try:
                found.append(self._read(file))
            except SafetensorError:
                break
        self._written = len(found)
        return found

    def write(self, answer: Answer) -> None:
        """Append an answer; a file is whole or not there.

        Raises:
            OSError: It cannot be written; the answers before it stay.
        """
        parts = {field.name: getattr(answer.evaluation, field.name) for field in fields(Evaluation)}
        arrays = {"designs": answer.designs, "solved": answer.solved, **parts}
        whole = {name: np.ascontiguousarray(array) for name, array in arrays.items() if array is not None}
        told = {"failures": json.dumps(answer.failures), "samples": str(answer.samples)}
        write_atomic(self._file(self._written), save(whole, told), sync=False)
        self._written += 1

    def _read(self, file: Path) -> Answer:
        with safe_open(file, "numpy") as opened:
            arrays, told = {name: opened.get_tensor(name) for name in opened.keys()}, opened.metadata()  # noqa: SIM118
        try:
            designs, solved = arrays.pop("designs"), arrays.pop("solved")
            return Answer(
                designs, Evaluation(**arrays), solved, tuple(json.loads(told["failures"])), int(told["samples"])
            )
        except (KeyError, TypeError) as error:
            raise self._foreign(file) from error

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:06d}.safetensors"

    def _foreign(self, file: Path) -> DatasetError:
        return DatasetError(
            f"{self._folder}: expected the journal of a design loop, found {file.name}: take a new folder"
        )


class JournaledEvaluator:
    """An `Evaluator` that gives the answers of a journal as long as there are some, and then writes new ones.

    Args:
        evaluator: Makes the new ones.
        journal: Folder of a `Journal`; None for none.

    Attributes:
        recalled: Number of answers that the journal has given.

    Raises:
        DatasetError: The folder holds other files.
    """

    def __init__(self, evaluator: Evaluator, journal: Path | str | None) -> None:
        self._evaluator = evaluator
        self._journal = None if journal is None else Journal(journal)
        self._known = [] if self._journal is None else self._journal.read()
        self.recalled = 0

    def __call__(self, x: np.ndarray) -> Answer:
        """What becomes of designs (batch, size).

        Raises:
            JournalError: The journal has answers for others.
            GenmechError: As of `Evaluator`.
        """
        if self.recalled < len(self._known):
            self.recalled += 1
            return self._recall(x, self._known[self.recalled - 1])
        answer = self._evaluator(x)
        if self._journal is not None:
            self._journal.write(answer)
        return answer

    def _recall(self, x: np.ndarray, known: Answer) -> Answer:
        """An answer of the journal; the first one is compared with a new evaluation."""
        if not _same(x, known.designs):
            raise JournalError("the journal is that of a loop with another start or optimiser: take a new folder")
        if self.recalled > 1:
            return known
        again, old = self._evaluator(x), known.evaluation
        same = _same(again.solved, known.solved) and _same(again.evaluation.constraints, old.constraints, least=1.0)
        if not (same and all(_same(getattr(again.evaluation, n), getattr(old, n)) for n in _SCALED)):
            raise JournalError("the journal is that of a loop with another model or objective: take a new folder")
        return replace(known, outputs=again.outputs)


def _same(new: np.ndarray | None, old: np.ndarray | None, *, least: float = 0.0) -> bool:
    """Whether arrays agree up to rounding of their largest entry, or of `least`."""
    if new is None or old is None:
        return new is old
    return new.shape == old.shape and np.allclose(new, old, rtol=0, atol=_SAME * float(np.abs(old).max(initial=least)))
