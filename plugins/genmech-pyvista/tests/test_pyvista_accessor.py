"""The accessor against closed forms, DOLFINx and ONNX Runtime on every kind of mesh."""

import subprocess
import sys

import numpy as np
import pytest
import pyvista
import torch
from genmech_pyvista import Accessor
from torch import nn

from genmech_fem import plugins
from genmech_fem.adapters import conduction, dolfinx_mesh, sample_values, to_pyvista
from genmech_fem.anomaly import DescriptorDistance, Reconstruction
from genmech_fem.errors import ContractError
from genmech_fem.export import detector_model, detector_to_onnx, to_onnx
from genmech_fem.fields import FieldSpec, Grid, Points, ScalarSpec
from genmech_fem.forward import FunctionModel
from genmech_fem.generative import Architecture, Autoencoder
from genmech_fem.geometry import plate_with_hole
from genmech_fem.runtime import Domain, OnnxModel, Passport, RangeGuard
from genmech_fem.surrogates import TorchModel
from genmech_fem.training import Recipe, fit

NODES = Grid((9, 6), (0.0, 0.0), (2.0, 1.0), "nodes")
CELLS = Grid((8, 8), (0.0, 0.0), (1.0, 1.0))
RANGE = Domain((0.0,), (0.5,))


class Stretch(nn.Module):
    """(a, v) -> displacement (2 a + load, v_y): a closed form that a file can hold."""

    def forward(self, a, v, load):
        return torch.cat([2 * a + load[:, :, None, None], v[:, 1:]], dim=1)


@pytest.fixture(scope="module")
def stretch(tmp_path_factory):
    inputs = FieldSpec("a", NODES), FieldSpec("v", NODES, (2,), "mm"), ScalarSpec("load", 1, "N")
    generator = np.random.default_rng(0)
    samples = {spec.name: generator.random((3, *spec.shape)) for spec in inputs}
    model = TorchModel(Stretch(), inputs, (FieldSpec("u", NODES, (2,), "mm"),))
    path = tmp_path_factory.mktemp("files") / "stretch.onnx"
    to_onnx(model, path, samples, passport=Passport(domain={"a": RANGE}))
    return path


@pytest.fixture(scope="module")
def convolution(tmp_path_factory):
    """A file from cells to cells, without a passport."""
    torch.manual_seed(0)
    inputs = (FieldSpec("phase", CELLS),)
    model = TorchModel(nn.Conv2d(1, 1, 3, padding=1), inputs, (FieldSpec("s", CELLS, (), "MPa"),))
    path = tmp_path_factory.mktemp("files") / "convolution.onnx"
    to_onnx(model, path, {"phase": np.random.default_rng(0).random((3, 8, 8))})
    return path


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    torch.manual_seed(0)
    normal = torch.rand(20, 1, 8, 8)
    autoencoder = Autoencoder((1, 8, 8), 3, network=Architecture((8,)))
    for _ in fit(autoencoder, {"x": normal}, Recipe(steps=1, batch_size=4)):
        pass
    found = Reconstruction(autoencoder, 3)
    found.fit_normal(normal, normal)
    path = tmp_path_factory.mktemp("files") / "detector.onnx"
    samples = {"phase": normal[:3, 0].double().numpy()}
    detector_to_onnx(found, path, field=FieldSpec("phase", CELLS), samples=samples)
    return path


def linear(x):
    return 1 + 2 * x[:, 0] - 3 * x[:, 1] + x[:, 2]


def box(dimension, corner=0.3, edge=0.1):
    """A box whose corners are no binary numbers, so that float32 points leave it."""
    size = (5, 4, 3)[:dimension]
    return pyvista.ImageData(
        dimensions=(*(n + 1 for n in size), *(1,) * (3 - dimension)),
        spacing=(*(edge / n for n in size), *(1,) * (3 - dimension)),
        origin=(corner,) * 3,
    )


