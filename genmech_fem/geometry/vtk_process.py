"""Child process that reads a file with VTK, which may crash or hang on a damaged one.

``python vtk_process.py FILE STEP OUT`` writes the parts of the file to OUT, a ``.npz`` file.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyvista


def main(path: str, step: int, out: str) -> None:
    """Write the parts of a file: points, cells, data, and a text in JSON that says what is what."""
    try:
        with pyvista.VtkErrorCatcher(raise_errors=True, send_to_logging=False):
            data, time, exodus = _read(path, step)
    except TypeError as error:  # where VTK gives nothing at all
        raise ValueError("expected data that VTK can read, got none") from error
    parts = [(name, grid) for name, grid in _leaves(data, Path(path).stem) if grid.n_cells]
    if not parts:
        raise ValueError("expected at least one cell, got none")
    keys: list[tuple[int, str, str]] = []
    arrays: list[np.ndarray] = []
    for i, (_, grid) in enumerate(parts):
        cells = {"types": grid.celltypes, "offset": grid.offset, "connectivity": grid.cell_connectivity}
        tables = {
            "points": {"": grid.points},
            "cells": cells,
            "point_data": grid.point_data,
            "cell_data": grid.cell_data,
        }
        for kind, table in tables.items():
            for name, values in table.items():
                if np.asarray(values).dtype.kind in "fiub":
                    keys.append((i, kind, name))
                    arrays.append(np.asarray(values))
    text = json.dumps({"time": time, "shared": exodus, "names": [name for name, _ in parts], "keys": keys})
    np.savez(out, np.array(text), *arrays, allow_pickle=False)


def _read(path: str, step: int) -> tuple[Any, float | None, bool]:
    """Data, time, and whether all parts share the points of the file, as in Exodus."""
    reader: Any = pyvista.get_reader(path)
    time = _choose_step(reader, step)
    exodus = isinstance(reader, pyvista.ExodusIIReader)
    if exodus:
        reader.reader.SetSqueezePoints(False)
        reader.enable_all_side_set_arrays()
        reader.disable_displacements()
        for i in range(reader.reader.GetNumberOfNodeSetArrays()):
            reader.reader.SetNodeSetArrayStatus(reader.reader.GetNodeSetArrayName(i), 1)
    return reader.read(), time, exodus


def _choose_step(reader: Any, step: int) -> float | None:
    count = getattr(reader, "number_time_points", 0)
    if not -max(count, 1) <= step < max(count, 1):
        raise ValueError(f"step={step}: expected one of {max(count, 1)} steps")
    if not count:
        return None
    reader.set_active_time_point(step % count)
    return float(reader.time_point_value(step % count))


def _leaves(data: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(data, pyvista.MultiBlock):
        for i, key in enumerate(data.keys()):
            yield from _leaves(data[i], key or f"block_{i}")
    elif isinstance(data, pyvista.DataSet):
        grid = data.cast_to_unstructured_grid()
        ghosts = grid.cell_data.get("vtkGhostType")
        yield name, grid if ghosts is None or not ghosts.any() else grid.extract_cells(ghosts == 0)


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    except Exception as error:
        sys.exit(" ".join(str(error).split()) or type(error).__name__)
