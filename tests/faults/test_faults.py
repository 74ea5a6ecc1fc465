"""Every fault of this folder is brought about; nothing is lost, and what is refused is refused in one line."""

import os
import shutil

import pytest

import genmech_fem.problems  # noqa: F401  isort: skip

import bad_numbers  # noqa: F401
import commands
import damage  # noqa: F401
import disks  # noqa: F401
import endurance  # noqa: F401
import fuzzing  # noqa: F401
import kills
import malice  # noqa: F401
from faults import FAULTS

kills.KILLS = 1


QUICK = {f"{what} genmech generate, serial" for what in ("kill -9 of", "Ctrl-C in")} | {
    "kill -9 of genmech design structure"
}
"""Of the commands; that of the jobs below which they do themselves is slow."""
SLOW = {
    *({f"{what} genmech {name}" for what in ("kill -9 of", "Ctrl-C in") for name in commands.COMMANDS} - QUICK),
    *(f"file size limit for genmech {name}" for name in ("train", "export")),
    *(f"kill -9 during {job}" for job in ("campaign", "training", "export", "design")),
    "everything twice in one process",
    "a campaign under mpiexec -n 2",
    "more threads than cores",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in FAULTS]
)
def test_nothing_is_lost(name, tmp_path):
    if ("disk" in name or "read-only" in name) and (os.geteuid() or not shutil.which("mount")):
        pytest.skip("a small disk can be mounted by root only")
    outcome = FAULTS[name](tmp_path)
    assert outcome.survived, outcome.note
    assert outcome.lost == 0, outcome.note
