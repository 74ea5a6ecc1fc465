"""The environments of the peers: one virtual environment each, made on first use outside the repository.

None of these packages is a dependency of this project (EngiBench, fedoo and pypardiso are under the GPL).
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "genmech_fem" / "peers"
REQUIREMENTS = {
    "fedoo": ("fedoo==1.1.0", "pypardiso==0.4.7"),
    "muspectre": ("muSpectre==0.27.0",),
    "torch_fem": ("torch-fem==0.14.0", "pypardiso==0.4.7"),
    "dolfinx_adjoint": ("dolfinx-adjoint==0.4.0", "dolfinx-solver-real>=0.11,<0.12", "scipy"),
    "zarr": ("zarr==3.4.2",),
    "the_well": ("the_well==1.2.0",),
    "engibench": ("engibench[beams2d]==0.2.0",),
    "pymoto": (
        "pymoto==2.0.1",
        "cvxopt==1.3.3",
    ),
}
# The wheel dolfinx-solver-real holds DOLFINx, but not under the name that dolfinx-adjoint asks for.
OVERRIDES = "fenics-dolfinx ; python_version < '3'\n"
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class PeerError(RuntimeError):
    """A peer cannot be installed or failed; the message is its last line."""


def interpreter(peer: str, *, limit: float = 400.0) -> Path:
    """Interpreter of the peer's environment, made with uv if it is not there [limit in s]."""
    folder, wanted = CACHE / peer, "\n".join(REQUIREMENTS[peer])
    python, done = folder / "bin" / "python", folder / "requirements.txt"
    if python.exists() and done.exists() and done.read_text() == wanted:
        return python
    CACHE.mkdir(parents=True, exist_ok=True)
    overrides = CACHE / "overrides.txt"
    overrides.write_text(OVERRIDES)
    _call(["uv", "venv", "--quiet", "--clear", "--python", sys.executable, folder], limit)
    install = ["uv", "pip", "install", "--quiet", "--python", python, "--override", overrides]
    _call([*install, *REQUIREMENTS[peer]], limit)
    done.write_text(wanted)
    return python


def run(peer: str, script: str, task: Mapping[str, np.ndarray], *, limit: float) -> dict[str, Any]:
    """Run ``script TASK.npz RESULT.json`` of this folder in the peer's environment.

    Raises:
        PeerError: It cannot be installed, failed or took more than ``limit`` seconds.
    """
    python = interpreter(peer)
    with tempfile.TemporaryDirectory() as scratch:
        given, answer = Path(scratch) / "task.npz", Path(scratch) / "result.json"
        np.savez(given, **task)
        _call([python, Path(__file__).with_name(script), given, answer], limit)
        return json.loads(answer.read_text())


def _call(command: list[Any], limit: float) -> None:
    inherited = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH")}
    try:
        done = subprocess.run(
            [str(word) for word in command],
            env={**inherited, **THREADS},
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
            cwd=CACHE,
        )
    except subprocess.TimeoutExpired as error:
        raise PeerError(f"not finished within {limit:.0f} s") from error
    except OSError as error:
        raise PeerError(str(error)) from error
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise PeerError(lines[-1][:200] if lines else f"exit status {done.returncode}")
