import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

from genmech_fem.datasets import Samples, Store
from genmech_fem.errors import DatasetError
from genmech_fem.fields import FieldSpec, Grid, Points, ScalarSpec, pad

xarray = pytest.importorskip("xarray")

from genmech_fem.datasets.xarray import to_xarray  # noqa: E402

CELLS = Grid((5, 3), (0.0, -1.0), (2.0, 1.0))
NODES = Grid((6, 4), (0.0, -1.0), (2.0, 1.0), at="nodes")
SPECS = (
    FieldSpec("strain", CELLS, (2, 2)),
    FieldSpec("place", CELLS, (2,), "mm"),
    FieldSpec("mandel", CELLS, (3,), "MPa"),
    FieldSpec("phase", CELLS, (1,)),
    FieldSpec("temperature", NODES, (), "K"),
    FieldSpec("cloud", Points(2, 7), (2,)),
    FieldSpec("ragged", Points(2), (2,), "m"),
    ScalarSpec("stiffness", 6, "GPa"),
    ScalarSpec("load", 1, "N"),
)
AXES = {
    "strain": ("sample", "i", "j", "x", "y"),
    "place": ("sample", "i", "x", "y"),
    "mandel": ("sample", "i3", "x", "y"),
    "phase": ("sample", "x", "y"),
    "temperature": ("sample", "x1", "y1"),
    "cloud": ("sample", "i", "points7"),
    "ragged": ("sample", "i", "points9"),
    "ragged.mask": ("sample", "points9"),
    "stiffness": ("sample", "i6"),
    "load": ("sample",),
}
NUMBERS = np.array([2, 3, 5, 11, 13, 17])


@pytest.fixture
def store(tmp_path):
    generator = np.random.default_rng(0)
    store = Store.create(tmp_path, SPECS, {"seed": 4, "model": {"kind": "x"}}, {"title": "Plates", "licence": "CC0"})
    for numbers, longest in ((NUMBERS[[4, 0, 2]], 9), (NUMBERS[[1, 3, 5]], 6)):
        arrays = {s.name: generator.normal(size=(3, *s.shape)) for s in SPECS if s.name != "ragged"}
        ragged, mask = pad([generator.normal(size=(2, n)).astype(np.float32) for n in (longest, 4, 5)])
        arrays["place"][:] = CELLS.points().T.reshape(2, 5, 3)
        store.write(numbers, arrays | {"ragged": ragged, "ragged.mask": mask})
    return store


def test_arrays_have_their_axes_units_and_coordinates(store):
    found = to_xarray(store)
    numbers, arrays = store.read()
    assert {name: variable.dims for name, variable in found.items()} == AXES
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name].values, np.squeeze(array))
        assert found[name].dtype == array.dtype
    np.testing.assert_array_equal(found.sample, numbers)
    np.testing.assert_array_equal(numbers, NUMBERS)
    assert found.i.values.tolist() == found.j.values.tolist() == ["x", "y"]
    for axes, grid in ((("x", "y"), CELLS), (("x1", "y1"), NODES)):
        for axis, points in zip(axes, grid.axes(), strict=True):
            np.testing.assert_array_equal(found[axis], points)
            assert found[axis].attrs["at"] == grid.at
    assert {name: found[name].attrs.get("units") for name in ("place", "load", "strain", "ragged.mask")} == {
        "place": "mm",
        "load": "N",
        "strain": "1",
        "ragged.mask": None,
    }
    assert found.attrs["title"] == "Plates"
    assert found.attrs["licence"] == "CC0"
    assert json.loads(found.attrs["description"]) == store.description
    assert json.loads(found.attrs["versions"]) == store.about["versions"]


def test_coordinates_are_those_of_the_points(store):
    """A field of the points' own coordinates agrees with the coordinates by name, whatever the order of axes."""
    place = to_xarray(store)["place"]
    for axis in ("x", "y"):
        assert (place.sel(i=axis) == place[axis]).all()
    corner = place.sel(x=1.9, y=-0.7, method="nearest").sel(sample=5)
    np.testing.assert_allclose(corner, [1.8, -2 / 3])


@pytest.mark.parametrize("name", ["strain", "ragged", "ragged.mask", "phase", "load"])
def test_parts_that_are_read_are_those_of_the_whole(store, name):
    lazy, whole = to_xarray(store)[name], to_xarray(store).load()[name]
    last = lazy.dims[-1]
    size = lazy.sizes[last]
    parts = [
        {"sample": 3},
        {"sample": -1, last: 0},
        {"sample": slice(1, 5, 2)},
        {"sample": slice(None, None, -1), last: slice(0, 2)},
        {"sample": [4, 0, 4]},
        {"sample": [5, 1], last: [size - 1, 0]},
        {"sample": []},
        {"sample": xarray.DataArray([0, 2], dims="k"), last: xarray.DataArray([1, 0], dims="k")},
    ]
    for part in parts:
        xarray.testing.assert_identical(lazy.isel(part), whole.isel(part))
    xarray.testing.assert_identical(lazy[2:][[3, 1]][0], whole[5])


