"""``genmech doctor``: whether the installation works, and how to repair what does not."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from genmech_fem.cli.checks import CHECKS

if TYPE_CHECKING:
    from genmech_fem.cli.checks.process import Finding

BROKEN = 1
NAMES = tuple(check.name for check in CHECKS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    known = f"only these, none of which may be missing: {', '.join(NAMES)} (default: all)"
    parser.add_argument("checks", nargs="*", choices=NAMES, metavar="CHECK", help=known)
    parser.add_argument(
        "--time-limit", type=float, default=180.0, metavar="SECONDS", help="longest time of a check (default: 180)"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON data")


def run(args: argparse.Namespace) -> int:
    """Examine, print the table and the repairs; 1 if something is broken."""
    from genmech_fem.cli.checks.process import examine
    from genmech_fem.cli.progress import progress_bar

    findings = []
    chosen = [check for check in CHECKS if not args.checks or check.name in args.checks]
    with progress_bar(len(chosen), "doctor") as bar:
        for check in chosen:
            bar.set_postfix_str(check.name, refresh=False)
            findings.append(examine(check, args.time_limit))
            bar.update()
    print(json.dumps([asdict(one) for one in findings], indent=1) if args.json else _table(findings))
    bad = ("broken", "missing") if args.checks else ("broken",)
    return BROKEN if any(one.state in bad for one in findings) else 0


def _table(findings: "Sequence[Finding]") -> str:
    from tabulate import tabulate

    rows = [(one.name, one.state, f"{one.seconds:.1f}", one.found) for one in findings]
    table = tabulate(rows, headers=("check", "state", "s", "found"), disable_numparse=True, maxcolwidths=[12, 8, 6, 90])
    repairs = [f"{one.name}: {one.repair}" for one in findings if one.repair]
    return "\n".join([table, *(["", "How to repair or add what is not there:", *repairs] if repairs else [])])
