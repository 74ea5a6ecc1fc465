"""Arguments of ``genmech generate``."""

import argparse
import os
from pathlib import Path

from genmech_fem.cli.commands import later
from genmech_fem.cli.output import add_json_argument


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("out", type=Path, help="folder of the data set; the same command again resumes")
    what = parser.add_argument_group("what to compute")
    what.add_argument("--problem", help="solver by plugin name, see 'genmech plugins', group models")
    what.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of the solver")
    what.add_argument("--sampler", default="fibres", help="sampler by plugin name, group microstructures (fibres)")
    what.add_argument("--sampler-set", nargs="+", default=[], metavar="KEY=VALUE", help="settings of the sampler")
    what.add_argument("--resolution", type=int, default=32, help="pixels along each side, of both (default: 32)")
    what.add_argument("--campaign", metavar="FILE.py:NAME", help="a Campaign of your own instead of these")
    what.add_argument("--size", type=int, help="number of samples (default: 100, or the campaign's own)")
    what.add_argument("--seed", type=int, help="seed (default: 0, or the campaign's own)")
    what.add_argument("--title", help="what the data are, for the data card")
    what.add_argument("--licence", help="their licence, for the data card")
    how = parser.add_argument_group("how to compute it")
    how.add_argument("--engine", choices=("serial", "processes", "dask"), help="default: processes, serial if small")
    how.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: one a core)")
    how.add_argument("--scheduler", metavar="ADDRESS", help="of a running Dask cluster (default: one on this machine)")
    how.add_argument("--shared", action="store_true", help="the workers of that cluster see the folder of the data set")
    how.add_argument("--time-limit", type=float, metavar="SECONDS", help="longest time of one sample")
    how.add_argument("--part", default="0/1", metavar="K/N", help="only samples K, K + N, ...: for N jobs side by side")
    how.add_argument("--redo", nargs="+", choices=("failed", "damaged"), default=[], help="compute these again")
    how.add_argument("--failure-limit", type=float, default=0.5, help="share of failures that ends it (default: 0.5)")
    add_json_argument(parser)


run = later("generate")
