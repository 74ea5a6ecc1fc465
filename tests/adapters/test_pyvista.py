import sys

import basix.ufl
import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.adapters import grid_to_pyvista, to_pyvista
from genmech_fem.errors import ContractError, MissingExtraError
from genmech_fem.fields import Grid
from genmech_fem.geometry import Mesh

pyvista = pytest.importorskip("pyvista")
CELLS = [(2, "triangle"), (2, "quadrilateral"), (3, "tetrahedron"), (3, "hexahedron")]
MEASURE = {1: "Length", 2: "Area", 3: "Volume"}


def box(dimension=2, cell="triangle", n=2):
    create = mesh.create_unit_square if dimension == 2 else mesh.create_unit_cube
    return create(MPI.COMM_SELF, *[n] * dimension, mesh.CellType[cell])


def function(domain, element, formula):
    u = fem.Function(fem.functionspace(domain, element), name="u")
    u.interpolate(formula)
    return u


def sampled(grid, dimension, name="u"):
    x = 0.02 + 0.96 * np.random.default_rng(0).random((60, 3))
    x[:, dimension:] = 0
    found = pyvista.PolyData(x).sample(grid)
    assert found["vtkValidPointMask"].all()
    return x.T, np.asarray(found[name])


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
@pytest.mark.parametrize("degree", [1, 2, 3, 4])
@pytest.mark.parametrize("family", ["Lagrange", "DG"])
def test_vtk_interpolates_polynomials_of_the_degree_exactly(dimension, cell, degree, family):
    def formula(x):
        return x[0] ** degree - 2 * x[0] ** (degree - 1) * x[1] + x[dimension - 1] ** degree

    grid = to_pyvista(function(box(dimension, cell), (family, degree), formula))
    x, values = sampled(grid, dimension)
    np.testing.assert_allclose(values, formula(x), rtol=0, atol=1e-13)
    assert grid.compute_cell_sizes()[MEASURE[dimension]].sum() == pytest.approx(1, abs=1e-13)


def test_an_interval_is_a_curve():
    domain = mesh.create_unit_interval(MPI.COMM_SELF, 3)
    x, values = sampled(to_pyvista(function(domain, ("Lagrange", 3), lambda x: x[0] ** 3)), 1)
    np.testing.assert_allclose(values, x[0] ** 3, atol=1e-14)


def test_curved_meshes_keep_their_shape():
    element = basix.ufl.element("Lagrange", "triangle", 2, shape=(2,))
    points = np.array([[1.0, 0], [0, 1], [0, 0], [0, 0.5], [0.5, 0], [np.sqrt(0.5), np.sqrt(0.5)]])
    domain = mesh.create_mesh(MPI.COMM_SELF, np.arange(6)[None], element, points)
    grid = to_pyvista(function(domain, ("Lagrange", 1), lambda x: 1 + x[0]))
    assert grid.celltypes.tolist() == [69]
    ones = fem.assemble_scalar(fem.form(fem.Constant(domain, 1.0) * ufl.dx))
    fine = to_pyvista(domain).extract_surface(nonlinear_subdivision=5, algorithm="dataset_surface")
    assert fine.area == pytest.approx(ones, rel=1e-3)


def test_functions_of_several_degrees_share_one_grid():
    domain = box()
    functions = {
        "u": function(domain, ("Lagrange", 3, (2,)), lambda x: np.stack([x[0] ** 3, x[1]])),
        "T": function(domain, ("Lagrange", 1), lambda x: x[0]),
        "E": function(domain, ("DG", 0, (2, 2), True), lambda x: np.stack([x[0], x[1], x[1], 1 + x[0]])),
    }
    grid = to_pyvista(functions, units={"u": "mm", "E": "GPa"})
    assert list(grid.point_data) == ["u [mm]", "T"]
    assert list(grid.cell_data) == ["E [GPa]"]
    x = grid.points.T
    np.testing.assert_allclose(grid["u [mm]"].T, [x[0] ** 3, x[1], 0 * x[0]], atol=1e-14)
    np.testing.assert_allclose(grid["T"], x[0], atol=1e-14)
    centres = grid.cell_centers().points.T
    zero = np.zeros(grid.n_cells)
    expected = [centres[0], centres[1], zero, centres[1], 1 + centres[0], zero, zero, zero, zero]
    np.testing.assert_allclose(grid["E [GPa]"].T, expected, atol=1e-14)


