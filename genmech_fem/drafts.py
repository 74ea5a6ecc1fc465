"""Files and folders that are whole or not there: they are written beside their place and renamed to it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A passing name for a file or a folder to come; it is renamed at the end, or removed if that is not reached.

    Raises:
        OSError: It cannot be written; the error names `path`.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with _naming(path):
            yield part
            part.replace(path)
    except BaseException:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        elif part.exists():
            part.unlink()
        raise


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """A folder beside a file to come, from where files can be renamed to it; removed with all that is left in it.

    It serves files whose names tell readers what they hold, and files that come together.

    Raises:
        OSError: A file in it cannot be written; the error names `path`.
    """
    with _naming(path), TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        yield Path(folder)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Let errors of writing a draft, which name it or no file at all, name the file to come."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is None and str(path) not in str(error):
            raise OSError(f"{path}: cannot be written: {error}") from error
        of_draft = str(error.filename).startswith(str(path.with_name(f".{path.name}.")))
        if error.errno is not None and (error.filename is None or of_draft):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def write_atomic(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file that is either whole or not there; `sync` waits until it would survive a power cut.

    Raises:
        OSError: It cannot be written; the error names `path`.
    """
    with draft(path) as part, part.open("wb") as file:
        file.write(data)
        if sync:
            file.flush()
            os.fsync(file.fileno())
