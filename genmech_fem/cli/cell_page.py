"""The page, the cells and the mesh of a run of ``genmech design cell``."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from genmech_fem.cli import page
from genmech_fem.cli.cell_record import tensor_rows
from genmech_fem.cli.cell_search import VERIFY_REFINE, Task
from genmech_fem.cli.demo_settings import COMPONENTS
from genmech_fem.cli.run_folder import Run
from genmech_fem.geometry import write as write_mesh
from genmech_fem.plotting import images, mesh_picture
from genmech_fem.plotting.design import tensor_picture

SHOWN = 8  # cells with a picture


def write(run: Run, record: Mapping[str, Any], phases: np.ndarray, task: Task) -> None:
    """Write ``design.json``, the cells, the mesh of the best one, and the page."""
    page.write_record(run, record)
    page.write_arrays(run.folder / "cells.npz", phase=phases)
    mesh = task.source.solver(VERIFY_REFINE).mesh(phases[0])
    for suffix in ("msh", "vtu"):
        write_mesh(mesh, run.folder / f"cell.{suffix}")
    cells, tensors = record["cells"], tensor_rows(record, task.settings.target)
    titles = [[f"{row['by']}\n{100 * row['error']:.2f} %" for row in cells[:SHOWN]]]
    columns = {"error": 100, "predicted_error": 100, "finer_error": 100, "volume_fraction": 1, "novelty": 1}
    rows = [[row["by"], *(None if row[c] is None else k * row[c] for c, k in columns.items())] for row in cells]
    parts = [
        *([] if "finer" in record else [page.note("Interrupted: the same command goes on.")]),
        page.table(tensors, ("best cell [GPa]", *COMPONENTS, "error %")),
        page.picture("tensors", tensor_picture({row[0]: np.array(row[1:-1]) for row in tensors}, "GPa")),
        page.picture("mesh of the best cell", mesh_picture(mesh, f"verified on {len(mesh.cells)} triangles")),
        page.heading("Verified cells"),
        page.picture("verified cells", images([list(phases[:SHOWN])], titles, colours="gray_r", limits=(0, 1))),
        page.table(rows, ("by", "error %", "predicted %", "finer %", "phase 1", "novelty")),
        page.note(
            f"{task.settings.draws} cells drawn, {len(cells)} verified, {len(record['failures'])} failed. Diversity of "
            f"the verified ones (Vendi score): {record['diversity']:.3g}. Novelty is the distance to the nearest "
            "training cell over that between neighbours there. The nearest stiffness in the training set is "
            f"{100 * record['nearest_training_error']:.2f} % off. The bounds leave the stiff phase a volume fraction "
            "of {:.3f} to {:.3f}.".format(*record["volume_fractions"])
        ),
        page.heading("Not verified"),
        page.note("Cells that were drawn and not solved; anything beyond linear elasticity in plane strain."),
        *page.about(run.record),
    ]
    page.write_page(run.folder / "report.html", "Design: cell of a wanted stiffness", parts)
