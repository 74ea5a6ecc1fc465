"""The filter with the vtk wheel, against ONNX Runtime by genmech_fem and against the accessor of PyVista."""

import numpy as np
import pytest
import pyvista
import torch
from genmech_paraview.genmech_onnx_filter import FilterError, ONNXSurrogate, Settings, Surrogate, add_prediction
from torch import nn
from vtkmodules.util.misc import calldata_type
from vtkmodules.vtkCommonCore import VTK_STRING, vtkOutputWindow

from genmech_fem.export import to_onnx
from genmech_fem.fields import FieldSpec, Grid, Points, ScalarSpec
from genmech_fem.runtime import Domain, OnnxModel, Passport, RangeGuard
from genmech_fem.surrogates import TorchModel

NODES = Grid((7, 6, 5), (0.3, 0.3, 0.3), (0.4, 0.4, 0.4), "nodes")
PIXELS = Grid((8, 8), (0.0, 0.0), (1.0, 1.0))


class Stretch(nn.Module):
    """Scalars on cells, a vector on nodes and a load to a vector field on cells, a field on nodes and a number."""

    def forward(self, a, v, load):
        total = load.sum(dim=1)[:, None, None, None, None]
        return torch.cat([a * total, a + 1, a * a], dim=1), v.sum(dim=1, keepdim=True) - total, load[:, :1]


@pytest.fixture(scope="module")
def stretch(tmp_path_factory):
    cells = Grid((4, 6, 5), NODES.lower, NODES.upper)
    inputs = FieldSpec("a", cells), FieldSpec("v", NODES, (3,), "mm"), ScalarSpec("load", 2, "N")
    outputs = FieldSpec("u", cells, (3,), "mm"), FieldSpec("q", NODES), ScalarSpec("total", 1)
    samples = {spec.name: np.random.default_rng(0).random((3, *spec.shape)) for spec in inputs}
    passport = Passport(domain={spec.name: Domain.of(0.5 * samples[spec.name], spec) for spec in inputs})
    path = tmp_path_factory.mktemp("files") / "stretch.onnx"
    to_onnx(TorchModel(Stretch(), inputs, outputs), path, samples, passport=passport)
    return path


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    """A plane file without a passport, of plane vectors."""
    torch.manual_seed(0)
    model = nn.Conv2d(2, 2, 3, padding=1)
    specs = FieldSpec("v", PIXELS, (2,)), FieldSpec("w", PIXELS, (2,), "mm")
    path = tmp_path_factory.mktemp("files") / "plane.onnx"
    to_onnx(TorchModel(model, specs[:1], specs[1:]), path, {"v": np.random.default_rng(0).random((3, 2, 8, 8))})
    return path


def block():
    image = pyvista.ImageData(dimensions=(6, 5, 4), spacing=(0.02, 0.025, 1 / 30), origin=(0.3, 0.3, 0.3))
    generator = np.random.default_rng(1)
    image.cell_data["a"] = generator.random(image.n_cells)
    image.point_data["v [mm]"] = generator.random((image.n_points, 3))
    image.field_data["load"] = [0.2, 0.3]
    return image


MESHES = {
    "image": block,
    "rectilinear": lambda: block().cast_to_rectilinear_grid(),
    "structured": lambda: block().cast_to_structured_grid(),
    "hexahedra": lambda: block().cast_to_unstructured_grid(),
    "float32 tetrahedra": lambda: block().triangulate(),
}


def filtered(mesh, path, **properties):
    """The output of the filter, with properties set as ParaView sets them."""
    surrogate = ONNXSurrogate()
    surrogate.SetInputDataObject(mesh)
    surrogate.SetFileName(str(path))
    for name, value in properties.items():
        getattr(surrogate, f"Set{name}")(value)
    surrogate.Update()
    return pyvista.wrap(surrogate.GetOutputDataObject(0))


def assert_same_data(found, expected):
    for name in ("point_data", "cell_data", "field_data"):
        one, other = getattr(found, name), getattr(expected, name)
        assert set(one.keys()) == set(other.keys())
        for key in one:
            np.testing.assert_allclose(one[key], other[key], rtol=0, atol=1e-6, err_msg=key)


