"""Much, twice, side by side: leaks, repeated runs in one process, several ranks, too many threads."""

import gc
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jobs
import numpy as np
import psutil
from faults import Outcome, fault

from genmech_fem.adapters import ConformingHomogenization, conduction

SOLVES, MESHES = 200, 20


def growth(call: object, times: int) -> tuple[float, int]:
    """Growth of the memory [MiB] and of open files over so many calls, after as many as a tenth to warm up."""
    process = psutil.Process()

    def state() -> tuple[float, int]:
        gc.collect()
        return process.memory_info().rss / 2**20, process.num_fds()

    for _ in range(times // 10):
        call()
    before = state()
    for _ in range(times):
        call()
    after = state()
    return after[0] - before[0], after[1] - before[1]


@fault("leaks over many solves")
def solves(folder: Path) -> Outcome:
    """The same solver again and again, with other data each time."""
    del folder
    solver, sampler, generator = conduction(16), jobs.PeriodicFibres(resolution=16), np.random.default_rng(0)
    memory, files = growth(lambda: solver(sampler(generator)), SOLVES)
    return Outcome(memory < 30 and files <= 0, note=f"{SOLVES} solves: {memory:+.1f} MiB, {files:+d} files")


@fault("leaks over many meshes and new problems")
def meshes(folder: Path) -> Outcome:
    """A new mesh and a new problem for each sample."""
    del folder
    sampler, generator = jobs.PeriodicFibres(resolution=16), np.random.default_rng(0)
    solver = ConformingHomogenization(16, refine=1)
    memory, files = growth(lambda: solver(sampler(generator)), MESHES)
    limit = 5 + 0.5 * MESHES
    return Outcome(memory < limit and files <= 0, note=f"{MESHES} meshes: {memory:+.1f} MiB, {files:+d} files")


@fault("leaks over many ONNX sessions")
def sessions(folder: Path) -> Outcome:
    """A file that is opened and asked again and again."""
    jobs.exported(folder)
    memory, files = growth(lambda: jobs.result("export", folder), SOLVES)
    return Outcome(memory < 30 and files <= 0, note=f"{SOLVES} sessions: {memory:+.1f} MiB, {files:+d} files")


@fault("everything twice in one process")
def twice(folder: Path) -> Outcome:
    """Campaign, training, export and design, side by side with themselves."""
    same = {}
    for name, job in jobs.JOBS.items():
        found = []
        for k in range(2):
            (folder / f"{name}{k}").mkdir()
            job(folder / f"{name}{k}")
            found.append(jobs.result(name, folder / f"{name}{k}"))
        same[name] = all(np.array_equal(found[0][key], found[1][key]) for key in found[0])
    return Outcome(all(same.values()), note=str(same))


@fault("a campaign under mpiexec -n 2")
def ranks(folder: Path) -> Outcome:
    """Two processes that know nothing of each other fill one store, one after the other."""
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [
        shutil.which("mpiexec", path=beside) or "mpiexec",
        "-n",
        "2",
        sys.executable,
        jobs.__file__,
        "campaign",
        str(folder / "two"),
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=600)
    jobs.campaign(folder / "one")
    two, one = (jobs.result("campaign", folder / name) for name in ("two", "one"))
    return Outcome(all(np.array_equal(two[name], one[name]) for name in one), note="the same data as of one process")


@fault("more threads than cores")
def threads(folder: Path) -> Outcome:
    """Thirty-two threads wherever a library takes them from the environment: the same results."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, "32")}
    for name in ("many", "few"):
        (folder / name).mkdir()
    command = [sys.executable, jobs.__file__, "campaign", str(folder / "many")]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=600)
    jobs.campaign(folder / "few")
    many, few = (jobs.result("campaign", folder / name) for name in ("many", "few"))
    worst = max(float(np.abs(many[name] - few[name]).max()) for name in few)
    return Outcome(worst < 1e-10, note=f"largest difference {worst:.1e}")
