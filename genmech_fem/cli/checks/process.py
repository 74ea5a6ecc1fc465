"""Run a check in a process of its own, which may crash or hang; this one imports nothing that may be broken."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import IO

from genmech_fem.cli.checks import Check
from genmech_fem.errors import GenmechError, one_line

CHILD = "import sys; sys.path[:] = {path!r}; from genmech_fem.cli.checks.process import report; report({function!r})"
LAUNCHERS = ("PMI", "OMPI_", "HYDI_", "HYDRA_", "MPI_LOCAL")  # variables by which a process would join an MPI job
LONGEST = 400  # characters of what is told
LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libGLU.so.1": "libglu1-mesa",
    "libX11.so.6": "libx11-6",
    "libXcursor.so.1": "libxcursor1",
    "libXext.so.6": "libxext6",
    "libXfixes.so.3": "libxfixes3",
    "libXft.so.2": "libxft2",
    "libXinerama.so.1": "libxinerama1",
    "libXrender.so.1": "libxrender1",
    "libfontconfig.so.1": "libfontconfig1",
    "libgomp.so.1": "libgomp1",
}
"""Debian's package of a shared library."""


@dataclass(frozen=True)
class Finding:
    """What became of a check.

    Attributes:
        name: The check.
        state: ``works``, ``missing`` or ``broken``.
        found: What was found, in one line.
        repair: What to do, unless it works.
        seconds: How long it took [s].
    """

    name: str
    state: str
    found: str
    repair: str = ""
    seconds: float = 0.0


def examine(check: Check, limit: float) -> Finding:
    """Run a check for at most `limit` seconds."""
    if check.extra and find_spec(check.package) is None:
        found = f"optional: {check.package} is not installed"
        return Finding(check.name, "missing", found, f"pip install 'genmech_fem[{check.extra}]'")
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        code = _run(check, limit, out, err)
        out.seek(0)
        err.seek(0)
        said, trace = out.read().splitlines(), err.read()
    seconds = time.perf_counter() - began
    if code == 0 and said:
        answer = json.loads(said[-1])
        error = answer.get("error")
    else:
        error = f"no answer within {limit:g} s" if code is None else _crash(code, trace)
    if error is None:
        return Finding(check.name, "works", answer["found"], seconds=seconds)
    return Finding(check.name, "broken", error, _repair(check, error), seconds)


def _run(check: Check, limit: float, out: IO[str], err: IO[str]) -> int | None:
    """The exit status of the process, None where it did not end in time."""
    command = [sys.executable, "-X", "faulthandler", "-c", CHILD.format(path=sys.path, function=check.function)]
    variables = {name: value for name, value in os.environ.items() if not name.startswith(LAUNCHERS)}
    process = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=variables, start_new_session=True
    )
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # and what it has started
            process.wait()


def report(function: str) -> None:
    """Call a check in this process, and print what it found, or why it failed, as JSON data."""
    module, _, name = function.partition(":")
    try:
        answer = {"found": getattr(import_module(f"genmech_fem.cli.checks.{module}"), name)()}
    except BaseException as error:  # also what ends the process, for the caller is another one
        kind = "" if isinstance(error, GenmechError) else f"{type(error).__name__}: "
        answer = {"error": (kind + one_line(error))[:LONGEST]}
    print(f"\n{json.dumps(answer)}", flush=True)


def _crash(code: int, trace: str) -> str:
    """How the process died, and where it was then."""
    end = f"{signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    place = re.search(r'File "(.+?)", line (\d+)', trace)
    return f"its process died: {end}" + (f" in {place[1]}, line {place[2]}" if place else "")


def _repair(check: Check, error: str) -> str:
    """What to do: install the shared library that the error names, or what the check says."""
    library = re.search(r"(lib[\w.+-]+\.so[\w.]*): cannot open shared object", error)
    package = LIBRARIES.get(library[1]) if library else None
    return f"apt install {package}" if package else check.repair
