"""Files that are whole or not there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory


@contextmanager
def draft_folder(path: Path) -> Iterator[Path]:
    """A folder beside a file to come, from where files can be renamed to it; removed with all that is left in it."""
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        yield Path(folder)
