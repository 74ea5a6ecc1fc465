"""ParaView filter: an ONNX surrogate of genmech_fem on any mesh, with the verdict of its guard.

Load this one file by Tools > Manage Plugins > Load New; the Python of ParaView needs numpy and onnxruntime beside its
own VTK (9.3 or later), no more. The file of the surrogate says itself which fields it takes, on which grid, and where
its training data lay, in the format of genmech_fem.runtime.
"""

# It stands alone, so it repeats in short what genmech_fem.runtime and genmech_pyvista do; Python 3.10 reads it.
# ruff: noqa: N802 (VTK's names)
# mypy: disallow-subclassing-any=False, disallow-untyped-decorators=False

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.util.vtkAlgorithm import VTKPythonAlgorithmBase
from vtkmodules.vtkCommonCore import vtkOutputWindow, vtkPoints
from vtkmodules.vtkCommonDataModel import vtkDataObject, vtkDataSet, vtkPolyData, vtkStaticCellLocator
from vtkmodules.vtkFiltersCore import vtkCellCenters, vtkResampleWithDataSet
from vtkmodules.vtkFiltersGeneral import vtkImageDataToPointSet, vtkRectilinearGridToPointSet

try:
    from paraview.util.vtkAlgorithm import smdomain, smhint, smproperty, smproxy  # type: ignore[import-not-found]
except ImportError:  # the vtk wheel alone

    class _Undecorated:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            return lambda *_, **__: lambda decorated: decorated

    smdomain = smhint = smproperty = smproxy = _Undecorated()

paraview_plugin_name = "genmech ONNX surrogate"
paraview_plugin_version = "0.1.0"


class FilterError(ValueError):
    """Mesh, file or settings do not fit: one line that says what to do."""


# ------------------------------------------------------------------------------------------------ the file, unopened

LARGEST = 2**31 - 1  # bytes of a protobuf message, and of a tensor
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
ENDLESS = ("Loop", "Scan")
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
TORN = "is not a readable ONNX file: it is cut off or damaged"

# messages inside messages: kind, then field number to the kind inside
INSIDE = {
    "model": {7: "graph", 20: "training graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse tensor", 23: "sparse tensor"},
    "sparse tensor": {1: "tensor", 2: "tensor"},
    "tensor": {},
}


def read_file(path: str) -> bytes:
    """The bytes of an ONNX file that keeps to itself: no data elsewhere, no foreign or endless operators.

    Raises:
        FilterError: There is no such file, or it is damaged, too large or not safe.
    """
    if not Path(path).is_file():
        raise FilterError(f"expected an ONNX file, got '{path}': choose one as FileName")
    if Path(path).stat().st_size > LARGEST:
        raise FilterError(f"{path} is refused: it has more than {LARGEST} bytes")
    data = Path(path).read_bytes()
    parts = [("model", memoryview(data))]
    try:
        while parts:
            kind, part = parts.pop()
            parts += _look_through(kind, list(_fields(part)))
    except FilterError as error:
        raise FilterError(f"{path} {error}") from error
    return data


def _look_through(kind: str, fields: list[tuple[int, Any]]) -> list[tuple[str, memoryview]]:
    """The messages inside a message that may be used."""
    if kind not in INSIDE:
        raise FilterError(f"is refused: it holds a {kind}")
    if kind == "node":
        operator, domain = (bytes(dict(fields).get(number, b"")).decode(errors="replace") for number in (4, 7))
        if domain not in DOMAINS or operator in ENDLESS:
            raise FilterError(f"is refused: its operator {domain}.{operator} is foreign or may run for ever")
    if kind == "tensor":
        size = np.prod([float(n) for number, value in fields if number == 1 for n in _numbers(value)])
        if any(number in (3, 13) or (number == 14 and value != 0) for number, value in fields):
            raise FilterError("is refused: it keeps data outside the file")
        if size * 8 > LARGEST:
            raise FilterError(f"is refused: it holds a tensor of {size:g} numbers")
    inside = [(INSIDE[kind][number], value) for number, value in fields if number in INSIDE[kind]]
    if any(isinstance(value, int) for _, value in inside):
        raise FilterError(TORN)
    return inside


