"""One HDF5 file of The Well: groups t0_fields, t1_fields, t2_fields, scalars, dimensions, boundary_conditions."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from genmech_fem.datasets.well_arrays import WellArray
from genmech_fem.errors import DatasetError, MissingExtraError
from genmech_fem.fields import Arrays, Grid

try:
    import h5py
except ImportError as error:
    raise MissingExtraError("h5py", "hdf5") from error

GROUPS = ("scalars", "t0_fields", "t1_fields", "t2_fields")
BOUNDARIES = ("WALL", "OPEN", "PERIODIC")

type Boundary = str | Sequence[str | tuple[str, str]]


@dataclass(frozen=True)
class Frame:
    """What the files of a set share.

    Args:
        name: Name of the set.
        grid: Where the fields live.
        times: Times (steps,).
        sides: Types of the lower and upper boundary of each axis.
    """

    name: str
    grid: Grid
    times: np.ndarray
    sides: Sequence[tuple[str, str]]

    def write(self, path: Path, arrays: Sequence[WellArray], size: int, batches: Iterable[Arrays]) -> Iterator[Arrays]:
        """Write a file of `size` samples and pass on the values of every batch, by name.

        Raises:
            DatasetError: A value exceeds single precision.
        """
        with h5py.File(path, "w") as file:
            axes = list("xyz"[: self.grid.dimension])
            about = {"dataset_name": self.name, "grid_type": "cartesian", "n_spatial_dims": len(axes)}
            file.attrs.update({**about, "n_trajectories": size, "simulation_parameters": _texts([])})
            self._write_places(file, axes)
            for group in GROUPS:
                names = [array.name for array in arrays if array.group == group]
                file.create_group(group).attrs["field_names"] = _texts(names)
            for array in arrays:
                made = file[array.group].create_dataset(array.name, (size, *array.shape), np.float32)
                made.attrs.update({"sample_varying": True, "time_varying": bool(array.steps)})
                made.attrs.update({"unit": array.spec.unit, "scale": array.scale})
                if array.grid:
                    made.attrs["dim_varying"] = [True] * len(axes)
                if array.order == 2:
                    made.attrs.update({"symmetric": True, "antisymmetric": True})
            done = 0
            for batch in batches:
                values = {array.name: array.values(batch) for array in arrays}
                for array in arrays:
                    _fill(file[array.group][array.name], done, values[array.name])
                done += len(values[arrays[0].name])
                yield values

    def _write_places(self, file: h5py.File, axes: list[str]) -> None:
        places = file.create_group("dimensions")
        places.attrs["spatial_dims"] = _texts(axes)
        for name, points in zip(["time", *axes], [self.times, *self.grid.axes()], strict=True):
            places[name] = points.astype(np.float32)
            places[name].attrs.update({"sample_varying": False, "time_varying": name == "time"})
        boundaries = file.create_group("boundary_conditions")
        for axis, n, sides in zip(axes, self.grid.shape, self.sides, strict=True):
            for kind in sorted(set(sides)):
                one = boundaries.create_group(f"{axis}_{kind.lower()}")
                one.attrs.update({"associated_dims": _texts([axis]), "associated_fields": _texts([]), "bc_type": kind})
                one.attrs.update({"sample_varying": False, "time_varying": False})
                mask = np.zeros(n, dtype=bool)
                mask[0], mask[-1] = kind == sides[0], kind == sides[1]
                one["mask"] = mask


def sides_of(boundary: Boundary, dimension: int) -> list[tuple[str, str]]:
    """Types of the lower and the upper side of every axis.

    Raises:
        DatasetError: They are unknown or do not fit the axes.
    """
    each = [boundary] * dimension if isinstance(boundary, str) else boundary
    pairs = [(side, side) if isinstance(side, str) else tuple(side) for side in each]
    upper = [tuple(kind.upper() for kind in pair) for pair in pairs]
    for pair in upper:
        if len(pair) != 2 or not set(pair) <= set(BOUNDARIES) or pair.count("PERIODIC") == 1:
            raise DatasetError(f"boundary: expected one of {BOUNDARIES}, or a pair of them, periodic both, got {pair}")
    if len(upper) != dimension:
        raise DatasetError(f"boundary: expected one entry for each of {dimension} axes, got {boundary}")
    return [(pair[0], pair[1]) for pair in upper]


def _texts(texts: Sequence[str]) -> np.ndarray:
    return np.array(texts, dtype=h5py.string_dtype())


def _fill(dataset: h5py.Dataset, start: int, values: np.ndarray) -> None:
    try:
        with np.errstate(over="raise"):
            single = values.astype(np.float32)
    except FloatingPointError:
        raise DatasetError(f"'{dataset.name}': a value exceeds single precision, choose a larger scale") from None
    dataset[start : start + len(single)] = single
    for kind, sign in (("symmetric", 1), ("antisymmetric", -1)):
        if dataset.attrs.get(kind) and not np.array_equal(single, sign * np.swapaxes(single, -1, -2)):
            dataset.attrs[kind] = False
