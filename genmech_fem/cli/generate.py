"""``genmech generate``: a data set from a problem and a sampler, or from a campaign of one's own."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from genmech_fem.cli import page
from genmech_fem.cli.campaign_source import campaign_of
from genmech_fem.cli.output import tell
from genmech_fem.cli.progress import advance, progress_bar
from genmech_fem.datasets import Engine, Processes, Progress, Report, Serial, generate

SMALL = 16  # samples for which starting processes takes longer than the solves


def run(args: argparse.Namespace) -> int:
    """Generate and print what came out."""
    part = _part(args.part)
    campaign = campaign_of(args)
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
    if (args.out / "README.md").exists():
        page.write_data_page(args.out, args)
    tell(args, _text(args, report, campaign.size), _record(args, report, campaign.size))
    return 0


def _text(args: argparse.Namespace, report: Report, size: int) -> str:
    line = (
        f"{args.out}: {report.finished} of {size} samples, {len(report.failures)} of them failed; "
        f"{report.computed} computed now in {report.seconds:.1f} s ({1000 * report.solve_seconds:.0f} ms each)"
    )
    return "\n".join([*([report.table()] if report.failures else []), line])


def _record(args: argparse.Namespace, report: Report, size: int) -> dict[str, Any]:
    return {
        "folder": args.out,
        "size": size,
        "finished": report.finished,
        "computed": report.computed,
        "failures": dict(Counter(failure.kind for failure in report.failures.values())),
        "seconds": report.seconds,
        "seconds_per_sample": report.solve_seconds,
    }


def _part(text: str) -> tuple[int, int]:
    k, slash, n = text.partition("/")
    if not (slash and k.isdigit() and n.isdigit() and int(k) < int(n)):
        raise ValueError(f"--part: expected K/N with 0 <= K < N, got '{text}'")
    return int(k), int(n)


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