@pytest.mark.parametrize("at", ["points", "cells"])
@pytest.mark.parametrize("kind", MESHES)
def test_it_agrees_with_the_accessor_on_every_mesh(kind, at, stretch):
    mesh = MESHES[kind]()
    before = mesh.copy()
    found = filtered(mesh, stretch, OutputOn=int(at == "cells"), Margin=0.5)
    assert_same_data(found, mesh.genmech.predict(stretch, at=at, margin=0.5))
    assert mesh == before
    assert type(found) is type(mesh)


def test_on_the_grid_of_the_file_it_is_onnx_runtime(plane):
    image = pyvista.ImageData(dimensions=(9, 9, 1), spacing=(1 / 8, 1 / 8, 1), origin=(0, 0, 0.7))
    v = np.random.default_rng(2).random((2, 8, 8))
    image.cell_data["v"] = np.c_[v.reshape(2, -1, order="F").T, np.zeros(64)]
    found = filtered(image, plane, OutputOn=1)
    expected = OnnxModel(plane)({"v": v[None]})["w"][0]
    np.testing.assert_allclose(found["w [mm]"][:, :2], expected.reshape(2, -1, order="F").T, rtol=0, atol=1e-6)
    assert not found["w [mm]"][:, 2].any()
    assert np.isnan(found.field_data["w guard distance"][0])
    assert not found.field_data["w accepted"][0]


@pytest.mark.parametrize("scale", [0.4, 1.0])
def test_its_guard_is_the_range_guard(scale, stretch):
    model, filter_ = OnnxModel(stretch), Surrogate(str(stretch))
    generator = np.random.default_rng(3)
    arrays = {spec.name: scale * generator.random(spec.shape) for spec in model.inputs}
    batch = {name: array[None] for name, array in arrays.items()}
    guard = RangeGuard(model.passport.domain, model.inputs)
    assert filter_.judge(arrays) == pytest.approx(guard.judge(batch, {}).measure[0], abs=1e-12)
    for name, array in filter_(arrays).items():
        np.testing.assert_allclose(array, model(batch)[name][0], rtol=0, atol=1e-6)


def test_arrays_may_have_other_names(stretch):
    mesh = block()
    expected = mesh.genmech.predict(stretch)["u [mm]"]
    mesh.rename_array("a", "Material")
    mesh.rename_array("v [mm]", "Displacement")
    found = filtered(mesh, stretch, Arrays="a = Material; v=Displacement")
    np.testing.assert_allclose(found["u [mm]"], expected, rtol=0, atol=1e-6)


def test_the_value_outside_is_that_of_the_accessor_and_beyond_the_grid_there_is_nan(plane):
    mesh = pyvista.ImageData(dimensions=(12, 12, 1), spacing=(1 / 8, 1 / 8, 1), origin=(0.25, 0, 0)).triangulate()
    mesh.point_data["v"] = np.ones((mesh.n_points, 2))
    found = filtered(mesh, plane, FillOutside=1, OutsideValue=0.5)
    assert_same_data(found, mesh.genmech.predict(plane, outside=0.5))
    inside = (mesh.points[:, :2] <= 1 + 1e-6).all(axis=1)
    np.testing.assert_array_equal(np.isfinite(found["w [mm]"]).all(axis=1), inside)


def test_blocks_are_predicted_one_by_one(plane):
    blocks = pyvista.MultiBlock()
    for value in (0.0, 1.0):
        image = pyvista.ImageData(dimensions=(9, 9, 1), spacing=(1 / 8, 1 / 8, 1))
        image.cell_data["v"] = np.full((64, 2), value)
        blocks.append(image)
    found = filtered(blocks, plane)
    for one, image in zip(found, blocks, strict=True):
        assert_same_data(one, image.genmech.predict(plane))


def test_every_time_step_and_every_new_file_is_read_anew(plane, stretch, tmp_path):
    path = tmp_path / "file.onnx"
    path.write_bytes(plane.read_bytes())
    image = pyvista.ImageData(dimensions=(9, 9, 1), spacing=(1 / 8, 1 / 8, 1))
    surrogate = ONNXSurrogate()
    surrogate.SetFileName(str(path))
    for value in (0.0, 1.0):
        step = image.copy()
        step.cell_data["v"] = np.full((64, 2), value)
        surrogate.SetInputDataObject(step)
        surrogate.Update()
        assert_same_data(pyvista.wrap(surrogate.GetOutputDataObject(0)), step.genmech.predict(plane))
    path.unlink()
    path.write_bytes(stretch.read_bytes())
    surrogate.SetInputDataObject(block())
    surrogate.Update()
    assert "q" in pyvista.wrap(surrogate.GetOutputDataObject(0)).point_data


