"""``genmech generate``: a data set from a problem and a sampler, or from a campaign of one's own."""

import argparse
import ast
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cloudpickle

from genmech_fem import plugins
from genmech_fem.cli.progress import advance, progress_bar
from genmech_fem.datasets import Campaign, Engine, Processes, Progress, Serial, generate
from genmech_fem.forward import LazyModel

SMALL = 16  # samples for which starting processes takes longer than the solves


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


def run(args: argparse.Namespace) -> int:
    """Generate and print what came out."""
    part = _part(args.part)
    campaign = _campaign(args)
    with _engine(args, campaign.size) as engine, progress_bar(campaign.size, "samples") as bar:

        def show(progress: Progress) -> None:
            bar.initial = bar.initial or progress.finished - progress.computed  # the rate is that of this call
            bar.set_postfix(failed=progress.failed, refresh=False)
            advance(bar, progress.finished)

        report = generate(
            campaign,
            args.out,
            engine=engine,
            part=part,
            redo=args.redo,
            failure_limit=args.failure_limit,
            progress=show,
        )
    if report.failures:
        print(report.table())
    print(
        f"{args.out}: {report.finished} of {campaign.size} samples, {len(report.failures)} of them failed; "
        f"{report.computed} computed now in {report.seconds:.1f} s ({1000 * report.solve_seconds:.0f} ms each)"
    )
    return 0


def _part(text: str) -> tuple[int, int]:
    k, slash, n = text.partition("/")
    if not (slash and k.isdigit() and n.isdigit() and int(k) < int(n)):
        raise ValueError(f"--part: expected K/N with 0 <= K < N, got '{text}'")
    return int(k), int(n)


def _campaign(args: argparse.Namespace) -> Campaign:
    changes = {name: getattr(args, name) for name in ("size", "seed", "title", "licence")}
    changes = {name: value for name, value in changes.items() if value is not None}
    if args.campaign:
        return replace(_own(args.campaign), **changes)
    if not args.problem:
        known = ", ".join(plugins.names("models"))
        raise ValueError(f"expected --problem with one of {known}, or --campaign with your own")
    solver = plugins.load("models", args.problem)
    model = LazyModel(partial(solver, **_settings(solver, ["resolution=" + str(args.resolution), *args.set])))
    sampler = plugins.load("microstructures", args.sampler)
    settings = _settings(sampler, ["resolution=" + str(args.resolution), *args.sampler_set])
    return Campaign(model, sampler(**settings), **{"size": 100, **changes})


def _own(text: str) -> Campaign:
    """The campaign NAME of the script FILE.py, which may also be a function that makes it."""
    file, colon, name = text.rpartition(":")
    if not colon or not Path(file).is_file():
        raise ValueError(f"--campaign: expected FILE.py:NAME with a file that exists, got '{text}'")
    spec = importlib.util.spec_from_file_location(f"campaign_{Path(file).stem}", file)
    if spec is None or spec.loader is None:
        raise ValueError(f"--campaign: expected a Python file, got '{file}'")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    campaign = getattr(module, name, None)
    if callable(campaign):
        campaign = campaign()
    if not isinstance(campaign, Campaign):
        raise ValueError(f"--campaign: expected a Campaign named '{name}' in {file}, got {type(campaign).__name__}")
    cloudpickle.register_pickle_by_value(module)  # other processes do not find the file
    return campaign


def _settings(target: Callable[..., Any], pairs: Sequence[str]) -> dict[str, Any]:
    """Arguments of `target` from KEY=VALUE; a tuple becomes the dataclass of the default."""
    known = inspect.signature(target).parameters
    settings = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or key not in known:
            raise ValueError(f"expected KEY=VALUE with a key of {', '.join(known)}, got '{pair}'")
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
        default: Any = known[key].default
        made = isinstance(value, tuple) and is_dataclass(default)
        settings[key] = type(default)(*value) if made else value
    return settings


@contextmanager
def _engine(args: argparse.Namespace, size: int) -> Iterator[Engine]:
    name = args.engine or ("serial" if size <= SMALL and args.time_limit is None else "processes")
    if name == "serial":
        if args.time_limit is not None:
            raise ValueError("--time-limit: expected --engine processes or dask, got serial")
        yield Serial()
    elif name == "processes":
        yield Processes(args.workers, args.time_limit)
    else:
        from distributed import Client

        from genmech_fem.datasets.dask import Dask

        workers: Any = nullcontext(args.scheduler) if args.scheduler else _local_cluster(args.workers)
        with workers as cluster, Client(cluster) as client:  # type: ignore[no-untyped-call]
            print(f"Dask dashboard: {client.dashboard_link}", file=sys.stderr)
            yield Dask(client, args.time_limit, shared=args.shared or not args.scheduler)


def _local_cluster(workers: int) -> Any:
    from distributed import LocalCluster

    return LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=":0")  # type: ignore[no-untyped-call]
