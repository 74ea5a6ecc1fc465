"""Checks of Python, the needed packages, the machine and the plugins."""

import os
import platform
import re
import shutil
import sys
import warnings
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from genmech_fem import plugins as registry
from genmech_fem.errors import GenmechError

LEAST = 200e6  # byte that a run needs


def python() -> str:
    """Which Python runs, and where."""
    libc = " ".join(platform.libc_ver())
    return f"Python {platform.python_version()} in {sys.prefix}, {platform.system()} {platform.machine()}, {libc}"


def packages() -> str:
    """Whether the packages that are always needed are there."""
    needed = [text for text in requires("genmech_fem") or () if "extra ==" not in text]
    names = [re.split(r"[^\w-]", text)[0] for text in needed]
    missing = [name for name in names if not _installed(name)]
    if missing:
        raise GenmechError(f"not installed: {', '.join(missing)}")
    return ", ".join(f"{name} {version(name)}" for name in ("genmech_fem", "numpy", "scipy")) + f", all {len(names)}"


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def space() -> str:
    """Free room on the disk of this folder, and the memory."""
    free = shutil.disk_usage(Path.cwd()).free
    if free < LEAST:
        raise GenmechError(f"expected {LEAST / 1e6:.0f} MB free on the disk of {Path.cwd()}, got {free / 1e6:.0f}")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{free / 1e9:.1f} GB free on the disk of {Path.cwd()}, {memory / 1e9:.1f} GB of memory"


def threads() -> str:
    """Whether a process has no more threads than the machine has cores."""
    cores, text = os.cpu_count() or 1, os.environ.get("OMP_NUM_THREADS", "")
    if not text.isdigit() or not 1 <= int(text) <= cores:
        raise GenmechError(f"expected OMP_NUM_THREADS of 1 to {cores}, the cores, got {text!r}")
    return f"OMP_NUM_THREADS={text} on {cores} cores; genmech takes 1 where it is not set, scripts of your own do not"


def plugins() -> str:
    """Whether every plugin can be imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the errors are told below
        found = registry.listing()
    broken = [f"{one.name} of {one.group} ({one.distribution}): {one.error}" for one in found if one.error]
    if broken:
        raise GenmechError("; ".join(broken))
    others = sorted({f"{one.distribution} {one.version}" for one in found if one.distribution != registry.BUILT_IN})
    return f"{len(found)} plugins; of others: {', '.join(others) or 'none'}"
