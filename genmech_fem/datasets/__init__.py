"""Campaigns (sample, solve, store), the store and splits."""

from genmech_fem.datasets.campaign import Campaign, Report, generate, local_processes
from genmech_fem.datasets.splits import split
from genmech_fem.datasets.store import Store

__all__ = ["Campaign", "Report", "Store", "generate", "local_processes", "split"]
