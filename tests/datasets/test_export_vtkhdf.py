"""Read back by VTK's own reader, in a process of its own, which a bad file may crash."""

import subprocess
import sys

import numpy as np
import pytest

from genmech_fem.datasets import Store
from genmech_fem.errors import DatasetError
from genmech_fem.fields import FieldSpec, Grid, Points, ScalarSpec, pad
from genmech_fem.geometry import mesh_specs

pytest.importorskip("h5py")
pytest.importorskip("pyvista")

from genmech_fem.datasets import moments
from genmech_fem.datasets.vtkhdf import write_vtkhdf

READER = """
import sys
import numpy as np
import pyvista
for path in sys.argv[1:]:
    with pyvista.VtkErrorCatcher(raise_errors=True):
        data = pyvista.read(path)
    arrays = {"points": data.points, "centres": data.cell_centers().points, "kind": type(data).__name__}
    if isinstance(data, pyvista.UnstructuredGrid):
        arrays |= {"types": data.celltypes, "offset": data.offset, "connectivity": data.cell_connectivity}
    else:
        arrays["dimensions"] = data.dimensions
    for kind in ("point_data", "cell_data", "field_data"):
        arrays |= {f"{kind}:{name}": np.asarray(value) for name, value in getattr(data, kind).items()}
    np.savez(path + ".npz", **arrays)
"""
BOXES = {
    "1d": ((4,), (1.0,), (3.0,)),
    "2d": ((5, 3), (0.0, -1.0), (2.0, 1.0)),
    "3d": ((2, 4, 3), (0.5, 0.0, -2.0), (1.0, 2.0, 4.0)),
}


def read(paths):
    subprocess.run([sys.executable, "-c", READER, *map(str, paths)], check=True, timeout=120)
    return [dict(np.load(f"{path}.npz")) for path in paths]


def data(found, kind):
    return {name.partition(":")[2]: array for name, array in found.items() if name.startswith(kind)}


def make_store(path, specs, numbers=(3, 12, 7), arrays=None):
    generator = np.random.default_rng(1)
    given = {spec.name: generator.normal(size=(len(numbers), *spec.shape)) for spec in specs if -1 not in spec.shape}
    store = Store.create(path, specs, {})
    store.write(numbers, given | (arrays or {}))
    return store


def rows(values, *, order):
    """Values (points, *value_shape) of a field (*value_shape, *grid), x running fastest."""
    moved = np.moveaxis(values, range(order), range(-order, 0))
    places = moved.ndim - order
    return np.moveaxis(moved, range(places), range(places - 1, -1, -1)).reshape(-1, *values.shape[:order])


def corners(axes):
    """Points (points, 3) of a grid, x running fastest."""
    filled = [*axes, *[np.zeros(1)] * (3 - len(axes))]
    return np.stack([x.ravel() for x in np.meshgrid(*filled[::-1], indexing="ij")[::-1]], axis=1)


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_vtk_sees_images_with_the_axes_in_their_places(tmp_path, box):
    """The sides differ in number of points, so that swapped axes show."""
    shape, lower, upper = box
    n = len(shape)
    cells, nodes = Grid(shape, lower, upper), Grid([k + 1 for k in shape], lower, upper, at="nodes")
    specs = (
        FieldSpec("modulus", cells, (), "GPa"),
        FieldSpec("strain", cells, (n, n)),
        FieldSpec("mandel/load.1", cells, (7,), "MPa"),
        FieldSpec("u", nodes, (n,), "mm"),
        FieldSpec("phase", nodes, (1,)),
        ScalarSpec("stiffness", 6, "GPa"),
        ScalarSpec("load"),
    )
    store = make_store(tmp_path / "set", specs)
    paths = write_vtkhdf(store, tmp_path / "out", [7, 3])
    assert [path.name for path in paths] == ["sample_00000007.vtkhdf", "sample_00000003.vtkhdf"]
    assert sorted(paths) == sorted((tmp_path / "out").iterdir())
    _, arrays = store.read([7, 3])
    for row, found in enumerate(read(paths)):
        sample = {name: array[row] for name, array in arrays.items()}
        assert found["kind"] == "ImageData"
        assert found["dimensions"].tolist() == [*(k + 1 for k in shape), 1, 1][:3]
        np.testing.assert_allclose(found["points"], corners(nodes.axes()), rtol=0, atol=1e-15)
        np.testing.assert_allclose(found["centres"], corners(cells.axes()), rtol=0, atol=1e-15)
        in_cells, at_nodes, beside = (data(found, kind) for kind in ("cell_data", "point_data", "field_data"))
        padding = [(0, 0), *[(0, 3 - n if n == 2 else 0)] * 2]
        expected = {
            "modulus [GPa]": rows(sample["modulus"], order=0),
            "strain": np.pad(rows(sample["strain"], order=2), padding),
            "mandel_load_1 [MPa]": rows(sample["mandel/load.1"], order=1),
        }
        assert set(in_cells) == set(expected)
        for name, array in expected.items():
            np.testing.assert_array_equal(in_cells[name], array.reshape(in_cells[name].shape))
        assert in_cells["mandel_load_1 [MPa]"].shape == (np.prod(shape), 7)
        u = np.pad(rows(sample["u"], order=1), padding[:2])
        np.testing.assert_array_equal(at_nodes["u [mm]"].reshape(u.shape), u)
        np.testing.assert_array_equal(at_nodes["phase"], rows(sample["phase"][0], order=0))
        assert set(at_nodes) == {"u [mm]", "phase"}
        assert set(beside) == {"stiffness [GPa]", "load"}
        np.testing.assert_array_equal(beside["stiffness [GPa]"], sample["stiffness"])
        np.testing.assert_array_equal(beside["load"], sample["load"])
        if n == 2:
            assert in_cells["strain"].shape == (15, 9)
            assert at_nodes["u [mm]"].shape == (24, 3)


