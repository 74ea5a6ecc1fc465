"""The log of a training run: one JSON line for each step."""

import json
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genmech_fem.training.run import Progress


class Log:
    """A file of JSON lines that a resumed run goes on with.

    Args:
        path: The file; None for none.
        step: The step from which the run goes on; later lines of an earlier run are dropped.
    """

    def __init__(self, path: Path | None, step: int) -> None:
        self._file: IO[str] | None = None
        if path is None:
            return
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [json.dumps(line) for line in read_log(path) if line["step"] <= step] if path.exists() and step else []
        self._file = path.open("w", buffering=1)
        self._file.writelines(f"{line}\n" for line in kept)

    def add(self, progress: "Progress", rate: float) -> None:
        """Write the line of a step."""
        if self._file is not None:
            line = {"step": progress.step, "seconds": progress.seconds, "rate": rate, "losses": dict(progress.losses)}
            self._file.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log: step, seconds, rate, losses."""
    lines = Path(path).read_text().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]
