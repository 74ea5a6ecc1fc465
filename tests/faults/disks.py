"""Disks that are full, and folders that may only be read."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import jobs
import numpy as np
from faults import Outcome, fault, refused

from genmech_fem.geometry import conforming_mesh, read, write

SIZE = 300  # KiB
IMAGE = np.pad(np.ones((40, 40)), 12)


SPARE = {"a campaign": 60_000, "training": 3_000, "export": 500, "a design loop": 60_000, "a mesh": 500}
"""Bytes that are left on the disk when the work begins."""
WORDS = {"a campaign": "samples are stored and can be read: free space and repeat the campaign"}
"""What is said besides the system's words."""


@contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """A disk of its own of few KiB, mounted in the folder."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}k", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def campaign(folder: Path) -> None:
    """Far more samples than there is space for."""
    jobs.generate(replace(jobs.CAMPAIGN, size=100_000), folder / "store")


def design(folder: Path) -> None:
    """A journal in a folder of its own."""
    jobs.design(folder / "journal")


def mesh(folder: Path) -> None:
    """A mesh over the file that is there."""
    write(conforming_mesh(IMAGE, refine=2), folder / "mesh.msh")


JOBS: dict[str, Callable[[Path], None]] = {
    "a campaign": campaign,
    "training": jobs.training,
    "export": jobs.export,
    "a design loop": design,
    "a mesh": mesh,
}


def fill(folder: Path, spare: int) -> None:
    """Leave so many bytes of a disk."""
    (folder / "fill").write_bytes(bytes(max(0, shutil.disk_usage(folder).free - spare)))


def on_a_full_disk(name: str, folder: Path) -> Outcome:
    """Work runs out of space: that is said, and what was written before is whole."""
    with disk(folder / "disk") as place:
        if name in {"export", "a mesh"}:
            (jobs.exported if name == "export" else small_mesh)(place)
        fill(place, SPARE[name])
        outcome = refused(partial(JOBS[name], place), WORDS.get(name, "No space left"))
        parts = [file.name for file in place.rglob("*") if ".part" in file.name or file.name.startswith(".")]
        whole = readable(name, place)
    good = outcome.survived and whole and not parts
    return Outcome(good, note=outcome.note if good else f"{outcome.note}; whole: {whole}; left: {parts}")


def small_mesh(folder: Path) -> None:
    """A mesh that fits on the disk."""
    write(conforming_mesh(IMAGE[::4, ::4]), folder / "mesh.msh")


def readable(name: str, folder: Path) -> bool:
    """Whether all that was written can be read."""
    if name == "a campaign":
        numbers, arrays = jobs.Store.open(folder / "store").read()
        return len(numbers) == len(arrays["phase"]) > 0
    if name == "a mesh":
        return len(read(folder / "mesh.msh").cells) > 0
    if name == "export":
        return bool(jobs.result("export", folder))
    if name == "training":
        return jobs.done("training", folder) >= 0
    return jobs.done("design", folder / "journal") > 0


def where_nothing_may_be_written(name: str, folder: Path) -> Outcome:
    """Work in a folder that is mounted read-only ends in one line that names it."""
    with disk(folder / "disk") as place:
        subprocess.run(["mount", "-o", "remount,ro", place], check=True)
        return refused(partial(JOBS[name], place), "disk")


for job in JOBS:
    fault(f"full disk during {job}")(partial(on_a_full_disk, job))
    fault(f"read-only folder for {job}")(partial(where_nothing_may_be_written, job))