def _fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """Number and value of the fields of a protobuf message: https://protobuf.dev/programming-guides/encoding."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        if key & 7 == VARINT:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        length = {FIXED64: 8, FIXED32: 4}.get(key & 7, len(data))
        if key & 7 == BYTES:
            length, place = _varint(data, place)
        if length > len(data) - place or not key >> 3:
            raise FilterError(TORN)
        yield key >> 3, data[place : place + length]
        place += length


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for k, byte in enumerate(data[place : place + 10]):
        value |= (byte & 127) << 7 * k
        if byte < 128:
            return value, place + k + 1
    raise FilterError(TORN)


def _numbers(value: Any) -> list[int]:
    """Whole numbers of a repeated field, packed or not."""
    if isinstance(value, int):
        return [value]
    numbers, place = [], 0
    while place < len(value):
        number, place = _varint(value, place)
        numbers.append(number)
    return numbers


# ------------------------------------------------------------------------------------------- the file as a function


class Grid(NamedTuple):
    """Points of a regular grid in a box: centres of cells, or nodes."""

    shape: tuple[int, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    at: str

    @property
    def spacing(self) -> np.ndarray:
        """Distance of neighbouring points along each axis [length]."""
        return np.subtract(self.upper, self.lower) / (np.array(self.shape) - (self.at == "nodes"))

    @property
    def first(self) -> np.ndarray:
        """Coordinates of the first point [length]."""
        return self.lower + self.spacing * (0.5 if self.at == "cells" else 0.0)

    def points(self) -> np.ndarray:
        """Coordinates (points, 3), the last axis fastest, with zeros for missing axes."""
        axes = [x + h * np.arange(n) for x, h, n in zip(self.first, self.spacing, self.shape, strict=True)]
        points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
        return np.pad(points, [(0, 0), (0, 3 - len(axes))])


class Spec(NamedTuple):
    """What an array of the file is: a field on a grid, or without one a vector."""

    name: str
    unit: str
    value_shape: tuple[int, ...]
    grid: Grid | None

    @property
    def label(self) -> str:
        """Name of the array on a mesh, as ``u [mm]``."""
        return self.name if self.unit in ("", "1") else f"{self.name} [{self.unit}]"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the array."""
        return self.value_shape + (self.grid.shape if self.grid else ())


def _spec(entry: Any) -> Spec:
    """A spec from its JSON data."""
    name, unit = str(entry["name"]), str(entry["unit"])
    if entry["kind"] == "ScalarSpec":
        return Spec(name, unit, (int(entry["size"]),), None)
    place = entry["place"]
    if place["kind"] != "Grid" or not 1 <= len(place["shape"]) <= 3 or place["at"] not in ("cells", "nodes"):
        raise ValueError("no regular grid of 1 to 3 dimensions")
    lower, upper = (tuple(map(float, place[side])) for side in ("lower", "upper"))
    grid = Grid(tuple(map(int, place["shape"])), lower, upper, place["at"])
    return Spec(name, unit, tuple(map(int, entry["value_shape"])), grid)


class Range(NamedTuple):
    """Where the training data of an input lay: lowest and highest values (channels,), means and deviations (, 2)."""

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    std: np.ndarray


def _range(entry: Any, spec: Spec) -> Range:
    """The range of an input from its JSON data."""
    found = Range(*(np.array(entry.get(name, ()), dtype=np.float64) for name in Range._fields))
    shape = (int(np.prod(spec.value_shape)),)
    pairs_fit = all(pairs.shape in ((0,), (*shape, 2)) for pairs in (found.mean, found.std))
    if not found.low.shape == found.high.shape == shape or not pairs_fit:
        raise ValueError("other channels than the input")
    return found