def test_values_pass_unchanged_where_nodes_agree_even_if_not_finite():
    u = function(box(), ("Lagrange", 2), lambda x: np.sin(9 * x[0]))
    u.x.array[3] = np.nan
    grid = to_pyvista(u)
    np.testing.assert_array_equal(np.sort(grid["u"]), np.sort(u.x.array))


def test_jumps_stay_jumps():
    u = fem.Function(fem.functionspace(box(), ("DG", 1)), name="u")
    u.x.array[:] = np.repeat(np.arange(8.0), 3)
    grid = to_pyvista(u)
    assert grid.n_points == 24
    np.testing.assert_array_equal(np.ptp(grid["u"][grid.cell_connectivity].reshape(-1, 3), axis=1), 0)


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
def test_a_mesh_alone(dimension, cell):
    grid = to_pyvista(box(dimension, cell, 3))
    assert (grid.n_points, grid.array_names) == (4**dimension, [])
    assert grid.compute_cell_sizes()[MEASURE[dimension]].sum() == pytest.approx(1)


def test_the_neutral_mesh_shows_its_phases():
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float)
    triangles = Mesh(square, np.array([[0, 1, 2], [0, 2, 3]]), "triangle", np.array([4, 7]))
    grid = to_pyvista(triangles)
    assert grid["phase"].tolist() == [4, 7]
    assert grid.compute_cell_sizes()["Area"].tolist() == [0.5, 0.5]
    bottom, top = np.c_[square, np.zeros(4)], np.c_[square, np.ones(4)]
    cube = Mesh(np.vstack([bottom, top]), np.arange(8)[None], "hexahedron", np.zeros(1, dtype=int))
    assert to_pyvista(cube).volume == pytest.approx(1)


@pytest.mark.parametrize("at", ["cells", "nodes"])
@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 3, 2)])
def test_a_field_on_a_grid_has_its_values_at_its_points(at, shape):
    n = len(shape)
    grid = Grid(shape, (1.0, -2.0, 0.5)[:n], (3.0, 1.0, 2.5)[:n], at)
    x = grid.points().T.reshape(n, *shape)
    scalar = x[0] + 10 * x[-1] ** 2
    tensor = np.stack([[x[0], 2 * x[0]], [x[-1], 1 + x[-1]]])
    image = grid_to_pyvista(grid, {"s": scalar, "v": x, "t": tensor}, units={"s": "K"})
    where = image.cell_centers().points if at == "cells" else image.points
    np.testing.assert_allclose(image["s [K]"], where[:, 0] + 10 * where[:, n - 1] ** 2)
    vector = where[:, :n] if n != 2 else np.c_[where[:, :2], np.zeros(len(where))]
    np.testing.assert_allclose(image["v"].reshape(len(where), -1), vector)
    zero = np.zeros(len(where))
    a, b = where[:, 0], where[:, n - 1]
    np.testing.assert_allclose(image["t"].T, [a, 2 * a, zero, b, 1 + b, zero, zero, zero, zero])


def test_bad_arguments_are_refused():
    domain, other = box(), box()
    u, v = (function(d, ("Lagrange", 1), lambda x: x[0]) for d in (domain, other))
    with pytest.raises(ValueError, match="'v': expected functions on one mesh"):
        to_pyvista({"u": u, "v": v})
    with pytest.raises(ValueError, match="expected at least one function"):
        to_pyvista({})
    with pytest.raises(ValueError, match=r"units: expected names among \['u'\], got \['w'\]"):
        to_pyvista(u, units={"w": "m"})
    with pytest.raises(ContractError, match="expected a Lagrange or DG space"):
        to_pyvista(fem.Function(fem.functionspace(domain, ("N1curl", 1))))
    grid = Grid((3, 2), (0.0, 0.0), (1.0, 1.0))
    with pytest.raises(ContractError, match=r"'a': expected shape \(\*value_shape, \*\(3, 2\)\), got \(2, 3\)"):
        grid_to_pyvista(grid, {"a": np.zeros((2, 3))})
    with pytest.raises(ValueError, match="of 1 to 3 dimensions, got 4"):
        grid_to_pyvista(Grid((2,) * 4, (0.0,) * 4, (1.0,) * 4), {})
    with pytest.raises(ValueError, match="units: expected names among"):
        grid_to_pyvista(grid, {}, units={"a": "m"})


def test_without_pyvista_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvista", None)
    grid = Grid((3,), (0.0,), (1.0,))
    for use in (lambda: to_pyvista(box()), lambda: grid_to_pyvista(grid, {})):
        with pytest.raises(MissingExtraError, match=r"pip install 'genmech_fem\[viz\]'"):
            use()
