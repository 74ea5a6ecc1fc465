"""Tasks side by side: results in order, errors as one line, Ctrl-C passed on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genmech_fem.cli.parallel import in_parallel
from genmech_fem.errors import GenmechError


def double(x):
    return 2 * x


def fail(x):
    if x:
        raise ValueError("too large")
    return x


def crash(x):
    if x:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def wait(folder):
    """Say that the task runs, and what it does when it is interrupted."""
    (folder / f"begun-{os.getpid()}").touch()
    try:
        time.sleep(60)
    finally:
        (folder / f"ended-{os.getpid()}").touch()


def test_results_come_in_order():
    assert in_parallel(double, [(1,), (2,)]) == [2, 4]


@pytest.mark.parametrize(("task", "text"), [(fail, "too large"), (crash, "a process was killed")])
def test_a_failure_is_one_error(task, text):
    with pytest.raises(GenmechError, match=text):
        in_parallel(task, [(0,), (1,)])


def started(folder):
    """A process that waits for two tasks, once both have begun."""
    script = f"""
import sys
from pathlib import Path
if __name__ == "__main__":
    sys.path.insert(0, {str(Path(__file__).parent)!r})
    from test_parallel import in_parallel, wait
    folder = Path({str(folder)!r})
    in_parallel(wait, [(folder,), (folder,)])
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    until(lambda: len(list(folder.glob("begun-*"))) == 2 or parent.poll() is not None)
    return parent


def until(done):
    deadline = time.monotonic() + 60
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_ctrl_c_reaches_all_tasks_and_is_waited_for(tmp_path):
    parent = started(tmp_path)
    parent.send_signal(signal.SIGINT)
    _, text = parent.communicate(timeout=30)
    assert text.count("KeyboardInterrupt") == 1
    assert len(list(tmp_path.glob("ended-*"))) == 2


def test_tasks_end_with_a_parent_that_was_killed(tmp_path):
    parent = started(tmp_path)
    parent.kill()
    parent.communicate(timeout=30)
    until(lambda: len(list(tmp_path.glob("ended-*"))) == 2)
    assert len(list(tmp_path.glob("ended-*"))) == 2
