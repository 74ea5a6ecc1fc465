"""The table and the page of ``genmech verify mechanical-mnist``."""

import argparse
from typing import Any

from tabulate import tabulate

from genmech_fem.cli import page

FROM_DISPLACEMENT = 0.5  # the published energies of smaller steps hold too few digits


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.4f}"


def table(result: dict[str, Any]) -> str:
    """Differences by displacement."""
    solved = result["samples"][1] - result["samples"][0] - len(result["failures"])
    rows = [
        (f"{r['displacement']:g}", _percent(r["median"]), _percent(r["maximum"]), solved, len(result["failures"]))
        for r in result["rows"]
        if r["displacement"] > 0
    ]
    headers = ("displacement", "median difference [%]", "max difference [%]", "solved", "failed")
    return tabulate(rows, headers=headers, disable_numparse=True, stralign="right", numalign="right")


def summary(result: dict[str, Any]) -> str:
    """Whether the energies agree, in one line."""
    return (
        f"largest difference from displacement {FROM_DISPLACEMENT:g} on: {_percent(result['maximum'])} % "
        f"(tolerance {100 * result['tolerance']:g} %: {'agrees' if result['agrees'] else 'DIFFERS'}); "
        f"{result['seconds_per_sample']:.2f} s per sample"
    )


def write_page(args: argparse.Namespace, result: dict[str, Any]) -> None:
    """Write the page beside the file of figures."""

    def draw() -> Any:
        from genmech_fem.plotting import histories

        rows = [row for row in result["rows"] if row["maximum"]]
        curves = {name: [(row["displacement"], row[name]) for row in rows] for name in ("median", "maximum")}
        return histories(curves, "displacement", "relative difference of the energy")

    rows = [(row["displacement"], row["median"], row["maximum"]) for row in result["rows"]]
    parts = [
        page.note(summary(result)),
        page.table(rows, ("displacement", "median difference", "largest difference")),
        page.drawn("differences", draw),
        *page.about_command(args),
    ]
    page.write_page(args.json.with_suffix(".report.html"), "Energies of Mechanical MNIST", parts)
