"""The report of ``genmech anomaly``: who raises an alarm, and how well plain baselines do."""

import argparse
import json
from collections.abc import Callable
from typing import Any

import numpy as np
from tabulate import tabulate

from genmech_fem.cli import page
from genmech_fem.metrics import detection_scores

LISTED = 20


def text_and_record(
    args: argparse.Namespace, name: str, scores: dict[str, dict[str, np.ndarray]], threshold: float
) -> tuple[str, dict[str, Any]]:
    """The report as Markdown and as JSON data."""
    normal, suspects = scores[name]["normal"], scores[name]["suspects"]
    order = np.argsort(-suspects)
    alarms = {"normal": float(np.mean(normal > threshold)), "suspects": float(np.mean(suspects > threshold))}
    lines = [
        f"# Anomalies by {name}",
        f"Threshold {threshold:.3g} standard deviations above the mean of normal fields, for at most "
        f"{100 * (1 - args.quantile):.3g} % of false alarms.",
        f"- normal fields that it had not seen: {len(normal)}, of which {100 * alarms['normal']:.1f} % raise an alarm",
        f"- suspects: {len(suspects)}, of which {100 * alarms['suspects']:.1f} % raise an alarm",
        tabulate(
            [(int(i), f"{suspects[i]:.3g}", "yes" if suspects[i] > threshold else "no") for i in order[:LISTED]],
            headers=["suspect", "score", "alarm"],
            tablefmt="github",
            disable_numparse=True,
        ),
    ]
    record: dict[str, Any] = {
        "detector": name,
        "threshold": threshold,
        "quantile": args.quantile,
        "alarms": alarms,
        "scores": {key: values.tolist() for key, values in scores[name].items()},
    }
    if args.anomalous:
        found = {
            each: detection_scores(both["normal"], both["suspects"], generator=np.random.default_rng(args.seed))
            for each, both in scores.items()
        }
        rows = [
            [each, *(f"{v.value:.3f} ({v.low:.3f} to {v.high:.3f})" for v in found[each].values())] for each in found
        ]
        lines.append(
            tabulate(rows, headers=["detector", *found[name]], tablefmt="github", disable_numparse=True)
            + "\n\nIn brackets: 95 % bootstrap intervals."
        )
        record["statistics"] = {each: {key: list(v) for key, v in of.items()} for each, of in found.items()}
    return "\n\n".join(lines), record


def picture(
    judge: Callable[[np.ndarray], dict[str, np.ndarray]],
    suspects: np.ndarray,
    scores: dict[str, np.ndarray],
    threshold: float,
) -> bytes:
    """The distributions of the scores, and the most suspicious fields, as a PNG file."""
    from genmech_fem.plotting import detection_figure, to_png

    order = np.argsort(-scores["suspects"])[:8]
    maps = judge(suspects[order]).get("map")
    titles = [f"{i}: {scores['suspects'][i]:.2g}" for i in order]
    return to_png(detection_figure(scores, threshold, suspects[order, 0], maps, titles))


def write(args: argparse.Namespace, text: str, record: dict[str, Any], png: bytes) -> None:
    """Write the picture, and the report as JSON data, Markdown and a page."""
    picture = ("report", "Scores, and the most suspicious fields", png)
    page.write_report(args, "report", text, json.dumps(record, indent=1), picture)
