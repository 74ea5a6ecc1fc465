"""Campaigns (sample, solve, store), engines, samplers, the store, splits and statistics."""

from genmech_fem.datasets.blocks import Failure
from genmech_fem.datasets.campaign import Campaign
from genmech_fem.datasets.content import fingerprints
from genmech_fem.datasets.engines import Engine, Futures, Serial
from genmech_fem.datasets.generate import Progress, Report, generate
from genmech_fem.datasets.moments import Statistics, statistics
from genmech_fem.datasets.processes import Processes
from genmech_fem.datasets.reader import Samples
from genmech_fem.datasets.recorder import Recorder
from genmech_fem.datasets.samplers import Design, LatinHypercube, Range, Sobol
from genmech_fem.datasets.splits import check_leakage, read_splits, split, split_by_hash, write_splits
from genmech_fem.datasets.store import Store
from genmech_fem.drafts import write_atomic

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