MESHES = {
    "image": lambda image: image,
    "rectilinear": lambda image: image.cast_to_rectilinear_grid(),
    "structured": lambda image: image.cast_to_structured_grid(),
    "hexahedra or quadrilaterals": lambda image: image.cast_to_unstructured_grid(),
    "float32 simplices": lambda image: image.triangulate(),
}


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize("at", ["cells", "nodes"])
@pytest.mark.parametrize("kind", MESHES)
def test_linear_fields_are_sampled_exactly_up_to_the_boundary(kind, at, dimension):
    mesh = MESHES[kind](box(dimension))
    mesh.point_data["a"] = linear(mesh.points)
    grid = Grid((7, 5, 6)[:dimension], (0.3,) * dimension, (0.4,) * dimension, at)
    image = mesh.genmech.to_grid(grid)
    places = image.points if at == "nodes" else image.cell_centers().points
    assert image["inside"].all()
    np.testing.assert_allclose(image["a"], linear(places), rtol=0, atol=1e-6 if "32" in kind else 1e-14)


def test_surfaces_in_a_plane_keep_values_of_cells():
    surface = box(2).extract_surface(algorithm=None).triangulate()
    surface.cell_data["n"] = np.arange(surface.n_cells, dtype=np.int64)
    image = surface.genmech.to_grid((20, 20), "n")
    expected = surface.find_containing_cell(image.cell_centers().points)
    np.testing.assert_array_equal(image.cell_data["n"], expected)
    assert "n" not in image.point_data


def test_inside_is_where_dolfinx_finds_a_cell_and_values_are_its_own():
    domain, _ = dolfinx_mesh(plate_with_hole(width=2, height=1, radius=0.3, size=0.15))
    import basix.ufl
    from dolfinx import fem

    element = basix.ufl.element("Lagrange", "triangle", 1, shape=(2,))
    function = fem.Function(fem.functionspace(domain, element), name="u")
    function.interpolate(lambda x: np.stack([np.sin(3 * x[0]) * x[1], np.exp(x[1] - x[0])]))
    grid = Grid((41, 33), (-1.0, -0.5), (1.0, 0.5), "nodes")
    sampling = sample_values(function.function_space, grid)
    image = to_pyvista(function).genmech.to_grid(grid)
    np.testing.assert_array_equal(image["inside"].reshape(grid.shape, order="F"), sampling.mask)
    found = np.stack([image["u"][:, i].reshape(grid.shape, order="F") for i in range(2)])
    np.testing.assert_allclose(found, sampling(function), rtol=0, atol=1e-13)
    assert np.isnan(found[:, ~sampling.mask]).all()


def test_a_point_may_lie_outside_the_cells():
    mesh = box(2).extract_cells([0, 1])
    mesh["a"] = linear(mesh.points)
    image = mesh.genmech.to_grid(Grid((5, 4), (0.3, 0.3), (0.4, 0.4)))
    np.testing.assert_array_equal(np.isnan(image["a"]), image["inside"] == 0)
    assert image["inside"].sum() == 2


def plate(load=0.5):
    """Triangles on the box of the file, with what it asks for."""
    image = pyvista.ImageData(dimensions=(8, 6, 1), spacing=(2 / 7, 1 / 5, 1.0))
    mesh = image.triangulate()
    x, y, _ = mesh.points.T.astype(float)
    mesh.point_data["a"] = x / 2
    mesh.point_data["v [mm]"] = np.stack([y, x - y, 0 * x], axis=1)
    mesh.field_data["load"] = [load]
    return mesh


def test_prediction_is_the_closed_form_at_points_and_cells(stretch):
    mesh = plate()
    before = mesh.copy()
    for at in ("points", "cells"):
        found = mesh.genmech.predict(stretch, at=at)
        x, y, _ = (found.points if at == "points" else found.cell_centers().points).T.astype(float)
        data = found.point_data if at == "points" else found.cell_data
        np.testing.assert_allclose(data["u [mm]"], np.stack([x + 0.5, x - y, 0 * x], axis=1), rtol=0, atol=1e-6)
    assert mesh == before
    assert type(found) is type(mesh)


