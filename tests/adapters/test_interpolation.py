import numpy as np
import pytest
import torch
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.adapters import (
    cell_means,
    dolfinx_mesh,
    interpolation_matrix,
    point_cloud,
    sample_values,
    to_cells,
    to_function,
    to_nodes,
)
from genmech_fem.adapters.torch import MatrixLayer
from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid
from genmech_fem.geometry import conforming_mesh

RNG = np.random.default_rng(0)
UNIT = (0.0, 0.0), (1.0, 1.0)


@pytest.mark.parametrize("at", ["cells", "nodes"])
@pytest.mark.parametrize("shape", [(7, 5), (6, 4, 5), (1, 3)])
def test_interpolation_is_grid_sample_of_torch(at, shape):
    if at == "nodes" and min(shape) < 2:
        shape = (2, 3)
    dimension = len(shape)
    grid = Grid(shape, (-1.0,) * dimension, (1.0,) * dimension, at)
    array = RNG.standard_normal(shape)
    points = RNG.uniform(-1.2, 1.2, (50, dimension))
    places = torch.as_tensor(points[:, ::-1].copy()).reshape(1, 50, *[1] * (dimension - 1), dimension)
    expected = torch.nn.functional.grid_sample(
        torch.as_tensor(array)[None, None], places, padding_mode="border", align_corners=at == "nodes"
    )
    np.testing.assert_allclose(interpolation_matrix(grid, points) @ array.ravel(), expected.numpy().ravel(), atol=1e-13)


@pytest.mark.parametrize("at", ["cells", "nodes"])
def test_interpolation_is_exact_on_linear_fields_between_the_points(at):
    grid = Grid((8, 6), (1.0, 2.0), (3.0, 5.0), at)
    (x, y), points = grid.points().T, RNG.uniform((1.2, 2.3), (2.8, 4.7), (30, 2))
    matrix = interpolation_matrix(grid, points)
    np.testing.assert_allclose(matrix @ (2 * x - 3 * y + 1), 2 * points[:, 0] - 3 * points[:, 1] + 1, atol=1e-12)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0)


@pytest.mark.parametrize("at", ["cells", "nodes"])
def test_periodic_interpolation_repeats(at):
    grid = Grid((8, 6), *UNIT, at)
    array = RNG.standard_normal(grid.shape)
    if at == "nodes":
        array[-1], array[:, -1] = array[0], array[:, 0]
    points = RNG.random((40, 2))
    values = interpolation_matrix(grid, points, periodic=True) @ array.ravel()
    shifted = interpolation_matrix(grid, np.add(points, [3.0, -2.0]), periodic=True) @ array.ravel()
    np.testing.assert_allclose(values, shifted, atol=1e-11)
    seam = [interpolation_matrix(grid, np.array([[x, 0.4]]), periodic=True) @ array.ravel() for x in (1e-9, 1 - 1e-9)]
    np.testing.assert_allclose(*seam, atol=1e-6)


def test_pixels_that_are_the_cells_return_exactly():
    grid = Grid((6, 9), (0.0, 0.0), (2.0, 3.0))
    domain = mesh.create_rectangle(MPI.COMM_SELF, [grid.lower, grid.upper], grid.shape, mesh.CellType.quadrilateral)
    array = RNG.standard_normal(grid.shape)
    modulus = fem.Function(fem.functionspace(domain, ("DG", 0)))
    modulus.x.array[:] = cell_means(modulus, FieldSpec("E", grid), "E").matrix @ array.ravel()
    np.testing.assert_array_equal(sample_values(modulus.function_space, grid)(modulus), array)


def test_the_mean_over_cells_is_weighted_by_area():
    grid = Grid((6, 6), *UNIT)
    x = grid.points()[:, 0]
    domain = mesh.create_unit_square(MPI.COMM_SELF, 2, 2)  # large triangles
    middles = mesh.compute_midpoints(domain, 2, np.arange(8, dtype=np.int32))
    np.testing.assert_allclose(to_cells(grid, domain) @ x, middles[:, 0], atol=0.02)
    fine = mesh.create_unit_square(MPI.COMM_SELF, 90, 90)  # tiny triangles
    matrix = to_cells(grid, fine)
    middles = mesh.compute_midpoints(fine, 2, np.arange(matrix.shape[0], dtype=np.int32))
    inner = (np.abs(middles[:, :2] * 6 - np.round(middles[:, :2] * 6)) > 0.1).all(axis=1)
    np.testing.assert_allclose((matrix @ x)[inner], (np.floor(middles[:, 0] * 6)[inner] + 0.5) / 6, atol=1e-12)


