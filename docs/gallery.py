"""Draw the figures of the gallery again: ``python docs/gallery.py [NAME ...]``.

Each example of `SETTINGS` runs once, most of them smaller than by default, and its picture goes to ``docs/gallery``.
"""

import importlib.util
import io
import sys
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from genmech_fem.geometry import read_solution
from genmech_fem.plotting import mesh_picture, to_png

DOCS = Path(__file__).parent
WIDTHS, COLOURS, LARGEST = (1000, 800, 650, 500), (256, 64), 80_000  # of a committed picture [pixels; 1; bytes]

SETTINGS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "anomalous_shapes": ("scores.png", {"samples": 250, "steps": 400, "points": 64, "tested": 50}),
    "campaign": ("stiffness.png", {}),
    "debonded_fibres": ("scores.png", {"samples": 200, "tested": 40, "seconds": 60.0}),
    "design_to_mesh": ("displacement.vtu", {}),
    "equal_area_shapes": ("detectors.png", {"samples": 300, "tested": 60, "steps": 800}),
    "fibres_in_40_steps": (
        "report_card.png",
        {"resolution": 16, "radius": 0.2, "steps": 600, "training": 300, "samples": 40},
    ),
    "fmu": ("forces.png", {}),
    "guarded_loop": ("blocks.png", {"cells": 8, "labels": 150, "seconds": 20.0}),
    "homogenize_image": ("image.vtu", {"resolution": 24}),
    "inverse_homogenization": ("cells.png", {}),
    "latent_shapes": ("map.png", {"samples": 1500, "steps": 800, "betas": (), "draws": 64}),
    "learn_through_solver": ("plates.png", {}),
    "out_of_family": ("guard.png", {"samples": 400, "seconds": 20.0}),
    "own_problem": ("sources.png", {}),
    "pretrain_and_adapt": ("labels.png", {}),
    "super_resolve_heat": ("frames.png", {"samples": 128, "steps": 300}),
    "translate_cells": ("cells.png", {"samples": 128}),
    "two_scale": ("structures.png", {"shape": (6, 3), "samples": 150, "steps": 400, "iterations": 25}),
    "wheel_rims": ("wheels.png", {"resolution": 40, "spokes": (5, 7), "iterations": 12, "steps": 400, "draws": 64}),
}
"""By example the file that it draws, or whose mesh is drawn here, and its arguments."""


def load(name: str) -> ModuleType:
    """Import an example."""
    spec = importlib.util.spec_from_file_location(name, DOCS.parent / "examples" / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ValueError(f"expected an example, one of {sorted(SETTINGS)}, got {name!r}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def drawn(file: Path) -> Figure:
    """The mesh of a file, or its displacement on the moved mesh, a tenth as long as that."""
    solution = read_solution(file)
    mesh, displacement = solution.mesh, solution.point_data.get("u [m]")
    width, height = np.ptp(mesh.points[:, :2], axis=0)
    if displacement is None:
        return mesh_picture(mesh, f"{len(mesh.cells)} triangles, smallest angle {mesh.smallest_angle():.0f} degrees")
    length = np.linalg.norm(displacement, axis=1)
    x, y = (mesh.points[:, :2] + 0.1 * width / length.max() * displacement[:, :2]).T
    figure = Figure(figsize=(7.0, 7.0 * height / width), layout="constrained")
    ax = figure.subplots()
    picture = ax.tripcolor(x, y, mesh.cells, length, shading="gouraud")
    ax.triplot(x, y, mesh.cells, color="k", lw=0.15)
    ax.set(aspect="equal", xticks=[], yticks=[])
    ax.set_axis_off()
    figure.colorbar(picture, ax=ax, shrink=0.7, label="displacement [m]")
    return figure


def compressed(png: bytes) -> bytes:
    """The picture as wide, and in as many colours, as its size allows."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    for width, colours in product(WIDTHS, COLOURS):
        image.thumbnail((width, width))
        buffer = io.BytesIO()
        image.quantize(colours, Image.Quantize.MAXCOVERAGE).save(buffer, "png", optimize=True)
        if buffer.tell() < LARGEST:
            break
    return buffer.getvalue()


def draw(name: str) -> None:
    """Run one example and keep its picture."""
    file, settings = SETTINGS[name]
    with TemporaryDirectory() as folder:
        load(name).main(Path(folder), **settings)
        path = Path(folder) / file
        png = path.read_bytes() if path.suffix == ".png" else to_png(drawn(path), dpi=150)
    (DOCS / "gallery" / f"{name}.png").write_bytes(compressed(png))


if __name__ == "__main__":
    for example in sys.argv[1:] or SETTINGS:
        draw(example)