SQUARES = {  # meshes with other numbers of nodes and cells
    "triangle": (2, 5, [[0, 1, 2], [0, 2, 3]], [[0, 1, 4], [1, 2, 4], [2, 3, 4], [3, 0, 4]]),
    "quad": (2, 9, [[0, 1, 2, 3]], [[0, 1, 2, 3], [1, 4, 5, 2]]),
    "tetra": (3, 10, [[0, 1, 2, 3]], [[0, 1, 2, 3], [1, 2, 3, 4]]),
    "hexahedron": (3, 12, [[0, 1, 2, 3, 4, 5, 6, 7]], [[0, 1, 2, 3, 4, 5, 6, 7], [3, 2, 8, 9, 7, 6, 10, 11]]),
}


@pytest.mark.parametrize("kind", SQUARES)
def test_vtk_sees_the_mesh_of_every_sample(tmp_path, kind):
    n, vtk_type, *connectivity = SQUARES[kind]
    generator = np.random.default_rng(2)
    cells = [np.array(one).T for one in connectivity]
    nodes = [one.max() + 1 for one in cells]
    ragged = {
        "mesh.points": [generator.normal(size=(n, k)) for k in nodes],
        "mesh.cells": cells,
        "mesh.tags": [np.arange(one.shape[1]) + 5 for one in cells],
        "u": [generator.normal(size=(n, k)) for k in nodes],
        "stress": [generator.normal(size=(n, n, one.shape[1])).astype(np.float32) for one in cells],
    }
    arrays = {}
    for name, samples in ragged.items():
        arrays[name], arrays[f"{name}.mask"] = pad(samples)
    place = Points(n)
    specs = (
        *mesh_specs(kind),
        FieldSpec("u", place, (n,), "mm"),
        FieldSpec("stress", place, (n, n), "MPa"),
        ScalarSpec("load"),
    )
    store = make_store(tmp_path / "set", specs, (0, 1), arrays)
    for row, found in enumerate(read(write_vtkhdf(store, tmp_path / "out"))):
        assert found["kind"] == "UnstructuredGrid"
        np.testing.assert_array_equal(found["points"][:, :n], ragged["mesh.points"][row].T)
        assert not found["points"][:, n:].any()
        assert found["types"].tolist() == [vtk_type] * len(connectivity[row])
        np.testing.assert_array_equal(found["connectivity"], np.ravel(connectivity[row]))
        np.testing.assert_array_equal(found["offset"], np.arange(len(connectivity[row]) + 1) * len(cells[0]))
        centres = ragged["mesh.points"][row].T[connectivity[row]].mean(axis=1)
        if kind != "hexahedron":  # VTK's centre is that of the parametric coordinates
            np.testing.assert_allclose(found["centres"][:, :n], centres, atol=1e-15)
        padding = [(0, 0), (0, 3 - n), (0, 3 - n)]
        at_nodes, in_cells = data(found, "point_data"), data(found, "cell_data")
        assert (set(at_nodes), set(in_cells)) == ({"u [mm]"}, {"mesh_tags", "stress [MPa]"})
        np.testing.assert_array_equal(at_nodes["u [mm]"], np.pad(ragged["u"][row].T, padding[:2]))
        assert in_cells["mesh_tags"].dtype == np.int64
        np.testing.assert_array_equal(in_cells["mesh_tags"], ragged["mesh.tags"][row])
        assert in_cells["stress [MPa]"].dtype == np.float32
        stress = np.pad(np.moveaxis(ragged["stress"][row], -1, 0), padding)
        np.testing.assert_array_equal(in_cells["stress [MPa]"].reshape(stress.shape), stress)
        np.testing.assert_array_equal(data(found, "field_data")["load"], store.read([row])[1]["load"][0])