def test_means_over_cells_keep_constants_and_nearly_the_integral():
    image = np.random.default_rng(1).random((24, 24))
    domain, _ = dolfinx_mesh(conforming_mesh(image))
    matrix = to_cells(Grid(image.shape, *UNIT), domain)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0)
    mean = fem.Function(fem.functionspace(domain, ("DG", 0)))
    mean.x.array[mean.function_space.dofmap.list[:, 0]] = matrix @ image.ravel()
    assert fem.assemble_scalar(fem.form(mean * ufl.dx)) == pytest.approx(image.mean(), abs=2e-3)


@pytest.mark.parametrize(("dimension", "cell"), [(2, "triangle"), (2, "quadrilateral"), (3, "tetrahedron")])
@pytest.mark.parametrize("element", [("Lagrange", 1), ("Lagrange", 2), ("DG", 1)])
def test_linear_fields_go_from_grid_to_function_and_back(dimension, cell, element):
    create = mesh.create_unit_square if dimension == 2 else mesh.create_unit_cube
    domain = create(MPI.COMM_SELF, *[4] * dimension, mesh.CellType[cell])
    grid = Grid((5, 7, 4)[:dimension], (0.0,) * dimension, (1.0,) * dimension, "nodes")
    array = (grid.points() @ [1.0, -2.0, 3.0][:dimension]).reshape(grid.shape)
    space = fem.functionspace(domain, element)
    u = to_function(to_nodes(grid, space) @ array.ravel(), space)
    np.testing.assert_allclose(u.x.array, point_cloud(space) @ [1.0, -2.0, 3.0][:dimension], atol=1e-12)
    np.testing.assert_allclose(sample_values(space, grid)(u), array, atol=1e-12)


def test_the_letter_f_keeps_its_place_on_the_way_into_the_mesh():
    letter = np.array([[1, 1, 1, 1, 1], [0, 0, 1, 0, 1], [0, 0, 1, 0, 1], [0, 0, 0, 0, 1]], dtype=float)
    grid = Grid(letter.shape, (0.0, 0.0), (4.0, 5.0))
    domain = mesh.create_rectangle(MPI.COMM_SELF, [grid.lower, grid.upper], (4, 5), mesh.CellType.quadrilateral)
    cells = to_cells(grid, domain) @ letter.ravel()
    x, y, _ = mesh.compute_midpoints(domain, 2, np.arange(20, dtype=np.int32))[cells > 0.5].T
    assert (x < 1).sum() == 5  # the stem is on the left
    assert (y > 4).sum() == 4  # the long bar is on top


def test_the_matrix_is_a_layer_of_a_network():
    space = fem.functionspace(mesh.create_unit_square(MPI.COMM_SELF, 3, 3), ("Lagrange", 1))
    matrix = sample_values(space, Grid((4, 4), *UNIT)).matrix
    layer = MatrixLayer(matrix)
    x = torch.as_tensor(RNG.standard_normal((3, matrix.shape[1]))).requires_grad_()
    assert torch.autograd.gradcheck(layer, (x,))
    assert torch.autograd.gradgradcheck(layer, (x,))
    single = layer(x.detach().float())
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single, (matrix @ x.detach().numpy().T).T, atol=1e-6)
    with pytest.raises(ContractError, match=r"MatrixLayer: expected \(batch, 16\), got \(3, 2\)"):
        layer(torch.zeros(3, 2))


def test_wrong_grids_are_refused():
    domain = mesh.create_unit_square(MPI.COMM_SELF, 9, 9)
    with pytest.raises(ContractError, match="expected a grid of cells, got one of nodes"):
        to_cells(Grid((4, 4), *UNIT, "nodes"), domain)
    with pytest.raises(ContractError, match="expected a mesh inside the grid"):
        to_cells(Grid((4, 4), (0.0, 0.0), (0.5, 1.0)), domain)
    with pytest.raises(ValueError, match="expected points of dimension 2"):
        interpolation_matrix(Grid((4, 4), *UNIT), np.zeros((2, 3)))
    modulus = fem.Function(fem.functionspace(domain, ("DG", 0)))
    with pytest.raises(ContractError, match="cell_means: expected a scalar field"):
        cell_means(modulus, FieldSpec("E", Grid((4, 4), *UNIT), (2,)), "E")