def test_on_the_grid_of_the_file_nothing_is_interpolated(convolution):
    image = pyvista.ImageData(dimensions=(9, 9, 1), spacing=(1 / 8, 1 / 8, 1))
    phase = np.random.default_rng(1).random((8, 8))
    image.cell_data["phase"] = phase.ravel(order="F")
    found = image.genmech.predict(convolution, at="cells")["s [MPa]"]
    expected = OnnxModel(convolution)({"phase": phase[None]})["s"][0]
    np.testing.assert_allclose(found, expected.ravel(order="F"), rtol=0, atol=1e-15)


def test_the_verdict_is_that_of_the_range_guard(stretch):
    mesh = plate()
    found = mesh.genmech.predict(stretch)
    # a runs from 0 to 1, the training data from 0 to 0.5
    assert found.field_data["u guard distance"][0] == pytest.approx(1.0, abs=1e-5)
    assert not found.field_data["u accepted"][0]
    np.testing.assert_allclose(
        found.point_data["a outside range"], np.maximum(mesh["a"] - 0.5, 0) / 0.5, rtol=0, atol=2e-6
    )
    assert mesh.genmech.predict(stretch, margin=1.1).field_data["u accepted"][0]
    model, image = OnnxModel(stretch), mesh.genmech.to_grid(NODES, ["a"])
    a = image["a"].reshape(NODES.shape, order="F")[None]
    guard = RangeGuard(model.passport.domain, model.inputs)
    assert found.field_data["u guard distance"][0] == guard.judge({"a": a}, {}).measure[0]


def test_a_file_without_a_passport_is_not_accepted(convolution):
    image = pyvista.ImageData(dimensions=(9, 9, 1), spacing=(1 / 8, 1 / 8, 1))
    image.cell_data["phase"] = np.ones(64)
    found = image.genmech.predict(convolution)
    assert np.isnan(found.field_data["s guard distance"][0])
    assert not found.field_data["s accepted"][0]


def test_the_value_outside_the_mesh_is_the_callers_choice(convolution):
    whole = pyvista.ImageData(dimensions=(9, 9, 1), spacing=(1 / 8, 1 / 8, 1))
    phase = np.random.default_rng(2).random(64)
    phase[:8] = 0.25
    whole.cell_data["phase"] = phase
    part = whole.extract_cells(range(8, 64))
    with pytest.raises(ContractError, match=r"8 of 64 grid points of 'phase' lie outside the mesh: say by outside="):
        part.genmech.predict(convolution)
    expected = whole.genmech.predict(convolution, at="cells")["s [MPa]"][8:]
    for outside in (0.25, {"phase": 0.25}):
        np.testing.assert_array_equal(
            part.genmech.predict(convolution, outside=outside, at="cells")["s [MPa]"], expected
        )


def test_beyond_the_grid_there_is_no_prediction(convolution):
    mesh = pyvista.ImageData(dimensions=(18, 18, 1), spacing=(1 / 8, 1 / 8, 1), origin=(-0.5, -0.5, 0))
    mesh.cell_data["phase"] = np.ones(17 * 17)
    found = mesh.genmech.predict(convolution)
    inside = ((mesh.points[:, :2] >= 0) & (mesh.points[:, :2] <= 1)).all(axis=1)
    np.testing.assert_array_equal(np.isfinite(found["s [MPa]"]), inside)


def test_anomaly_map_is_that_of_the_detector(detector):
    image = pyvista.ImageData(dimensions=(9, 9, 1), spacing=(1 / 8, 1 / 8, 1))
    phase = 3 * np.random.default_rng(3).random((8, 8)) - 1
    image.cell_data["phase"] = phase.ravel(order="F")
    found = image.genmech.anomaly_map(detector, at="cells")
    expected = OnnxModel(detector)({"phase": phase[None]})
    np.testing.assert_allclose(found["phase anomaly"], expected["map"][0].ravel(order="F"), rtol=0, atol=1e-15)
    assert found.field_data["phase anomaly score"][0] == expected["score"][0, 0]
    assert found.field_data["phase anomaly alarm"][0] == expected["alarm"][0, 0] == 1


