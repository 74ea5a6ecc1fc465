"""kill -9 at random moments of long work, which is then begun again and compared with work that was left alone."""

import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import jobs
import numpy as np
from faults import Outcome, fault

KILLS = 3


def killed(job: str, folder: Path, delay: float) -> int:
    """Start a job as a process, kill it so many seconds after its first report; what it reported last."""
    command = [sys.executable, jobs.__file__, job, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        stream = process.stdout
        reported = int(stream.readline() or 0)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        for line in stream:
            reported = int(line) if line.endswith("\n") else reported
    return reported


def kill_and_resume(job: str, folder: Path) -> Outcome:
    """Kill a job some times, finish it, and compare with one that was left alone."""
    broken, whole = folder / "broken", folder / "whole"
    broken.mkdir()
    whole.mkdir()
    lost, kept = 0, []
    for delay in np.random.default_rng(0).uniform(0.0, 0.6, KILLS):
        reported = killed(job, broken, delay)
        kept.append(jobs.done(job, broken))
        least = min(reported, 1) if job == "export" else reported
        lost += max(0, least - kept[-1])
    jobs.JOBS[job](broken)
    jobs.JOBS[job](whole)
    found, expected = jobs.result(job, broken), jobs.result(job, whole)
    same = found.keys() == expected.keys() and all(np.array_equal(found[name], expected[name]) for name in expected)
    return Outcome(same, lost, f"{KILLS} kills, kept {kept}; then bit for bit as without")


for name in jobs.JOBS:
    fault(f"kill -9 during {name}")(partial(kill_and_resume, name))
