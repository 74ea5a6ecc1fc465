"""Programs in a process of their own, which may crash or hang on bad input."""

import subprocess
import sys
from pathlib import Path


def run_program(program: Path, *arguments: str, out: Path, time_limit: float) -> None:
    """Run a Python program.

    Args:
        program: Its file.
        arguments: Its arguments, before `out`.
        out: The file that it has to write.
        time_limit: Most seconds that it may take.

    Raises:
        TimeoutError: It takes longer.
        ChildProcessError: It fails or writes nothing; the text is the last line that it said, or how it ended.
    """
    command = [sys.executable, "-P", str(program), *arguments, str(out)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=time_limit, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"no result within {time_limit:g} s") from None
    if done.returncode or not out.is_file():
        said = done.stderr.strip().splitlines()[-1:]
        ended = [] if said and done.returncode == 1 else [f"the process ended with {done.returncode}"]
        raise ChildProcessError(": ".join([*ended, *said]))
