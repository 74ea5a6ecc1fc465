import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from genmech_fem.datasets import Store
from genmech_fem.errors import DatasetError
from genmech_fem.fields import FieldSpec, Grid, Points, ScalarSpec

h5py = pytest.importorskip("h5py")

from genmech_fem.datasets import moments  # noqa: E402
from genmech_fem.datasets.well import write_well  # noqa: E402

PLANE = Grid((5, 3), (0.0, -1.0), (2.0, 1.0))
BRICK = Grid((2, 4, 3), (0.0, 0.0, 0.0), (1.0, 2.0, 3.0), at="nodes")
TIMES = [0.0, 0.5, 1.0, 1.5]
PARTS = {"train": [7, 0, 3, 5], "valid": [1], "test": [6, 2]}


def specs(grid):
    d = grid.dimension
    return (
        FieldSpec("modulus", grid, (), "GPa"),
        FieldSpec("displacement", grid, (d,), "mm"),
        FieldSpec("strain", grid, (d, d)),
        FieldSpec("spin", grid, (d, d)),
        FieldSpec("gradient", grid, (d, d)),
        FieldSpec("mandel", grid, (d * (d + 1) // 2 + 4,), "MPa"),
        FieldSpec("phase", grid, (1,)),
        FieldSpec("temperature", grid, (4,), "K"),
        FieldSpec("flux", grid, (4, d), "W/m^2"),
        ScalarSpec("load", 1, "N"),
        ScalarSpec("stiffness", 3, "GPa"),
        ScalarSpec("force", 4, "N"),
    )


HISTORIES = {"temperature": TIMES, "flux": TIMES, "force": TIMES}
STATIC = ["modulus", "displacement", "strain", "mandel", "phase", "load", "stiffness"]


def make_store(path, grid=PLANE, samples=8):
    generator = np.random.default_rng(0)
    arrays = {spec.name: generator.normal(3, 2, (samples, *spec.shape)) for spec in specs(grid)}
    swapped = np.swapaxes(arrays["strain"], 1, 2)
    arrays |= {"strain": (arrays["strain"] + swapped) / 2, "spin": arrays["spin"] - np.swapaxes(arrays["spin"], 1, 2)}
    store = Store.create(path, specs(grid), {"seed": 1}, {"licence": "CC0"})
    for part in (slice(0, 5), slice(5, None)):
        store.write(range(samples)[part], {name: array[part] for name, array in arrays.items()})
    return store


def check_rules(file):
    """The rules of The Well's format, from its documentation and its checker."""
    dimension, axes = file.attrs["n_spatial_dims"], list(file["dimensions"].attrs["spatial_dims"])
    assert set(file) == {"t0_fields", "t1_fields", "t2_fields", "scalars", "dimensions", "boundary_conditions"}
    assert isinstance(dimension, np.integer)
    assert isinstance(file.attrs["n_trajectories"], np.integer)
    assert file.attrs["grid_type"] == "cartesian"
    assert file.attrs["dataset_name"] == "set"
    assert list(file.attrs["simulation_parameters"]) == []
    assert axes == ["x", "y", "z"][:dimension]
    shape = tuple(len(file["dimensions"][axis]) for axis in axes)
    steps = len(file["dimensions/time"])

    def leading(dataset):
        assert all(isinstance(dataset.attrs[key], np.bool) for key in ("sample_varying", "time_varying"))
        samples = (file.attrs["n_trajectories"],) if dataset.attrs["sample_varying"] else ()
        return samples + ((steps,) if dataset.attrs["time_varying"] else ())

    for name in ("time", *axes):
        place = file["dimensions"][name]
        assert leading(place) == ((steps,) if name == "time" else ())
        assert place.dtype == np.float32
    for group, order in (("scalars", None), ("t0_fields", 0), ("t1_fields", 1), ("t2_fields", 2)):
        assert set(file[group].attrs["field_names"]) == set(file[group])
        for dataset in file[group].values():
            tail = () if order is None else (*shape, *(dimension,) * order)
            assert dataset.shape == (*leading(dataset), *tail)
            assert dataset.dtype == np.float32
            assert order is None or dataset.attrs["dim_varying"].tolist() == [True] * dimension
    for name, side in file["boundary_conditions"].items():
        (axis,) = side.attrs["associated_dims"]
        assert name == f"{axis}_{side.attrs['bc_type'].lower()}"
        assert side["mask"].shape == (shape[axes.index(axis)],)
        assert side["mask"].dtype == bool
        assert leading(side) == ()
        assert len(side.attrs["associated_fields"]) == 0


@pytest.mark.parametrize("grid", [PLANE, BRICK], ids=["2d", "3d"])
def test_every_array_is_where_the_format_wants_it(tmp_path, grid):
    store, d = make_store(tmp_path / "set", grid), grid.dimension
    (path,) = write_well(store, tmp_path / "out", boundary="wall", histories=HISTORIES)
    _, arrays = store.read()
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    last = {name: np.moveaxis(arrays[name], 1, -1) for name in ("displacement",)}
    last |= {name: np.moveaxis(arrays[name], [1, 2], [-2, -1]) for name in ("strain", "spin", "gradient")}
    last["flux"] = np.moveaxis(arrays["flux"], 2, -1)
    mandel = {f"mandel_{k}": arrays["mandel"][:, k] for k in range(d * (d + 1) // 2 + 4)}
    expected = {
        "t0_fields": {"modulus": arrays["modulus"], "phase": arrays["phase"][:, 0], **mandel}
        | {"temperature": arrays["temperature"]},
        "t1_fields": {name: last[name] for name in ("displacement", "flux")},
        "t2_fields": {name: last[name] for name in ("strain", "spin", "gradient")},
        "scalars": {"load": arrays["load"][:, 0], "force": arrays["force"]}
        | {f"stiffness_{k}": arrays["stiffness"][:, k] for k in range(3)},
    }
    with h5py.File(path) as file:
        check_rules(file)
        for group, datasets in expected.items():
            assert set(file[group]) == set(datasets)
            for name, array in datasets.items():
                np.testing.assert_array_equal(file[group][name], array)
        for axis, points in zip("xyz", grid.axes(), strict=False):
            np.testing.assert_array_equal(file["dimensions"][axis], points.astype(np.float32))
        np.testing.assert_array_equal(file["dimensions/time"], TIMES)
        kinds = {n: (t.attrs["symmetric"], t.attrs["antisymmetric"]) for n, t in file["t2_fields"].items()}
        assert kinds == {"strain": (True, False), "spin": (False, True), "gradient": (False, False)}
        assert file["t1_fields/displacement"].attrs["unit"] == "mm"
        assert [n for g in expected for n, a in file[g].items() if a.attrs["time_varying"]] == [
            *("temperature", "flux", "force"),
        ]


def test_parts_have_their_samples_and_the_statistics_are_those_of_the_first(tmp_path):
    store = make_store(tmp_path / "set")
    paths = write_well(store, tmp_path / "out", boundary="OPEN", numbers=PARTS, histories=HISTORIES)
    assert [str(path.relative_to(tmp_path / "out")) for path in paths] == [f"data/{p}/set.hdf5" for p in PARTS]
    for path, numbers in zip(paths, PARTS.values(), strict=True):
        with h5py.File(path) as file:
            check_rules(file)
            expected = store.read(numbers, ["modulus"])[1]["modulus"]
            np.testing.assert_array_equal(file["t0_fields/modulus"], expected.astype(np.float32))
    table = json.loads((tmp_path / "out" / "stats.yaml").read_text())
    _, train = store.read(PARTS["train"])
    values = {"mean": train["gradient"].mean(axis=(0, 3, 4)), "std": train["gradient"].std(axis=(0, 3, 4))}
    values["rms"] = np.sqrt((train["gradient"] ** 2).mean(axis=(0, 3, 4)))
    steps = {"mean_delta": np.diff(train["flux"], axis=1).mean(axis=(0, 1, 3, 4))}
    steps["std_delta"] = np.diff(train["flux"], axis=1).std(axis=(0, 1, 3, 4))
    steps["rms_delta"] = np.sqrt((np.diff(train["flux"], axis=1) ** 2).mean(axis=(0, 1, 3, 4)))
    for moment, value in values.items():
        np.testing.assert_allclose(table[moment]["gradient"], value, rtol=1e-9)
        assert np.shape(table[moment]["phase"]) == ()
        assert set(table[f"{moment}_delta"]) == {"temperature", "flux"}
    for moment, value in steps.items():
        np.testing.assert_allclose(table[moment]["flux"], value, rtol=1e-9, atol=1e-12)
    description = json.loads((tmp_path / "out" / "description.json").read_text())
    assert description["numbers"] == PARTS
    assert description["description"] == {"seed": 1}
    assert description["about"]["licence"] == "CC0"


def test_sides_may_differ_and_paths_be_relative(tmp_path, monkeypatch):
    sides = [("wall", "open"), "periodic"]
    monkeypatch.chdir(make_store(tmp_path / "set").path)
    (path,) = write_well(Store.open("."), tmp_path / "out", boundary=sides, names=["modulus"])
    assert path == tmp_path / "out" / "set.hdf5"
    with h5py.File(path) as file:
        masks = {name: side["mask"][:].tolist() for name, side in file["boundary_conditions"].items()}
    no = [False] * 3
    assert masks == {"x_wall": [True, *no, False], "x_open": [False, *no, True], "y_periodic": [True, False, True]}


def test_the_set_is_read_in_batches(tmp_path, monkeypatch):
    store = make_store(tmp_path / "set")
    (whole,) = write_well(store, tmp_path / "whole", boundary="OPEN", histories=HISTORIES)
    monkeypatch.setattr(moments, "BATCH_BYTES", 1)
    sizes, read = [], Store.batches
    monkeypatch.setattr(Store, "batches", lambda store, size, *a: sizes.append(size) or read(store, size, *a))
    (single,) = write_well(store, tmp_path / "single", boundary="OPEN", histories=HISTORIES)
    assert sizes == [1]
    assert single.read_bytes() == whole.read_bytes()
    one, other = (json.loads(path.with_name("stats.yaml").read_text()) for path in (single, whole))
    for moment in one:
        for name, value in one[moment].items():
            np.testing.assert_allclose(value, other[moment][name], rtol=1e-8, atol=1e-12)


def test_small_fields_ask_for_a_scale(tmp_path):
    spec = FieldSpec("u", PLANE, (2,), "m")
    store = Store.create(tmp_path / "set", (spec,), {})
    store.write(range(3), {"u": np.random.default_rng(0).normal(2, 1e-6, (3, *spec.shape))})
    with pytest.warns(UserWarning, match=r"\['u'\] vary by 0.0001 or less .* scales=\{name: size\}"):
        write_well(store, tmp_path / "plain", boundary="OPEN")
    (path,) = write_well(store, tmp_path / "scaled", boundary="OPEN", scales={"u": 1e-6})
    with h5py.File(path) as file:
        u = file["t1_fields/u"]
        expected = np.moveaxis(store.read()[1]["u"], 1, -1) / 1e-6
        np.testing.assert_allclose(u[:], expected, rtol=1e-6)
        assert (u.attrs["scale"], u.attrs["unit"]) == (1e-6, "m")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"boundary": "clamped"}, r"expected one of \('WALL', 'OPEN', 'PERIODIC'\).*CLAMPED"),
        ({"boundary": [("PERIODIC", "WALL"), "WALL"]}, "periodic both"),
        ({"boundary": ["WALL"] * 3}, "one entry for each of 2 axes"),
        ({"numbers": {"validation": [0]}}, "parts among .* counts: {'validation': 1}"),
        ({"numbers": {}}, "counts: {}"),
        ({"numbers": {"train": [0], "test": []}}, "'test': 0}"),
        ({"numbers": [99]}, "sample 99 is not among"),
        ({"names": ["stress"]}, r"got \['stress'\]"),
        ({"scales": {"stress": 2.0}}, r"got \['stress'\]"),
        ({"scales": {"modulus": 0.0}}, "'modulus': expected .* a scale > 0"),
        ({"histories": {"mandel": TIMES}}, "'mandel': expected a first axis of 4 times"),
        ({"histories": {"temperature": [0.0, 1.0, 3.0, 4.0]}}, "equal steps"),
        ({"histories": {"temperature": TIMES, "flux": [0.0, 1.0, 2.0, 3.0]}}, "same times"),
        ({"scales": {"modulus": 1e-300}}, "'/t0_fields/modulus': a value exceeds single precision"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_nothing(tmp_path, arguments, message):
    store = make_store(tmp_path / "set")
    with pytest.raises(DatasetError, match=message):
        write_well(store, tmp_path / "out", **{"boundary": "WALL", **arguments})
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_fields_on_other_places_and_full_folders_are_refused(tmp_path):
    for i, place in enumerate((Points(2, 3), Grid((4,), (0,), (1,)), Grid((5, 3), (0, 0), (1, 1)))):
        fields = (FieldSpec("a", PLANE), FieldSpec("b", place))
        store = Store.create(tmp_path / f"set{i}", fields, {})
        store.write([0], {spec.name: np.ones((1, *spec.shape)) for spec in fields})
        with pytest.raises(DatasetError, match="expected fields on one grid in 2D or 3D"):
            write_well(store, tmp_path / "out", boundary="OPEN")
    write_well(store, tmp_path / "out", boundary="OPEN", names=["a"])
    with pytest.raises(DatasetError, match="it is in use"):
        write_well(store, tmp_path / "out", boundary="OPEN", names=["a"])


@pytest.mark.parametrize("order", [("genmech_fem.problems", "h5py"), ("h5py", "genmech_fem.problems")])
def test_hdf5_and_dolfinx_live_in_one_process(tmp_path, order):
    store = make_store(tmp_path / "set")
    code = f"""
import {order[0]}
import {order[1]}
from dolfinx import mesh
from mpi4py import MPI
from genmech_fem.datasets import Store
from genmech_fem.datasets.well import write_well
assert mesh.create_unit_square(MPI.COMM_SELF, 2, 2).topology.index_map(2).size_global == 8
write_well(Store.open({str(store.path)!r}), {str(tmp_path / "out")!r}, boundary="WALL", names={STATIC})
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
    with h5py.File(tmp_path / "out" / "set.hdf5") as file:
        check_rules(file)


def test_without_h5py_the_error_names_the_extra():
    code = "import sys; sys.modules['h5py'] = None; import genmech_fem.datasets.well"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert "MissingExtraError: this needs the package 'h5py'" in done.stderr
    assert "genmech_fem[hdf5]" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("grid", [PLANE, BRICK], ids=["2d", "3d"])
@pytest.mark.parametrize("histories", [{}, HISTORIES], ids=["static", "transient"])
def test_the_well_reads_what_is_in_the_store(tmp_path, monkeypatch, grid, histories):
    """By its own reader; with ``THE_WELL_SOURCE``, a checkout of The Well, by its format checker too."""
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "benchmarks")
    from peers import environment

    store, d, source = make_store(tmp_path / "set", grid), grid.dimension, os.environ.get("THE_WELL_SOURCE", "")
    sides = [("wall", "open"), "periodic", "open"][:d]
    names = [*histories, *STATIC]
    paths = write_well(store, tmp_path / "out", boundary=sides, numbers=PARTS, names=names, histories=histories)
    outputs = 2 if histories else 0
    task = {"folder": str(tmp_path / "out"), "parts": list(PARTS), "outputs": outputs, "source": source}
    found = environment.run("the_well", "well_check.py", task, limit=200)
    assert found["checked"] == ([path.name for path in paths] if source else [])
    for part, numbers in PARTS.items():
        answer, (_, arrays) = found["parts"][part], store.read(numbers)
        arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
        assert answer["trajectories"] == [len(numbers)]
        assert answer["resolution"] == list(grid.shape)
        assert len(answer["samples"]) == len(numbers) * (2 if histories else 1)  # windows of 1 + 2 out of 4 steps
        for k, sample in enumerate(answer["samples"]):
            i, start = divmod(k, 2) if histories else (k, 0)
            components = [arrays["modulus"][i, None], arrays["mandel"][i], arrays["phase"][i]]
            components += [arrays["displacement"][i], arrays["strain"][i].reshape(d * d, *grid.shape)]
            expected = np.moveaxis(np.concatenate(components), 0, -1)
            np.testing.assert_array_equal(np.float32(sample["constant_fields"]), expected)
            scalars = np.concatenate([arrays["load"][i], arrays["stiffness"][i]])
            np.testing.assert_array_equal(np.float32(sample["constant_scalars"]), scalars)
            points = np.stack(np.meshgrid(*grid.axes(), indexing="ij"), axis=-1).astype(np.float32)
            np.testing.assert_array_equal(np.float32(sample["space_grid"]), points)
            assert sample["boundary_conditions"] == [[0, 1], [2, 2], [1, 1]][:d]
            if histories:
                series = np.concatenate([arrays["temperature"][i][:, None], arrays["flux"][i]], axis=1)
                series = np.moveaxis(series, 1, -1)[start : start + 3]
                np.testing.assert_array_equal(np.float32(sample["input_fields"]), series[:1])
                np.testing.assert_array_equal(np.float32(sample["output_fields"]), series[1:])
                force = arrays["force"][i][start : start + 3, None]
                np.testing.assert_array_equal(np.float32(sample["input_scalars"]), force[:1])
                np.testing.assert_array_equal(np.float32(sample["output_scalars"]), force[1:])
    mean, std = np.array(found["normalised"]["constant_fields"])
    np.testing.assert_allclose(mean, 0, atol=1e-5)
    np.testing.assert_allclose(std, 1, atol=1e-5)
    components = [f"mandel_{k}" for k in range(d * (d + 1) // 2 + 4)]
    names = ["displacement_x", "displacement_y", "displacement_z"][:d]
    assert found["parts"]["train"]["constant_fields"][: len(components) + 2 + d] == [
        *("modulus", *components, "phase"),
        *names,
    ]
    assert found["parts"]["train"]["scalars"] == (["force"] if histories else [])
