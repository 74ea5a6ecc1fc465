"""What the page shows, as JSON data: pictures, tables and places on the map."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from genmech_fem.explorer.atlas import Atlas
from genmech_fem.explorer.cells import Cell, Remark
from genmech_fem.explorer.comparison import Comparison
from genmech_fem.explorer.local_fields import LOADS
from genmech_fem.explorer.pictures import DIVERGING, VIRIDIS, coloured, picture
from genmech_fem.explorer.verification import Progress
from genmech_fem.metrics import symmetric_matrix

BEYOND = 0.06  # of the map, by which cells outside of it are drawn outside


def map_points(atlas: Atlas, values: np.ndarray) -> list[dict[str, Any]]:
    """Training cells as places with colours."""
    rgb = coloured(values, VIRIDIS, (float(values.min()), float(values.max()))).tolist()
    return [
        {"x": x, "y": y, "colour": f"rgb({r},{g},{b})", "title": f"training cell {i}: {value:.4g}"}
        for i, ((x, y), (r, g, b), value) in enumerate(zip(atlas.points.tolist(), rgb, values.tolist(), strict=True))
    ]


def place(atlas: Atlas, phase: np.ndarray, stiffness: np.ndarray) -> dict[str, float]:
    """Where a cell lies on the map, near its border if it lies far out."""
    x, y = np.clip(atlas(phase[None], stiffness[None])[0], -BEYOND, 1 + BEYOND).tolist()
    return {"x": x, "y": y}


def matrix(stiffness: np.ndarray) -> list[list[str]]:
    """A stiffness (6,) as the rows of its Mandel matrix."""
    return [[number(entry) for entry in row] for row in symmetric_matrix(stiffness).tolist()]


def shown(cell: Cell, remarks: Sequence[Remark] = ()) -> dict[str, Any]:
    """A cell with its prediction."""
    return {
        "name": cell.name,
        "key": cell.key,
        "picture": picture(cell.phase),
        "matrix": matrix(cell.predicted["stiffness"]),
        "fraction": f"{cell.volume_fraction:.3f}",
        "remarks": [{"text": remark.text, "good": remark.good} for remark in remarks],
    }


def told(progress: Progress) -> dict[str, Any]:
    """How far a solve is, in words and as a share."""
    words = {
        "starting": "waiting for the solver's process",
        "running": "meshing and solving",
        "cancelled": "cancelled",
        "failed": f"failed: {progress.failure}",
    }
    text, busy = words.get(progress.state, ""), progress.state in ("starting", "running")
    share, left = 0.0, ""
    if progress.left is not None:
        share = progress.elapsed / max(progress.elapsed + progress.left, 1e-9)
        left = f", about {np.ceil(progress.left):.0f} s left" if progress.left else ", longer than earlier solves"
    if busy:
        text = f"{text}: {progress.elapsed:.0f} s{left}"
    return {"state": progress.state, "busy": busy, "text": text, "share": min(share, 0.98)}


def table(found: Comparison) -> dict[str, Any]:
    """A verified cell in numbers."""
    solved, errors = found.solved, found.errors
    names = {
        "verified": "solver against target",
        "predicted": "surrogate against target",
        "surrogate": "surrogate against solver",
        "strain": "strain field of the surrogate",
    }
    return {
        "rows": [[name, *(number(value) for value in values)] for name, *values in found.rows],
        "errors": [{"id": key, "name": names[key], "value": f"{100 * error:.2f} %"} for key, error in errors.items()],
        "title": f"{solved.cell.name}: {len(solved.mesh.cells)} triangles, solved in {solved.seconds:.1f} s",
        "picture": picture(solved.cell.phase),
    }


def strain_pictures(found: Comparison, load: str) -> list[dict[str, str]]:
    """The strain component of a load, by the solver, by the surrogate, and their difference."""
    if "strain" not in found.solved.cell.predicted:
        return []
    k = LOADS.index(load)
    truth, guess = (field[k, k] for field in found.strains)
    limits = float(truth.min()), float(truth.max())
    most = max(float(np.abs(guess - truth).max()), np.finfo(float).tiny)
    return [
        {"name": f"solver, {limits[0]:.2f} to {limits[1]:.2f}", "picture": picture(truth, VIRIDIS, limits)},
        {"name": "surrogate, same colours", "picture": picture(guess, VIRIDIS, limits)},
        {"name": f"difference, up to {most:.2f}", "picture": picture(guess - truth, DIVERGING, (-most, most))},
    ]


def ranked(pairs: Sequence[tuple[float, Cell]], pictures: Mapping[str, str]) -> list[dict[str, Any]]:
    """Candidates with their predicted errors."""
    return [
        {"name": cell.name, "key": cell.key, "picture": pictures[cell.key], "error": f"{100 * error:.2f} %"}
        for error, cell in pairs
    ]


def number(value: float) -> str:
    """A stiffness to three digits after the point, without minus zero."""
    return f"{round(value, 3) + 0.0:.3f}"