def test_other_kinds_of_numbers_come_back(tmp_path):
    grid = Grid((3, 2), (0, 0), (1, 1))
    kinds = {"bool": np.uint8, "float16": np.float32, "float32": np.float32, "int32": np.int32, "int64": np.int64}
    specs = [FieldSpec(kind, grid) for kind in kinds]
    values = np.array([[[0, 1], [1, 1], [0, 0]]])
    store = Store.create(tmp_path / "set", specs, {})
    store.write([0], {kind: values.astype(kind) for kind in kinds})
    found = data(read(write_vtkhdf(store, tmp_path / "out"))[0], "cell_data")
    for kind, dtype in kinds.items():
        assert found[kind].dtype == dtype
        np.testing.assert_array_equal(found[kind], values[0].T.ravel())


def test_a_set_with_several_places_gets_a_file_for_each(tmp_path):
    mesh = (FieldSpec("mesh.points", Points(2, 3), (2,)), FieldSpec("mesh.cells", Points(2, 1), (3,)))
    coarse, fine = (FieldSpec(f"g{n}", Grid((n, 2), (0, 0), (1, 1))) for n in (3, 6))
    specs = (coarse, *mesh, FieldSpec("t", Points(2, 3)), fine)
    store = make_store(tmp_path / "set", specs, [4], {"mesh.cells": np.array([[[0], [1], [2]]])})
    paths = write_vtkhdf(store, tmp_path / "all")
    assert [path.name[15:] for path in paths] == ["_image0.vtkhdf", "_image1.vtkhdf", "_mesh.vtkhdf"]
    (path,) = write_vtkhdf(store, tmp_path / "one", names=["t"])
    assert path.name == "sample_00000004.vtkhdf"
    *found, alone = read([*paths, path])
    names = [{*data(one, "cell_data"), *data(one, "point_data")} for one in found]
    assert names == [{"g3"}, {"g6"}, {"t"}]
    np.testing.assert_array_equal(alone["point_data:t"], store.read()[1]["t"][0])


def test_the_set_is_read_in_batches(tmp_path, monkeypatch):
    store = make_store(tmp_path / "set", (FieldSpec("u", Grid((3, 2), (0, 0), (1, 1))),))
    whole = [path.read_bytes() for path in write_vtkhdf(store, tmp_path / "whole")]
    monkeypatch.setattr(moments, "BATCH_BYTES", 1)
    sizes, batches = [], Store.batches
    monkeypatch.setattr(Store, "batches", lambda store, size, *a: sizes.append(size) or batches(store, size, *a))
    assert [path.read_bytes() for path in write_vtkhdf(store, tmp_path / "single")] == whole
    assert sizes == [1]


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ((FieldSpec("t", Points(2, 5)),), r"need the arrays \('mesh.points', 'mesh.cells'\)"),
        ((ScalarSpec("load"),), "expected fields to show"),
        ((FieldSpec("a/b", Grid((2,), (0,), (1,))), FieldSpec("a.b", Grid((2,), (0,), (1,)))), r"\['a_b', 'a_b'\]"),
        ((FieldSpec("a", Grid((1,) * 4, (0,) * 4, (1,) * 4)),), "'a': expected a grid of 1 to 3 dimensions"),
        (
            (*(FieldSpec(f"mesh.{name}", Points(2, n), (n,)) for name, n in (("points", 2), ("cells", 7))),),
            r"got \{'mesh.points': 2, 'mesh.cells': 7\}",
        ),
        (
            tuple(
                FieldSpec(*of)
                for of in (("mesh.points", Points(2, 4), (2,)), ("mesh.cells", Points(2, 2), (3,)), ("t", Points(2, 3)))
            ),
            "'t': expected values at 4 nodes or in 2 cells, got 3",
        ),
    ],
)
def test_what_vtk_cannot_show_is_refused(tmp_path, specs, message):
    store = make_store(tmp_path / "set", specs)
    with pytest.raises(DatasetError, match=message):
        write_vtkhdf(store, tmp_path / "out")
    assert not list((tmp_path).glob("out/*"))


def test_unknown_names_and_samples_are_refused(tmp_path):
    store = make_store(tmp_path / "set", (FieldSpec("u", Grid((3, 2), (0, 0), (1, 1))),))
    with pytest.raises(DatasetError, match=r"names of arrays among \['u'\], got \['v'\]"):
        write_vtkhdf(store, tmp_path / "out", names=["v"])
    with pytest.raises(DatasetError, match="sample 5 is not among"):
        write_vtkhdf(store, tmp_path / "out", [5])


def test_without_h5py_the_error_names_the_extra():
    code = "import sys; sys.modules['h5py'] = None; import genmech_fem.datasets.vtkhdf"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert "MissingExtraError: this needs the package 'h5py'" in done.stderr
    assert "genmech_fem[hdf5]" in done.stderr