def test_a_solver_stands_in_for_a_file_and_agrees_with_itself():
    solver = conduction(8)
    mesh = pyvista.ImageData(dimensions=(9, 9, 1), spacing=(1 / 8, 1 / 8, 1)).cast_to_unstructured_grid()
    mesh.cell_data["phase"] = (mesh.cell_centers().points[:, 1] > 0.5).astype(float)
    found = mesh.genmech.predict(solver).genmech.compare(solver)
    assert found.field_data["temperature relative L2 error"][0] == 0
    # layers along the flux: the temperature falls linearly, the conductivities 1 and 10 add up
    np.testing.assert_allclose(found["temperature reference [K]"], 1 - mesh.points[:, 0], rtol=0, atol=1e-12)
    assert found.field_data["effective_conductivity [W/(m K)]"][0] == pytest.approx(5.5)


@pytest.mark.parametrize("at", ["points", "cells"])
def test_errors_count_by_volume(at):
    # graded cells, an error in the first column only
    x, y = np.array([0.0, 0.1, 0.4, 1.0]), np.array([0.0, 0.7, 1.0])
    mesh = pyvista.RectilinearGrid(x, y, [0.0])
    mesh.cell_data["phase"] = np.zeros(6)
    places = mesh.points if at == "points" else mesh.cell_centers().points
    data = mesh.point_data if at == "points" else mesh.cell_data
    data["temperature"] = 1 - places[:, 0] + np.where(places[:, 0] < 0.1, 0.2, 0.0)
    found = mesh.genmech.compare(conduction(8))
    if at == "points":  # squares at points, interpolated: the trapezoidal rule
        size, scale = np.trapezoid([0.04, 0, 0, 0], x), np.trapezoid((1 - x) ** 2, x)
    else:
        size, scale = 0.1 * 0.04, (np.diff(x) * (1 - (x[1:] + x[:-1]) / 2) ** 2).sum()
    assert found.field_data["temperature relative L2 error"][0] == pytest.approx(np.sqrt(size / scale), rel=1e-6)
    np.testing.assert_allclose(
        found["temperature difference [K]"], np.where(places[:, 0] < 0.1, 0.2, 0.0), rtol=0, atol=1e-6
    )


def test_the_error_converges_to_the_integral():
    grid = Grid((65, 65), (0.0, 0.0), (1.0, 1.0), "nodes")
    spec = FieldSpec("u", grid, (2,))
    given = FieldSpec("a", grid)
    model = FunctionModel(lambda arrays: {"u": np.stack([arrays["a"], 0 * arrays["a"]], axis=1)}, (given,), (spec,))
    errors = []
    for n in (4, 8, 16):
        mesh = pyvista.ImageData(dimensions=(n + 1, n + 1, 1), spacing=(1 / n, 1 / n, 1)).triangulate()
        x, y, _ = mesh.points.T.astype(float)
        mesh["a"], mesh["u"] = x, np.stack([x + x * y, 0 * x, 0 * x], axis=1)
        error = mesh.genmech.compare(model).field_data["u relative L2 error"][0]
        errors.append(abs(error - np.sqrt(1 / 3)))  # the root of the integrals of (x y)^2 and of x^2
    assert np.log2(errors[0] / errors[1]) > 1.9
    assert np.log2(errors[1] / errors[2]) > 1.9