class Surrogate:
    """A file of genmech_fem's export as a function of arrays by name, one sample at a time.

    Args:
        path: The file.

    Raises:
        FilterError: It is not safe, not readable, or not of genmech_fem, or onnxruntime is missing.
    """

    VERSION = 2
    TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}  # noqa: RUF012

    def __init__(self, path: str) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise FilterError("onnxruntime is missing: install it for the Python of ParaView") from error
        self.path, data = path, read_file(path)
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
            properties = self._session.get_modelmeta().custom_metadata_map
        except Exception as error:  # ONNX Runtime has no common base class
            raise FilterError(f"{path} is not a readable ONNX file: {_line(error)}") from error
        self._read(properties)

    def _read(self, properties: Mapping[str, str]) -> None:
        try:
            about = json.loads(properties["genmech_fem"])
            version = int(about["version"])
            self.inputs, self.outputs = ([_spec(entry) for entry in about[key]] for key in ("inputs", "outputs"))
            specs, domain = {spec.name: spec for spec in self.inputs}, (about.get("passport") or {}).get("domain") or {}
            self.domain = {name: _range(entry, specs[name]) for name, entry in domain.items()}
        except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
            raise FilterError(
                f"{self.path} carries no specs of fields on grids: write it with export.to_onnx"
            ) from error
        if version > self.VERSION:
            raise FilterError(f"{self.path} was written in the format {version}: update this filter")
        names = [sorted(spec.name for spec in specs) for specs in (self.inputs, self.outputs)]
        graph = [sorted(x.name for x in part) for part in (self._session.get_inputs(), self._session.get_outputs())]
        if names != graph:
            raise FilterError(f"{self.path}: its specs name {names}, its graph {graph}")

    def __call__(self, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """All outputs in float64."""
        names = [spec.name for spec in self.outputs]
        try:
            feeds = {x.name: arrays[x.name][None].astype(self.TYPES[x.type]) for x in self._session.get_inputs()}
            found = [array[0].astype(np.float64) for array in self._session.run(names, feeds)]
        except Exception as error:  # ONNX Runtime has no common base class
            raise FilterError(f"{self.path} cannot be evaluated: {_line(error)}") from error
        wrong = [name for name, array in zip(names, found, strict=True) if not np.isfinite(array).all()]
        if wrong:
            raise FilterError(f"{self.path} returned NaN or infinity in {wrong}: the inputs are out of its range")
        return {spec.name: array.reshape(spec.shape) for spec, array in zip(self.outputs, found, strict=True)}

    def judge(self, arrays: Mapping[str, np.ndarray]) -> float:
        """How far arrays leave the training data, in widths of its ranges; NaN if the file does not know them."""
        far = [_leaves(arrays[name].reshape(len(known.low), -1), known) for name, known in self.domain.items()]
        return max(far, default=float("nan"))


def _leaves(values: np.ndarray, known: Range) -> float:
    """How far values (channels, points), their means and deviations leave the ranges of the training data."""
    far = [distance(values, known.low[:, None], known.high[:, None]).max()]
    for found, pairs in ((values.mean(axis=1), known.mean), (values.std(axis=1), known.std)):
        far += [distance(found, *pairs.T).max()] if len(pairs) else []
    return float(max(far))


def distance(values: np.ndarray, low: np.ndarray, high: np.ndarray, rounding: float = 1e-6) -> np.ndarray:
    """Distance to a range in its widths; a range without width counts by its magnitude, or by 1."""
    size = np.maximum(np.abs(low), np.abs(high))
    width = np.where(high > low, high - low, np.where(size > 0, size, 1.0))
    return np.maximum(np.maximum(low - values, values - high) - rounding * size, 0.0) / width


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


# -------------------------------------------------------------------------------------------------- mesh and grid

EXACT = 1e-9  # points so far beside a cell, relative to the size of the mesh, lie in it
FLAT = 1e-6  # largest extent across a flat mesh, relative to its size
ROUNDING = 1e-6  # points so far beside the box of a grid, relative to its size, belong to it


def points_of(mesh: Any, at: str) -> np.ndarray:
    """Coordinates (n, 3) of the points of a mesh or of the centres of its cells."""
    whole = _output(vtkCellCenters(), mesh) if at == "cells" else point_set(mesh)
    return np.array(vtk_to_numpy(whole.GetPoints().GetData()), dtype=np.float64)


def point_set(mesh: Any) -> Any:
    """The mesh with explicit points."""
    if mesh.IsA("vtkImageData"):
        return _output(vtkImageDataToPointSet(), mesh)
    return _output(vtkRectilinearGridToPointSet(), mesh) if mesh.IsA("vtkRectilinearGrid") else mesh


def probe(mesh: Any, at: str, values: np.ndarray, grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Point or cell data (n, components) of a mesh at the points of a grid, and which points lie inside.

    Raises:
        FilterError: The mesh has no cells, is not flat where the grid is, or holds no point of the grid.
    """
    source, points = _flat_copy(mesh, len(grid.shape)), grid.points()
    _data(source)[at].AddArray(_vtk_array("values", values))
    table, mask = _resample(source, points, EXACT * source.GetLength())
    rest = np.flatnonzero(~mask)
    if len(rest):  # a thousandth of a cell outside, which is tried last as it blurs the borders of cells
        table[rest], mask[rest] = _resample(source, points[rest], None)
    if not mask.any():
        raise FilterError(f"no point of the grid from {grid.lower} to {grid.upper} lies in the mesh: move or scale it")
    return table, mask


def _flat_copy(mesh: Any, dimension: int) -> Any:
    """The bare mesh in float64, with zeros for the coordinates that the grid does not have."""
    size = np.diff(np.reshape(mesh.GetBounds(), (3, 2)))[:, 0]
    if not mesh.GetNumberOfCells():
        raise FilterError("expected a mesh with cells, got none")
    if size[dimension:].max(initial=0.0) > FLAT * size.max():
        raise FilterError(f"expected a flat mesh for a grid of {dimension} dimensions, got one of size {size.tolist()}")
    given, points = point_set(mesh), points_of(mesh, "points")
    points[:, dimension:] = 0.0
    source = given.NewInstance()
    source.CopyStructure(given)
    source.SetPoints(_vtk_points(points))
    return source


def _resample(source: Any, points: np.ndarray, tolerance: float | None) -> tuple[np.ndarray, np.ndarray]:
    """VTK's interpolation at points, and which points have a value."""
    target, sampler = vtkPolyData(), vtkResampleWithDataSet()
    target.SetPoints(_vtk_points(points))
    sampler.SetSourceData(source)
    sampler.SetMarkBlankPointsAndCells(False)
    renamed = hasattr(sampler, "SetCellLocator")  # in VTK 9.7
    set_locator = sampler.SetCellLocator if renamed else sampler.SetCellLocatorPrototype
    set_locator(vtkStaticCellLocator())  # the default one cannot snap
    if tolerance is None:
        sampler.SnapToCellWithClosestPointOn()
    else:
        sampler.SetComputeTolerance(False)
        sampler.SetTolerance(tolerance)
    found = _output(sampler, target).GetPointData()
    mask = np.array(vtk_to_numpy(found.GetArray("vtkValidPointMask")), dtype=bool)
    return np.array(vtk_to_numpy(found.GetArray("values"))).reshape(len(points), -1), mask


def interpolate(grid: Grid, array: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Multilinear interpolation of values (*value_shape, *grid.shape) at points (n, 3); NaN outside the box."""
    dimension = len(grid.shape)
    x, last = points[:, :dimension], np.array(grid.shape) - 1
    index = np.clip((x - grid.first) / grid.spacing, 0, last)
    first = np.minimum(index.astype(np.int64), np.maximum(last - 1, 0))
    share, flat = index - first, array.reshape(-1, *grid.shape)
    values = np.zeros((len(flat), len(x)))
    for corner in product((0, 1), repeat=dimension):
        weight = np.where(corner, share, 1 - share).prod(axis=1)
        values += weight * flat[(slice(None), *np.minimum(first + corner, last).T)]
    margin = ROUNDING * np.subtract(grid.upper, grid.lower)
    values[:, ((x < grid.lower - margin) | (x > grid.upper + margin)).any(axis=1)] = np.nan
    return values.T.reshape(len(x), *array.shape[: array.ndim - dimension])


def _output(algorithm: Any, mesh: Any) -> Any:
    algorithm.SetInputData(mesh)
    algorithm.Update()
    return algorithm.GetOutput()


def _vtk_points(points: np.ndarray) -> Any:
    made = vtkPoints()
    made.SetData(_vtk_array("points", points))
    return made


def _vtk_array(name: str, values: np.ndarray | Sequence[float]) -> Any:
    array = numpy_to_vtk(np.ascontiguousarray(values, dtype=np.float64), deep=True)
    array.SetName(name)
    return array


def _data(mesh: Any) -> dict[str, Any]:
    return {"points": mesh.GetPointData(), "cells": mesh.GetCellData(), "field": mesh.GetFieldData()}


# --------------------------------------------------------------------------------------------- arrays of the mesh


class Settings(NamedTuple):
    """How to ask a surrogate.

    Args:
        arrays: Names of the arrays of inputs that are not those of the file.
        margin: How far inputs may leave the training data, in widths of its range.
        outside: Value of inputs where the file's grid has no mesh; None refuses such meshes.
        at: ``"points"`` or ``"cells"``: what gets the outputs.
    """

    arrays: Mapping[str, str]
    margin: float
    outside: float | None
    at: str


class Found(NamedTuple):
    """Values (n, components) of an array of a mesh, its name, and which data it belongs to."""

    at: str
    name: str
    values: np.ndarray


def add_prediction(mesh: Any, surrogate: Surrogate, settings: Settings) -> None:
    """Add to a mesh what a surrogate says of its fields, and what the guard says of that.

    Args:
        mesh: vtkDataSet, which gets the arrays.
        surrogate: The surrogate.
        settings: How to ask it.

    Raises:
        FilterError: Mesh, file and settings do not fit.
    """
    unknown = sorted(set(settings.arrays) - {spec.name for spec in surrogate.inputs})
    if unknown:
        raise FilterError(f"Arrays: expected inputs among {[spec.name for spec in surrogate.inputs]}, got {unknown}")
    found = {spec: _find(mesh, spec, settings.arrays.get(spec.name)) for spec in surrogate.inputs}
    inputs = {spec.name: _input(mesh, spec, array, settings.outside) for spec, array in found.items()}
    outputs, far = surrogate(inputs), surrogate.judge(inputs)
    data, places = _data(mesh), points_of(mesh, settings.at)
    for spec in surrogate.outputs:
        array = outputs[spec.name]
        values = _components(interpolate(spec.grid, array, places)) if spec.grid else array
        data[settings.at if spec.grid else "field"].AddArray(_vtk_array(spec.label, values))
        data["field"].AddArray(_vtk_array(f"{spec.name} guard distance", [far]))
        data["field"].AddArray(_vtk_array(f"{spec.name} accepted", [far <= settings.margin]))
    for spec, given in found.items():
        if spec.grid and spec.name in surrogate.domain:
            known = surrogate.domain[spec.name]
            leaves = distance(_channels(given, spec), known.low, known.high).max(axis=1)
            data[given.at].AddArray(_vtk_array(f"{spec.name} outside range", leaves))


def _find(mesh: Any, spec: Spec, chosen: str | None) -> Found:
    """The array of an input; of point and cell data of one name that which belongs to its grid."""
    data = _data(mesh)
    order = ("field",) if spec.grid is None else ("cells", "points") if spec.grid.at == "cells" else ("points", "cells")
    for at in order:
        for name in (chosen,) if chosen else (spec.label, spec.name):
            array = data[at].GetArray(name)
            if array is not None:
                values = np.array(vtk_to_numpy(array), dtype=np.float64)
                return Found(at, name, values.reshape(array.GetNumberOfTuples(), -1))
    there = sorted(str(data[at].GetArrayName(i)) for at in order for i in range(data[at].GetNumberOfArrays()))
    units = [name for name in there if name.startswith(f"{spec.name} [") and not chosen]
    if units:
        raise FilterError(f"expected '{spec.label}', got {units}: convert it to [{spec.unit}]")
    kind = "field data" if spec.grid is None else "point or cell data"
    raise FilterError(
        f"expected the {kind} '{chosen or spec.label}', there are {there or 'none'}: rename or add it, or set Arrays"
    )


def _input(mesh: Any, spec: Spec, found: Found, outside: float | None) -> np.ndarray:
    """An input of the file (*value_shape, *grid)."""
    if spec.grid is None:
        array = found.values.ravel()
        if array.size != spec.value_shape[0]:
            raise FilterError(f"'{found.name}': expected {spec.value_shape[0]} numbers, got {array.size}")
    else:
        table, mask = probe(mesh, found.at, _channels(found, spec), spec.grid)
        if outside is None and not mask.all():
            raise FilterError(
                f"{(~mask).sum()} of {mask.size} grid points of '{spec.name}' lie outside the mesh: switch FillOutside "
                "on and set OutsideValue"
            )
        table[~mask] = outside
        array = table.T.reshape(spec.shape)
    if not np.isfinite(array).all():
        raise FilterError(f"'{found.name}': expected finite numbers, got NaN or infinity")
    return array


def _channels(found: Found, spec: Spec) -> np.ndarray:
    """Values (n, channels), of vectors and tensors in the plane too, which VTK pads with zeros."""
    padded = tuple(3 if n == 2 else n for n in spec.value_shape)
    count, size = found.values.shape
    shape = next((shape for shape in (spec.value_shape, padded) if size == int(np.prod(shape))), None)
    if shape is None:
        raise FilterError(f"'{found.name}': expected the value shape {spec.value_shape}, got {size} components")
    whole, plane = found.values.reshape(count, *shape), (slice(None), *map(slice, spec.value_shape))
    rest = whole.copy()
    rest[plane] = 0.0
    if rest.any():
        raise FilterError(f"'{found.name}': expected zeros out of the plane: drop these components yourself")
    return whole[plane].reshape(count, -1)


def _components(values: np.ndarray) -> np.ndarray:
    """Values (n, *value_shape) as VTK has them, (n,) or (n, components): 2 components become 3."""
    padded = np.pad(values, [(0, 0)] + [(0, 1 if n == 2 else 0) for n in values.shape[1:]])
    return padded.reshape(len(values), -1) if padded.ndim > 1 else padded


# ------------------------------------------------------------------------------------------------------ the filter


@smproxy.filter(name="ONNXSurrogate", label="ONNX surrogate")
@smhint.xml('<ShowInMenu category="genmech" />')
@smproperty.input(name="Input", port_index=0)
@smdomain.datatype(dataTypes=["vtkDataSet"], composite_data_supported=False)
class ONNXSurrogate(VTKPythonAlgorithmBase):
    """Predict fields by an ONNX file of genmech_fem, which carries its specs and the range of its training data."""

    def __init__(self) -> None:
        VTKPythonAlgorithmBase.__init__(self, nInputPorts=1, nOutputPorts=1, outputType="vtkDataSet")
        self._settings, self._fill, self._value = Settings({}, 0.0, None, "points"), False, 0.0
        self._file = ""
        self._loaded: tuple[Any, Surrogate | None] = None, None

    @smproperty.stringvector(name="FileName")
    @smdomain.filelist()
    @smhint.filechooser(extensions="onnx", file_description="ONNX files of genmech_fem")
    def SetFileName(self, name: str | None) -> None:
        """Set the ONNX file."""
        self._file = "" if name in (None, "None") else str(name)
        self.Modified()

    @smproperty.stringvector(name="Arrays", default_values="")
    def SetArrays(self, text: str | None) -> None:
        """Set the arrays of inputs that have another name in the mesh, as ``phase = Material; u = Displacement``."""
        pairs = [part.partition("=") for part in (text or "").split(";") if "=" in part]
        self._settings = self._settings._replace(arrays={name.strip(): array.strip() for name, _, array in pairs})
        self.Modified()

    @smproperty.doublevector(name="Margin", default_values=[0.0])
    @smdomain.doublerange(min=0.0)
    def SetMargin(self, margin: float) -> None:
        """Set how far inputs may leave the training data, in widths of its range, to be accepted."""
        self._settings = self._settings._replace(margin=float(margin))
        self.Modified()

    @smproperty.intvector(name="FillOutside", default_values=[0])
    @smdomain.xml('<BooleanDomain name="bool" />')
    def SetFillOutside(self, fill: int) -> None:
        """Set whether inputs have the OutsideValue where the file's grid has no mesh; else such meshes are refused."""
        self._fill = bool(fill)
        self.Modified()

    @smproperty.doublevector(name="OutsideValue", default_values=[0.0])
    @smdomain.doublerange()
    def SetOutsideValue(self, value: float) -> None:
        """Set the value of inputs where the file's grid has no mesh."""
        self._value = float(value)
        self.Modified()

    @smproperty.intvector(name="OutputOn", default_values=[0])
    @smdomain.xml(
        '<EnumerationDomain name="enum"><Entry value="0" text="Points" /><Entry value="1" text="Cells" />'
        "</EnumerationDomain>"
    )
    def SetOutputOn(self, cells: int) -> None:
        """Set whether output fields become point (0) or cell data (1)."""
        self._settings = self._settings._replace(at="cells" if cells else "points")
        self.Modified()

    def RequestDataObject(self, request: Any, inInfo: Any, outInfo: Any) -> int:  # noqa: ARG002
        """Make an output of the type of the input."""
        given, made = self.GetInputData(inInfo, 0, 0), self.GetOutputData(outInfo, 0)
        if made is None or made.GetClassName() != given.GetClassName():
            outInfo.GetInformationObject(0).Set(vtkDataObject.DATA_OBJECT(), given.NewInstance())
        return 1

    def RequestData(self, request: Any, inInfo: Any, outInfo: Any) -> int:  # noqa: ARG002
        """Copy the input and add the prediction; the output window says why, where that is impossible."""
        output = vtkDataSet.GetData(outInfo, 0)
        output.ShallowCopy(vtkDataSet.GetData(inInfo[0], 0))
        try:
            settings = self._settings._replace(outside=self._value if self._fill else None)
            add_prediction(output, self._surrogate(), settings)
        except (FilterError, OSError) as error:
            vtkOutputWindow.GetInstance().DisplayErrorText(f"ONNX surrogate: {error}\n")
            return 0
        return 1

    def _surrogate(self) -> Surrogate:
        """The surrogate, read anew where the file has changed."""
        key = self._file, Path(self._file).stat().st_mtime_ns if self._file and Path(self._file).exists() else None
        surrogate = self._loaded[1] if self._loaded[0] == key else None
        if surrogate is None:
            surrogate = Surrogate(self._file)
            self._loaded = key, surrogate
        return surrogate
