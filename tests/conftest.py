"""Shared set-up: the wheel of DOLFINx is loaded in its order, and threads are few."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import genmech_fem.problems  # noqa: F401