def test_only_what_is_asked_for_is_read(store, monkeypatch):
    rows, get = [], Samples.__getitem__
    monkeypatch.setattr(Samples, "__getitem__", lambda self, key: rows.append(len(key)) or get(self, key))
    found = to_xarray(store)
    assert "place" in repr(found)
    assert rows == []
    assert found["strain"].sel(sample=11, i="x").shape == (2, 5, 3)
    found["strain"].sel(sample=11, i="x").load()
    found["load"].isel(sample=[1, 4]).load()
    assert rows == [1, 2]


def test_chunks_are_computed_by_other_processes_too(store):
    pytest.importorskip("dask")
    expected = store.read()[1]["strain"].mean(axis=0)
    found = to_xarray(store).chunk(sample=2)["strain"]
    assert found.chunks[0] == (2, 2, 2)
    np.testing.assert_allclose(found.mean("sample").compute(scheduler="synchronous"), expected, rtol=1e-14)
    read = to_xarray(store, names=["strain"])["strain"]
    read.isel(sample=0).load()  # maps the files
    sent = pickle.dumps(read)
    np.testing.assert_array_equal(pickle.loads(sent), store.read()[1]["strain"])  # noqa: S301


def test_an_array_that_was_not_loaded_travels_without_its_values(tmp_path):
    store = Store.create(tmp_path, (ScalarSpec("a", 50_000),), {})
    store.write([0, 1], {"a": np.zeros((2, 50_000))})
    variable = to_xarray(store)["a"].variable
    variable[0, 7].values  # noqa: B018 (maps the files)
    assert len(pickle.dumps(variable._data)) < 5_000


def test_samples_and_arrays_are_chosen_in_the_given_order(store):
    found = to_xarray(store, [11, 2], ["load", "temperature"])
    assert set(found) == {"load", "temperature"}
    assert found["temperature"].dims == ("sample", "x", "y")  # the only grid here
    assert found.sample.values.tolist() == [11, 2]
    np.testing.assert_array_equal(found["load"], store.read([11, 2])[1]["load"][:, 0])


def test_netcdf_keeps_it(store, tmp_path):
    """By SciPy, which knows no booleans and no 64-bit integers."""
    scipy_io = pytest.importorskip("scipy.io")
    names = [name for name in AXES if not name.startswith("ragged")]
    found = to_xarray(store, names=names)
    found.assign_coords(sample=found.sample.astype("int32")).to_netcdf(tmp_path / "set.nc", engine="scipy")
    with scipy_io.netcdf_file(tmp_path / "set.nc", mmap=False) as file:
        assert file.variables["place"].dimensions == ("sample", "i", "x", "y")
        assert file.variables["place"].units == b"mm"
        np.testing.assert_array_equal(file.variables["strain"][:], store.read()[1]["strain"])
        np.testing.assert_array_equal(file.variables["y"][:], CELLS.axes()[1])


def test_three_dimensions_and_mixed_ones(tmp_path):
    block, line = Grid((2, 4, 3), (0, 0, 0), (1, 1, 1)), Grid((4,), (0,), (1,))
    for name, specs, axes in (
        ("block", [FieldSpec("u", block, (3,))], {"u": ("sample", "i", "x", "y", "z")}),
        (
            "mixed",
            [FieldSpec("u", block, (3,)), FieldSpec("t", line, (3,))],
            {"u": ("sample", "i3", "x", "y", "z"), "t": ("sample", "i3", "x1")},
        ),
        ("numbers", [ScalarSpec("a", 3)], {"a": ("sample", "i3")}),
        (
            "hyper",
            [FieldSpec("h", Grid((1, 2, 1, 2), (0,) * 4, (1,) * 4))],
            {"h": ("sample", *(f"axis{k}_" for k in range(4)))},
        ),
    ):
        store = Store.create(tmp_path / name, specs, {})
        arrays = {spec.name: np.random.default_rng(0).normal(size=(2, *spec.shape)) for spec in specs}
        store.write([0, 1], arrays)
        found = to_xarray(store)
        assert {key: variable.dims for key, variable in found.items()} == axes
        for key, array in arrays.items():
            np.testing.assert_array_equal(found[key], array)
        assert ("i" in found.coords) == (name == "block")


def test_what_does_not_fit_is_refused(store, tmp_path):
    with pytest.raises(DatasetError, match=r"got \['stress'\]"):
        to_xarray(store, names=["stress"])
    with pytest.raises(DatasetError, match="sample 4 is not among"):
        to_xarray(store, [2, 4])
    specs = (ScalarSpec("x", 2), FieldSpec("u", CELLS))
    clash = Store.create(tmp_path / "clash", specs, {})
    with pytest.raises(DatasetError, match="no finished samples"):
        to_xarray(clash)
    clash.write([0], {spec.name: np.ones((1, *spec.shape)) for spec in specs})
    with pytest.raises(DatasetError, match=r"arrays have the names of axes, \['x'\]"):
        to_xarray(clash)
    assert set(to_xarray(clash, names=["x"])) == {"x"}


def test_without_xarray_the_error_names_the_extra():
    code = "import sys; sys.modules['xarray'] = None; import genmech_fem.datasets.xarray"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert "MissingExtraError: this needs the package 'xarray'" in done.stderr
    assert "genmech_fem[xarray]" in done.stderr