BAD = {
    "no array": (lambda m: m.point_data.remove("a"), r"'a', there are \['v \[mm\]'\]: rename or add it"),
    "other unit": (lambda m: m.rename_array("v [mm]", "v [m]"), r"expected 'v \[mm\]', got \['v \[m\]'\]: convert"),
    "components": (lambda m: m.point_data.set_array(np.ones((m.n_points, 4)), "v [mm]"), r"value shape \(2,\), got 4"),
    "out of plane": (lambda m: m.point_data.set_array(np.ones((m.n_points, 3)), "v [mm]"), "out of the plane that are"),
    "not finite": (lambda m: m.point_data.set_array(np.full(m.n_points, np.nan), "a"), "'a': expected finite"),
    "text": (lambda m: m.point_data.set_array(np.full(m.n_points, "x"), "a"), "'a': expected real numbers"),
    "no vector": (lambda m: m.field_data.clear(), r"field data 'load \[N\]', there are none"),
    "vector's size": (lambda m: m.field_data.set_array(np.ones(3), "load"), "expected 1 real numbers, got 3"),
    "elsewhere": (lambda m: m.translate((9, 0, 0), inplace=True), r"holds none of its points: move or scale"),
    "not flat": (lambda m: m.rotate_x(30, inplace=True), "expected a flat mesh for a grid of 2 dimensions"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mesh_that_does_not_fit_is_refused(case, stretch):
    mesh = plate()
    spoil, message = BAD[case]
    spoil(mesh)
    with pytest.raises(ContractError, match=message):
        mesh.genmech.predict(stretch)


def test_models_that_do_not_fit_are_refused(stretch, tmp_path):
    mesh = plate()
    foreign = tmp_path / "foreign.onnx"
    foreign.write_bytes(b"no model")
    with pytest.raises(ContractError, match="not a readable ONNX file"):
        mesh.genmech.predict(foreign)
    with pytest.raises(FileNotFoundError, match="no ONNX file at"):
        mesh.genmech.predict(tmp_path / "none.onnx")
    with pytest.raises(ContractError, match="expected a detector with the outputs alarm, map and score, got"):
        mesh.genmech.anomaly_map(stretch)
    with pytest.raises(ContractError, match=r"expected a predicted field among.*call predict first"):
        mesh.genmech.compare(stretch)
    with pytest.raises(ContractError, match=r"expected names among \['u'\], got \['w'\]"):
        mesh.genmech.compare(stretch, ["w"])
    with pytest.raises(ContractError, match=r"expected names among \['a', 'v \[mm\]'\], got \['b'\]"):
        mesh.genmech.to_grid((3, 3), ["b"])
    with pytest.raises(ContractError, match="expected a mesh with cells"):
        pyvista.PointSet(mesh.points).genmech.to_grid(NODES)
    with pytest.raises(ValueError, match="margin >= 0"):
        mesh.genmech.predict(stretch, margin=-1)
    with pytest.raises(ValueError, match="'points' or 'cells'"):
        mesh.genmech.predict(stretch, at="faces")
    with pytest.raises(ValueError, match="lower < upper"):
        mesh.genmech.to_grid((3, 3, 3))
    points = FunctionModel(dict, (FieldSpec("a", Points(2)),), (FieldSpec("a", Points(2)),))
    with pytest.raises(ContractError, match="'a': expected a field on a regular grid"):
        mesh.genmech.predict(points)


def test_a_detector_without_a_map_is_refused():
    found = DescriptorDistance((1, 8, 8), "moments")
    normal = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    found.fit_normal(normal, normal)
    with pytest.raises(ContractError, match="or use predict"):
        plate().genmech.anomaly_map(detector_model(found, FieldSpec("phase", CELLS)))


def test_pyvista_finds_it_by_entry_point_where_torch_and_dolfinx_are_absent(convolution):
    script = f"""
import sys
sys.modules["torch"] = sys.modules["dolfinx"] = None
import numpy as np, pyvista
image = pyvista.ImageData(dimensions=(9, 9, 1), spacing=(1 / 8, 1 / 8, 1))
image.cell_data["phase"] = np.ones(64)
assert "genmech" in dir(image) and "genmech_pyvista" not in sys.modules
print(image.genmech.predict({str(convolution)!r})["s [MPa]"].shape)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "(81,)\n"


def test_it_is_a_host_among_the_plugins():
    assert plugins.load("hosts", "pyvista") is Accessor
    assert pyvista.ImageData(dimensions=(2, 2, 2)).genmech.__class__ is Accessor
