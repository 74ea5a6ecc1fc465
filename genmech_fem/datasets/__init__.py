"""Campaigns (sample, solve, store), engines, samplers, the store, splits and statistics."""

from genmech_fem.datasets.blocks import Failure, write_atomic
from genmech_fem.datasets.campaign import Campaign, Progress, Report, generate
from genmech_fem.datasets.content import fingerprints
from genmech_fem.datasets.engines import Engine, Futures, Processes, Serial
from genmech_fem.datasets.moments import Statistics, statistics
from genmech_fem.datasets.recorder import Recorder
from genmech_fem.datasets.samplers import Design, LatinHypercube, Range, Sobol
from genmech_fem.datasets.splits import check_leakage, read_splits, split, split_by_hash, write_splits
from genmech_fem.datasets.store import Samples, Store

__all__ = [
    "Campaign",
    "Design",
    "Engine",
    "Failure",
    "Futures",
    "LatinHypercube",
    "Processes",
    "Progress",
    "Range",
    "Recorder",
    "Report",
    "Samples",
    "Serial",
    "Sobol",
    "Statistics",
    "Store",
    "check_leakage",
    "fingerprints",
    "generate",
    "read_splits",
    "split",
    "split_by_hash",
    "statistics",
    "write_atomic",
    "write_splits",
]
