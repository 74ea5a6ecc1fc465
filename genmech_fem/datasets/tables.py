"""Tables of numbers in text files, plain, gzipped or zipped, read block by block."""

import gzip
import math
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import IO

import numpy as np

from genmech_fem.errors import DatasetError

_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, UnicodeDecodeError, NotImplementedError)


def read_table(file: Path, columns: int, *, rows: int, member: str) -> Iterator[np.ndarray]:
    """Read a table of numbers that are parted by blanks; empty lines do not count.

    Args:
        file: Text file, or its ``.gz`` or ``.zip``.
        columns: Numbers in each row.
        rows: Rows of each block but the last.
        member: Name of the file inside an archive.

    Yields:
        Blocks (rows, columns).

    Raises:
        DatasetError: The file is damaged, or a row holds other things than `columns` numbers.
        OSError: It cannot be read.
    """
    done = 0
    try:
        with _open(file, member) as text:
            filled = (line for line in text if not line.isspace())
            while lines := list(islice(filled, rows)):
                yield _numbers(lines, columns, file, done)
                done += len(lines)
    except _DAMAGE as error:
        raise DatasetError(
            f"{file}: expected a text file of numbers, it is damaged or another file ({error} after row {done}): "
            "fetch it again"
        ) from error


@contextmanager
def _open(file: Path, member: str) -> Iterator[IO[str]]:
    if file.suffix == ".zip":
        with zipfile.ZipFile(file) as archive:
            names = [name for name in archive.namelist() if PurePosixPath(name).name == member]
            if len(names) != 1:
                raise DatasetError(f"{file}: expected the file {member} in it, got {archive.namelist()[:8]}")
            with archive.open(names[0]) as raw, TextIOWrapper(raw, encoding="ascii") as text:
                yield text
    elif file.suffix == ".gz":
        with gzip.open(file, "rt", encoding="ascii") as text:
            yield text
    else:
        with file.open(encoding="ascii") as text:
            yield text


def _numbers(lines: Sequence[str], columns: int, file: Path, done: int) -> np.ndarray:
    try:
        block = np.loadtxt(lines, comments=None, ndmin=2)
        if block.shape[1] == columns and np.isfinite(block).all():
            return block
        fault = f"got {block.shape[1]}, or NaN or infinity"
    except ValueError as error:
        fault = str(error)
    for row, line in enumerate(lines, done + 1):
        words = line.split()
        if len(words) != columns:
            raise DatasetError(f"{file}: row {row}: expected {columns} numbers, got {len(words)}")
        bad = next((word for word in words if not _is_number(word)), None)
        if bad is not None:
            raise DatasetError(f"{file}: row {row}: expected finite numbers, got {bad[:40]!r}")
    raise DatasetError(f"{file}: rows {done + 1} to {done + len(lines)}: expected {columns} numbers each: {fault}")


def _is_number(word: str) -> bool:
    try:
        return "_" not in word and math.isfinite(float(word))
    except ValueError:
        return False
