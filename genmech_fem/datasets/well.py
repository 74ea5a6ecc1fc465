"""Export to the HDF5 layout of The Well, which its `WellDataset` reads.

Ohana et al. (2024), doi:10.48550/arXiv.2412.00568.
"""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from genmech_fem.datasets.moments import batch_size
from genmech_fem.datasets.store import Store, unused
from genmech_fem.datasets.well_arrays import WellArray, statistics_of_fields, well_arrays, write_statistics
from genmech_fem.datasets.well_file import Boundary, Frame, sides_of
from genmech_fem.drafts import draft
from genmech_fem.errors import DatasetError
from genmech_fem.fields import FieldSpec, Grid

PARTS = ("train", "valid", "test")


def write_well(
    store: Store,
    path: Path | str,
    *,
    boundary: Boundary,
    numbers: Mapping[str, Sequence[int] | np.ndarray] | Sequence[int] | np.ndarray | None = None,
    names: Sequence[str] | None = None,
    histories: Mapping[str, Sequence[float] | np.ndarray] | None = None,
    scales: Mapping[str, float] | None = None,
) -> list[Path]:
    """Write fields on one grid, and the numbers beside them, as a data set of The Well in single precision.

    Scalars, vectors and tensors of the grid's dimension keep their kind; any other array NAME, as of
    Mandel components, becomes the scalars NAME_0, NAME_1, ... or NAME_0_0, .... Arrays are constant
    in time unless `histories` has them. A set without histories has one time step: read it with
    ``WellDataset(..., n_steps_output=0)``. Beside the files lie ``stats.yaml`` with the statistics
    of the part "train" or of all samples, and ``description.json``.

    Args:
        store: The data set; it is read batch by batch.
        path: Folder to make.
        boundary: ``"WALL"``, ``"OPEN"`` or ``"PERIODIC"``, of all sides, or of each axis, or as pairs of its lower
            and its upper side. Networks pad by it.
        numbers: The samples; or those of the parts "train", "valid" and "test", which go to folders
            ``data/PART``; None is all.
        names: The arrays; None is all.
        histories: Times, in equal steps, of the arrays whose first value axis is time, by name.
        scales: What arrays are divided by, by name; The Well cannot normalise what varies by 1e-4 or less.

    Returns:
        The HDF5 files.

    Raises:
        DatasetError: The fields do not lie on one grid of 2 or 3 dimensions, an argument does not fit
            the set, `path` is in use, or a value exceeds single precision.
        OSError: A file cannot be written.

    Warns:
        UserWarning: A component varies, but by 1e-4 or less.
    """
    path = unused(path)
    parts = numbers if isinstance(numbers, Mapping) else {"": store.numbers() if numbers is None else numbers}
    counts = {part: len(chosen) for part, chosen in parts.items()}
    if not counts or not set(counts) <= {"", *PARTS} or 0 in counts.values():
        raise DatasetError(f"numbers: expected samples, all or of parts among {PARTS}, got these counts: {counts}")
    grid, times, arrays = _layout(store, names, histories or {}, scales or {})
    frame = Frame(store.path.resolve().name, grid, times, sides_of(boundary, grid.dimension))
    files = {part: Path("data" if part else "", part, f"{frame.name}.hdf5") for part in parts}
    batch, read = batch_size(array.shape for array in arrays), sorted({array.spec.name for array in arrays})
    with draft(path) as unfinished:
        for part, chosen in parts.items():
            file = unfinished / files[part]
            file.parent.mkdir(parents=True)
            batches = store.batches(batch, chosen, read)
            written = frame.write(file, arrays, len(chosen), (given for _, given in batches))
            found = statistics_of_fields(written, [array for array in arrays if array.grid])
            if part in ("", "train"):
                write_statistics(unfinished / "stats.yaml", found)
        listed = {part or "all": np.asarray(chosen).tolist() for part, chosen in parts.items()}
        about = {"description": store.description, "about": store.about, "numbers": listed}
        (unfinished / "description.json").write_text(json.dumps(about, indent=1))
    return [path / file for file in files.values()]


def _layout(
    store: Store,
    names: Sequence[str] | None,
    histories: Mapping[str, Sequence[float] | np.ndarray],
    scales: Mapping[str, float],
) -> tuple[Grid, np.ndarray, list[WellArray]]:
    """The grid, the times and the arrays of the files."""
    specs = store.specs_of(names)
    unknown = {*histories, *scales} - {spec.name for spec in specs}
    if unknown:
        raise DatasetError(f"{store.path}: expected names among {[s.name for s in specs]}, got {sorted(unknown)}")
    places = {spec.place for spec in specs if isinstance(spec, FieldSpec)}
    grid = next(iter(places), None)
    if len(places) != 1 or not isinstance(grid, Grid) or grid.dimension not in (2, 3):
        raise DatasetError(f"{store.path}: expected fields on one grid in 2D or 3D, got {places}: choose among names")
    times = np.asarray(next(iter(histories.values()), [0.0]), dtype=float)
    steps = np.diff(times)
    same = all(np.array_equal(times, other) for other in histories.values())
    if not same or not (steps > 0).all() or not np.allclose(steps, steps[:1]):
        raise DatasetError(f"histories: expected the same times in equal steps for all, got {dict(histories)}")
    arrays: list[WellArray] = []
    for spec in specs:
        count, scale = len(times) if spec.name in histories else 0, float(scales.get(spec.name, 1.0))
        values = spec.value_shape if isinstance(spec, FieldSpec) else spec.shape
        if (count and values[:1] != (count,)) or not (scale > 0 and math.isfinite(scale)):
            raise DatasetError(f"'{spec.name}': expected a first axis of {count} times and a scale > 0, got {spec}")
        arrays.extend(well_arrays(spec, grid.dimension, count, scale))
    if len({array.name for array in arrays}) < len(arrays):
        raise DatasetError(f"expected different names of arrays and components, got {[a.name for a in arrays]}")
    return grid, times, arrays
