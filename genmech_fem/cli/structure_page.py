"""The page and the tables of a designed structure."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from genmech_fem.cli import page
from genmech_fem.cli.run_folder import Run
from genmech_fem.cli.structure_task import Task
from genmech_fem.geometry import Design
from genmech_fem.plotting.design import density_picture, history_curve, solid_picture

APART = 0.05  # relative difference of two meshes that is warned of


def values(record: Mapping[str, Any]) -> list[tuple[str, float | None]]:
    """Compliances and volumes by what they are."""
    return [
        ("compliance predicted on grey cells", record["predicted"]),
        ("compliance verified on a mesh of the solid", record.get("verified")),
        ("compliance on a finer mesh", record.get("finer")),
        ("volume of the grey cells", record["volume"]),
        ("volume of the mesh", record.get("verified_volume")),
    ]


def warnings(record: Mapping[str, Any]) -> list[str]:
    """What makes the verified value doubtful."""
    finer, verified = record.get("finer"), record.get("verified")
    if finer is None or abs(finer / verified - 1) <= APART:
        return []
    return [
        f"The two meshes differ by {abs(finer / verified - 1):.1%}: a thin or grey part breaks on one of them; "
        "take a larger --sharpness or --radius."
    ]


def figures(record: Mapping[str, Any], task: Task) -> list[tuple[str, str]]:
    """Shares by what they are shares of."""
    return [(task.meanings[name], f"{share:.2%}") for name, share in record["figures"].items()]


def write(run: Run, record: Mapping[str, Any], task: Task, design: Design | None = None) -> None:
    """Write ``design.json`` and the page."""
    page.write_record(run, record)
    histories = record["histories"]
    curve = history_curve(
        [value for history in histories for value in history], "compliance", stages=[len(h) for h in histories]
    )
    verified = (
        [
            page.picture("mesh of the solid", solid_picture(design.mesh)),
            page.table([*record["left_out"].items()], ("left out of the mesh", "")),
        ]
        if design
        else [page.note(f"Not verified: {record.get('unverified', 'interrupted, the same command goes on')}.")]
    )
    parts = [
        page.table(values(record), ("unit loads, Young's modulus 1, Poisson's ratio 0.3", "")),
        *map(page.note, warnings(record)),
        page.picture("density", density_picture(np.load(run.folder / "density.npy"))),
        *verified,
        page.heading("Can it be made?"),
        page.table(figures(record, task), ("of the cells with a density above 0.5", "share")),
        page.heading("Course"),
        page.picture("history", curve),
        page.note(f"{record['message']}; {record['evaluations']} solves, {len(record['failures'])} failures"),
        page.heading("Not verified"),
        page.note(
            "Strength, buckling, fatigue, contact and large displacements: the answer is that of linear elasticity"
            f"{' in plane stress' if task.settings.plane else ''} under the loads of the structure."
        ),
        *page.about(run.record),
    ]
    page.write_page(run.folder / "report.html", f"Design: {task.settings.load}", parts)