BAD = {
    "no array": (lambda m: m.cell_data.remove("a"), r"point or cell data 'a', there are \['v \[mm\]'\]: rename or add"),
    "other unit": (lambda m: m.rename_array("v [mm]", "v [m]"), r"expected 'v \[mm\]', got \['v \[m\]'\]: convert"),
    "components": (lambda m: m.point_data.set_array(np.ones((m.n_points, 4)), "v [mm]"), r"shape \(3,\), got 4 comp"),
    "not finite": (lambda m: m.cell_data.set_array(np.full(m.n_cells, np.nan), "a"), "'a': expected finite numbers"),
    "no vector": (lambda m: m.field_data.clear(), r"field data 'load \[N\]', there are none"),
    "vector's size": (lambda m: m.field_data.set_array(np.ones(3), "load"), "expected 2 numbers, got 3"),
    "elsewhere": (lambda m: m.translate((9, 0, 0), inplace=True), r"no point of the grid .* move or scale it"),
    "in part": (
        lambda m: m.translate((0.05, 0, 0), inplace=True),
        r"60 of 120 grid points of 'a' lie outside the mesh",
    ),
}


def predicted(mesh, path, **settings):
    defaults = {"arrays": {}, "margin": 0.0, "outside": None, "at": "points"}
    add_prediction(mesh.copy(), Surrogate(str(path)), Settings(**{**defaults, **settings}))


@pytest.mark.parametrize("case", BAD)
def test_a_mesh_that_does_not_fit_is_refused(case, stretch):
    mesh = block()
    spoil, message = BAD[case]
    spoil(mesh)
    with pytest.raises(FilterError, match=message):
        predicted(mesh, stretch)


def test_planes_settings_and_files_that_do_not_fit_are_refused(plane, stretch, tmp_path):
    image = pyvista.ImageData(dimensions=(9, 9, 2), spacing=(1 / 8, 1 / 8, 1))
    image.cell_data["v"] = np.ones((64, 3))
    with pytest.raises(FilterError, match="'v': expected zeros out of the plane"):
        predicted(image, plane)
    image.cell_data["v"] = np.ones((64, 2))
    with pytest.raises(FilterError, match="expected a flat mesh for a grid of 2 dimensions"):
        predicted(image, plane)
    with pytest.raises(FilterError, match=r"Arrays: expected inputs among \['v'\], got \['x'\]"):
        predicted(image, plane, arrays={"x": "v"})
    with pytest.raises(FilterError, match="'nothing', there are"):
        predicted(block(), stretch, arrays={"a": "nothing"})
    with pytest.raises(FilterError, match="expected a mesh with cells"):
        predicted(cloud(), plane)
    with pytest.raises(FilterError, match="expected an ONNX file, got"):
        Surrogate(str(tmp_path))


def cloud():
    points = pyvista.PointSet(np.random.default_rng(0).random((9, 3)))
    points.point_data["v"] = np.ones((9, 2))
    return points


def test_a_file_of_fields_on_points_is_refused(tmp_path):
    spec = FieldSpec("a", Points(2, 5))
    path = tmp_path / "points.onnx"
    to_onnx(TorchModel(nn.Identity(), (spec,), (FieldSpec("b", spec.place),)), path, {"a": np.ones((3, 5))})
    with pytest.raises(FilterError, match=r"carries no specs of fields on grids: write it with export\.to_onnx"):
        Surrogate(str(path))


def test_in_a_pipeline_the_output_window_says_why(plane):
    said = []

    @calldata_type(VTK_STRING)
    def note(_, __, text):
        said.append(text)

    window = vtkOutputWindow.GetInstance()
    tag = window.AddObserver("ErrorEvent", note)
    image = pyvista.ImageData(dimensions=(9, 9, 1))
    for path in ("", plane):
        filtered(image, path)
    window.RemoveObserver(tag)
    ours = [text for text in said if text.startswith("ONNX surrogate: ")]
    assert ours[0] == "ONNX surrogate: expected an ONNX file, got '': choose one as FileName\n"
    assert ours[1].startswith("ONNX surrogate: expected the point or cell data 'v', there are none")
