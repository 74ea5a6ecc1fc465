"""Data sets with named axes, read from the store when their values are asked for."""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from genmech_fem.datasets.blocks import is_ragged
from genmech_fem.datasets.reader import Samples
from genmech_fem.datasets.store import Store
from genmech_fem.errors import DatasetError, MissingExtraError
from genmech_fem.fields import FieldSpec, Grid, Place, Spec

try:
    import xarray
    from xarray.backends import BackendArray
    from xarray.core import indexing
except ImportError as error:
    raise MissingExtraError("xarray", "xarray") from error


def to_xarray(
    store: Store, numbers: Sequence[int] | np.ndarray | None = None, names: Sequence[str] | None = None
) -> xarray.Dataset:
    """Make a data set with named axes of stored arrays.

    Values are read when they are asked for, and only those: ``to_xarray(store)["u"].sel(sample=3).values``
    reads one sample, ``to_xarray(store).chunk(sample=64)`` computes on sets larger than the memory.

    Axes are ``sample``, with the sample numbers; ``i`` and ``j`` of vectors and tensors, with "x", "y", "z";
    ``i6``, ``j4``, ... of other values, with their size, where a size of 1 has no axis; ``x``, ``y``, ``z`` of
    the first grid, with the coordinates, of the next ``x1``, ``y1``, ``z1`` and so on; ``points12`` of points,
    with their number. Where it differs by sample, fields are padded with zeros, beside ``NAME.mask``.

    Args:
        store: The data set.
        numbers: The samples, in this order; None is all.
        names: The arrays; None is all.

    Returns:
        Data set with the units of its arrays; the store's description is among its attributes, as JSON.

    Raises:
        DatasetError: There are no samples, an array or a sample is unknown, or an array has the name of an axis.
    """
    samples = store.samples(names)
    chosen = samples.numbers if numbers is None else np.asarray(numbers)
    samples.rows_of(chosen)
    places = [place for place in map(_place, samples.specs) if place]
    grids = list(dict.fromkeys(place for place in places if isinstance(place, Grid)))
    space = places[0].dimension if len({place.dimension for place in places}) == 1 else 0
    variables: dict[str, xarray.Variable] = {}
    for spec in samples.specs:
        array, values = _Stored(store, spec, chosen, spec.name), _value_axes(spec, space)
        axes = ["sample", *values, *_place_axes(spec, grids, array.shape[-1])]
        variable = xarray.Variable(axes, indexing.LazilyIndexedArray(array), {"units": spec.unit})
        variables[spec.name] = variable.isel({axis: 0 for axis in values if variable.sizes[axis] == 1})
        if is_ragged(spec):
            mask = _Stored(store, spec, chosen, f"{spec.name}.mask")
            variables[mask.name] = xarray.Variable(["sample", axes[-1]], indexing.LazilyIndexedArray(mask))
    used = {str(axis) for variable in variables.values() for axis in variable.dims}
    if used & set(variables):
        raise DatasetError(f"{store.path}: arrays have the names of axes, {sorted(used & set(variables))}: omit them")
    labels: dict[str, Any] = {axis: list("xyz"[:space]) for axis in ("i", "j") if axis in used}
    for grid in grids:
        for axis, points in zip(_grid_axes(grid, grids), grid.axes(), strict=True):
            labels[axis] = xarray.Variable(axis, points, {"at": grid.at})
    about = {**store.about, "description": store.description}
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in about.items()}
    return xarray.Dataset(variables, {"sample": chosen, **labels}, texts)


def _place(spec: Spec) -> Place | None:
    return spec.place if isinstance(spec, FieldSpec) else None


def _value_axes(spec: Spec, space: int) -> list[str]:
    """Axes of the value shape; those of vectors and tensors have no size in their names."""
    shape = spec.value_shape if isinstance(spec, FieldSpec) else spec.shape
    tensor = isinstance(spec, FieldSpec) and len(shape) <= 2 and set(shape) == {space} and 1 < space <= 3
    return [chr(ord("i") + k) + ("" if tensor else str(n)) for k, n in enumerate(shape)]


def _place_axes(spec: Spec, grids: Sequence[Grid], points: int) -> list[str]:
    place = _place(spec)
    return _grid_axes(place, grids) if isinstance(place, Grid) else [f"points{points}"] if place else []


def _grid_axes(grid: Grid, grids: Sequence[Grid]) -> list[str]:
    letters = "xyz" if grid.dimension <= 3 else [f"axis{k}_" for k in range(grid.dimension)]
    return [f"{letter}{grids.index(grid) or ''}" for letter in letters[: grid.dimension]]


class _Stored(BackendArray):
    """An array (samples, *shape), or the mask of one, that is read when it is asked for."""

    def __init__(self, store: Store, spec: Spec, numbers: np.ndarray, name: str) -> None:
        self.store, self.name, self._source, self._numbers = store, name, spec.name, numbers
        tensors = [block.tensors for block in store.blocks() if len(block.numbers)]
        longest = max(int(np.diff(t[f"{spec.name}.offsets"]).max()) for t in tensors) if is_ragged(spec) else 0
        shape = spec.shape if name == spec.name else (-1,)
        self.shape = (len(numbers), *(longest if n == -1 else n for n in shape))
        self.dtype = np.result_type(*(t[spec.name].dtype for t in tensors)) if name == spec.name else np.dtype(bool)

    @cached_property
    def _samples(self) -> Samples:
        return self.store.samples([self._source], verify=False)

    def __getstate__(self) -> dict[str, Any]:
        """Without the mapped files, whose content would travel to other processes."""
        return {key: value for key, value in vars(self).items() if key != "_samples"}

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        """Entries by one integer, slice or array for each axis."""
        chosen = self._numbers[key[0]]
        values = np.zeros((np.size(chosen), *self.shape[1:]), self.dtype)
        if len(values):
            found = self._samples[self._samples.rows_of(np.atleast_1d(chosen))][self.name]
            values[..., : found.shape[-1]] = found
        for axis in reversed(range(1, len(key))):
            values = values[(slice(None),) * axis + (key[axis],)]
        return values if np.ndim(chosen) else np.asarray(values[0])
