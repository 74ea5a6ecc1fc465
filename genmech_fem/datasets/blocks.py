"""Blocks: closed files of samples whose names hold their checksums.

A block is a safetensors file ``FIRST-LAST-SHA256.safetensors``; its metadata list the
numbers of the good samples, in order, and the failures. A field on a number of points
that differs by sample is stored as the points of all samples in a row
(all points, *value_shape), with ``NAME.offsets`` (samples + 1,) telling where each begins.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from genmech_fem.drafts import write_atomic
from genmech_fem.errors import ContractError, DatasetError
from genmech_fem.fields import Arrays, FieldSpec, Spec, check, pad

DTYPES = {"F64": "f8", "F32": "f4", "F16": "f2", "I64": "i8", "I32": "i4", "I16": "i2", "I8": "i1"}
DTYPES |= {"U64": "u8", "U32": "u4", "U16": "u2", "U8": "u1", "BOOL": "?"}
CHECKSUM_DIGITS = 16
MAPPED_FROM = 2**20  # bytes of a file that is mapped into memory, not read


@dataclass(frozen=True)
class Failure:
    """Why a sample has no result.

    Attributes:
        kind: One of a few words, such as "diverged", "not finite", "crashed", "timed out".
        message: The error's own words.
        parameters: The sample's inputs: small ones as lists, large ones as shape, mean and sha256.
        log: The last line that the sample wrote to the log, or the line of code where it ended.
    """

    kind: str
    message: str
    parameters: Mapping[str, Any]
    log: str = ""


def is_ragged(spec: Spec) -> bool:
    """Whether the number of points differs by sample."""
    return isinstance(spec, FieldSpec) and -1 in spec.shape


def write_block(
    folder: Path,
    specs: Sequence[Spec],
    numbers: Sequence[int],
    arrays: Arrays,
    failures: Mapping[int, Failure],
    *,
    sync: bool = True,
) -> Path:
    """Write samples as one block.

    Args:
        folder: Where.
        specs: Specs of the arrays.
        numbers: Sample numbers, in the order of the arrays.
        arrays: The samples (len(numbers), *spec.shape); nothing is looked at if there are none.
        failures: Failed samples by number.
        sync: See `write_atomic`.

    Raises:
        ContractError: The arrays do not match the specs or the numbers.
        OSError: The file cannot be written.
    """
    tensors = _tensors(specs, arrays, len(numbers)) if len(numbers) else {}
    record = {"numbers": [int(i) for i in numbers], "failures": {str(i): asdict(f) for i, f in failures.items()}}
    data = save(tensors, {"record": json.dumps(record)})
    everyone = [*map(int, numbers), *failures]
    digest = hashlib.sha256(data).hexdigest()[:CHECKSUM_DIGITS]
    file = folder / f"{min(everyone):08d}-{max(everyone):08d}-{digest}.safetensors"
    write_atomic(file, data, sync=sync)
    return file


def _tensors(specs: Sequence[Spec], arrays: Arrays, count: int) -> dict[str, np.ndarray]:
    """The arrays of so many samples as they lie in a file, in the precision that they have."""
    checked = check(arrays, specs, "stored array")
    found = len(next(iter(checked.values())))
    if found != count:
        raise ContractError(f"expected arrays of {count} samples, got {found}")
    tensors: dict[str, np.ndarray] = {}
    for spec in specs:
        array = np.asarray(arrays[spec.name])
        if is_ragged(spec):
            mask = checked[f"{spec.name}.mask"]
            tensors[f"{spec.name}.offsets"] = np.concatenate([[0], np.cumsum(mask.sum(axis=1))])
            array = np.moveaxis(array, -1, 1)[mask]
        tensors[spec.name] = np.ascontiguousarray(array)
    return tensors


class Block:
    """One file of samples, small ones read, others mapped into memory.

    Raises:
        DatasetError: The file is damaged.
        FileNotFoundError: It is not there.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        size = file.stat().st_size
        try:
            self._data = np.fromfile(file, np.uint8) if size < MAPPED_FROM else np.memmap(file, np.uint8, mode="r")
            length = int.from_bytes(self._data[:8].tobytes(), "little")
            if length > size:
                raise ValueError("its header is cut off")
            header = json.loads(self._data[8 : 8 + length].tobytes())
            record = json.loads(header.pop("__metadata__")["record"])
            self.numbers = np.array(record["numbers"], dtype=np.int64)
            self.failures = {int(i): Failure(**failure) for i, failure in record["failures"].items()}
            self._start = 8 + length
            self._layout: dict[str, Any] = header
            end = self._start + max((entry["data_offsets"][1] for entry in header.values()), default=0)
            if end != size:
                raise ValueError(f"expected {end} bytes, got {size}")
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise damaged(file, str(error)) from error

    @cached_property
    def tensors(self) -> dict[str, np.ndarray]:
        """The arrays as they lie in the file."""
        found = {}
        for name, entry in self._layout.items():
            begin, end = (self._start + offset for offset in entry["data_offsets"])
            found[name] = np.asarray(self._data[begin:end]).view(DTYPES[entry["dtype"]]).reshape(entry["shape"])
        return found

    def __reduce__(self) -> tuple[type["Block"], tuple[Path]]:
        return Block, (self.file,)

    def rows(self, spec: Spec, rows: np.ndarray) -> list[np.ndarray] | np.ndarray:
        """Samples of one array: (rows, *spec.shape), or a list of samples (*value_shape, points) if they are ragged."""
        values = self.tensors[spec.name]
        if not is_ragged(spec):
            return values[rows]
        offsets = self.tensors[f"{spec.name}.offsets"]
        return [np.moveaxis(values[offsets[r] : offsets[r + 1]], 0, -1) for r in rows]

    def verify(self) -> None:
        """Compare the file with the checksum in its name.

        Raises:
            DatasetError: They differ.
        """
        digest = hashlib.sha256(self._data).hexdigest()
        if digest[:CHECKSUM_DIGITS] != self.file.stem.rpartition("-")[2]:
            raise damaged(self.file, "its checksum differs")


def damaged(file: Path, why: str) -> DatasetError:
    """The error for a damaged block."""
    return DatasetError(
        f"{file} is damaged ({why}): put it aside with  genmech data check {file.parents[1]} --quarantine  and make "
        "its samples again by repeating the campaign"
    )


def join(spec: Spec, parts: Sequence[list[np.ndarray] | np.ndarray]) -> dict[str, np.ndarray]:
    """Join what `Block.rows` returned into one array, padded and with its mask if it is ragged."""
    if is_ragged(spec):
        array, mask = pad([sample for part in parts for sample in part])
        return {spec.name: array, f"{spec.name}.mask": mask}
    return {spec.name: np.concatenate(list(parts))}
