"""A verified cell as vtk.js shows it: its mesh with one field."""

import base64
from typing import Any

import numpy as np

from genmech_fem.adapters import ConformingHomogenization
from genmech_fem.explorer.local_fields import ENERGY, VON_MISES, grid_of
from genmech_fem.explorer.pictures import VIRIDIS, coloured
from genmech_fem.explorer.solving import Solved

VTK_TRIANGLE = 5
PHASE = "phase"
FIELDS = (VON_MISES, ENERGY, PHASE)
BRIGHTEST = 0.99  # quantile of a field that the brightest colour stands for
SCALE = 0.1  # length of the largest displacement that is shown, in edges of the cell

CAMERA = {
    "position": [0.5, 0.5, 2.0],
    "focalPoint": [0.5, 0.5, 0.0],
    "viewUp": [0.0, 1.0, 0.0],
    "parallelProjection": True,
    "parallelScale": 0.56,
}
"""A look at the whole cell and a little more, from above."""


def mesh_view(
    solver: ConformingHomogenization, solved: Solved, field: str, load: str, *, deformed: bool = False
) -> dict[str, Any]:
    """The mesh with a colour for each cell, and the values that the first and the last colour stand for.

    Args:
        solver: Knows the materials.
        solved: The cell.
        field: One of `FIELDS`.
        load: One of `local_fields.LOADS`.
        deformed: Draw the nodes where the load moves them, the largest displacement being `SCALE`.
    """
    grid = grid_of(solver, solved)
    name = field if field == PHASE else field.replace(" [", f" {load} [")
    if deformed:
        moved = grid.point_data[f"displacement {load}"]
        grid.points = grid.points + SCALE / np.abs(moved).max() * moved
    values = grid.cell_data[name]
    low, high = float(values.min()), float(np.quantile(values, 1.0 if field == PHASE else BRIGHTEST))
    words = ("0", "1") if field == PHASE else (f"{low:.3g}", f"≥ {high:.3g} GPa")
    triangles = grid.cells_dict[VTK_TRIANGLE]
    polygons = np.column_stack([np.full(len(triangles), 3), triangles])
    colours = {"name": name, "type": "Uint8Array", "location": "CellData", "numberOfComponents": 3}
    colours |= {"values": _packed(coloured(values, VIRIDIS, (low, high)).ravel()), "dataRange": [0, 255]}
    mesh = {
        "points": _packed(grid.points.astype(np.float32).ravel()),
        "polys": _packed(polygons.astype(np.uint32).ravel()),
    }
    return {"mesh": {"mesh": mesh, "field": colours}, "low": words[0], "high": words[1]}


def _packed(array: np.ndarray) -> dict[str, Any]:
    """An array as vtk.js takes it."""
    return {"bvals": base64.b64encode(array.tobytes()).decode(), "dtype": str(array.dtype), "shape": list(array.shape)}
