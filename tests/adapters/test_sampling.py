import basix.ufl
import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.adapters import (
    ExpressionSampling,
    locate,
    sample_gradients,
    sample_history,
    sample_state,
    sample_values,
)
from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid
from genmech_fem.problems import TimeSteps, transient_heat

CELLS = [(2, "triangle"), (2, "quadrilateral"), (3, "tetrahedron"), (3, "hexahedron")]
FAMILIES = [("Lagrange", 1), ("Lagrange", 2), ("Lagrange", 3), ("DG", 0), ("DG", 2)]


def wavy(dimension, cell, n=4):
    create = mesh.create_rectangle if dimension == 2 else mesh.create_box
    domain = create(MPI.COMM_SELF, [(0.0,) * dimension, (1.0,) * dimension], (n,) * dimension, mesh.CellType[cell])
    x = domain.geometry.x
    x[:, 0] += 0.1 * x[:, 0] * (1 - x[:, 0]) * np.cos(3 * x[:, 1])
    return domain


def padded(points):
    return np.pad(points, ((0, 0), (0, 3 - points.shape[1])))


def random_function(space, seed=0):
    u = fem.Function(space)
    u.x.array[:] = np.random.default_rng(seed).standard_normal(u.x.array.size)
    return u


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["scalar", "vector", "tensor", "symmetric"])
def test_samples_equal_eval_inside_and_are_masked_outside(dimension, cell, family, kind):
    domain = wavy(dimension, cell)
    shape = {"scalar": (), "vector": (dimension,)}.get(kind, (dimension, dimension))
    element = basix.ufl.element(family[0], cell, family[1], shape=shape, symmetry=kind == "symmetric" or None)
    u = random_function(fem.functionspace(domain, element))
    grid = Grid((9, 7, 5)[:dimension], (-0.1,) * dimension, (1.2,) * dimension)
    sampling = sample_values(u.function_space, grid)
    cells = locate(domain, grid)
    inside = cells >= 0
    expected = u.eval(padded(grid.points()[inside]), cells[inside]).reshape(-1, *shape)
    sampled = sampling(u)
    assert sampled.shape == (*shape, *grid.shape)
    np.testing.assert_array_equal(sampling.mask.ravel(), inside)
    np.testing.assert_allclose(np.moveaxis(sampled[..., sampling.mask], -1, 0), expected, rtol=0, atol=1e-13)
    assert np.isnan(sampled[..., ~sampling.mask]).all()
    assert 0 < inside.sum() < inside.size


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_values_and_gradients_are_exact_on_polynomials(dimension, cell, degree):
    u = fem.Function(fem.functionspace(wavy(dimension, cell), ("Lagrange", degree)))
    u.interpolate(lambda x: x[0] ** degree - 2 * x[1] * x[0] ** (degree - 1))
    points = np.random.default_rng(0).random((40, dimension))
    x, y = points[:, :2].T
    np.testing.assert_allclose(
        sample_values(u.function_space, points)(u), x**degree - 2 * y * x ** (degree - 1), atol=1e-12
    )
    gradient = sample_gradients(u.function_space, points)(u)
    dx = degree * x ** (degree - 1) - (2 * y * (degree - 1) * x ** (degree - 2) if degree > 1 else 0)
    np.testing.assert_allclose(gradient[0], dx, atol=1e-9)
    np.testing.assert_allclose(gradient[1], -2 * x ** (degree - 1), atol=1e-9)
    assert gradient.shape == (dimension, 40)


@pytest.mark.parametrize("sample", [sample_values, sample_gradients])
def test_the_transpose_is_the_adjoint(sample):
    u = random_function(fem.functionspace(wavy(2, "triangle"), ("Lagrange", 2, (2,))))
    sampling = sample(u.function_space, Grid((8, 6), (-0.1, 0.0), (1.0, 1.1), "nodes"))
    y = np.random.default_rng(1).standard_normal((*sampling.value_shape, 8, 6))
    assert np.vdot(sampling(u, outside=0.0), y) == pytest.approx(u.x.array @ sampling.transpose(y), rel=1e-13)


def test_a_vector_gradient_has_the_axes_component_direction_grid():
    u = fem.Function(fem.functionspace(wavy(2, "quadrilateral"), ("Lagrange", 1, (2,))))
    u.interpolate(lambda x: (x[0] + 2 * x[1], 3 - 4 * x[1]))
    gradient = sample_gradients(u.function_space, Grid((3, 5), (0, 0), (1, 1)))(u)
    np.testing.assert_allclose(gradient, np.array([[1, 2], [0, -4]])[:, :, None, None] * np.ones((3, 5)), atol=1e-12)


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
def test_stress_through_an_expression_equals_stress_from_sampled_gradients(dimension, cell):
    domain = wavy(dimension, cell) if cell in ("triangle", "tetrahedron") else box(dimension, cell)
    u = random_function(fem.functionspace(domain, ("Lagrange", 2, (dimension,))))
    modulus = random_function(fem.functionspace(domain, ("DG", 0)), 1)
    strain = ufl.sym(ufl.grad(u))
    stress = modulus * (2 * strain + 0.7 * ufl.tr(strain) * ufl.Identity(dimension))
    points = np.random.default_rng(2).random((30, dimension))
    gradient = sample_gradients(u.function_space, points)(u)
    e = (gradient + gradient.swapaxes(0, 1)) / 2
    scale = sample_values(modulus.function_space, points)(modulus)
    expected = scale * (2 * e + 0.7 * np.trace(e) * np.eye(dimension)[:, :, None])
    sampling = ExpressionSampling(stress, points)
    np.testing.assert_allclose(sampling(), expected, atol=1e-11)
    operator = sampling.derivative(u)  # stress is linear in u
    np.testing.assert_allclose(operator(u), expected, atol=1e-11)
    np.testing.assert_allclose(sampling.derivative(modulus)(modulus), expected, atol=1e-11)


def box(dimension, cell, n=4):
    create = mesh.create_rectangle if dimension == 2 else mesh.create_box
    return create(MPI.COMM_SELF, [(0.0,) * dimension, (1.0,) * dimension], (n,) * dimension, mesh.CellType[cell])


def test_the_derivative_of_a_nonlinear_expression_passes_a_taylor_test():
    u = random_function(fem.functionspace(wavy(2, "triangle"), ("Lagrange", 1, (2,))))
    deformation = ufl.Identity(2) + ufl.grad(u)
    sampling = ExpressionSampling(deformation.T * deformation, Grid((4, 5), (0, 0), (1, 1)))
    start, derivative, base = sampling(), sampling.derivative(u), u.x.array.copy()
    direction = np.random.default_rng(3).standard_normal(base.size)
    errors = []
    for step in (1e-2, 5e-3):
        u.x.array[:] = base + step * direction
        errors.append(np.abs(sampling() - start - step * derivative(direction)).max())
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=1e-3)


def test_curved_cells_hold_their_points():
    disc = curved_disc()
    u = fem.Function(fem.functionspace(disc, ("Lagrange", 2)))
    u.interpolate(lambda x: x[0] + 2 * x[1])
    grid = Grid((40, 40), (-1.05, -1.05), (1.05, 1.05))
    sampling = sample_values(u.function_space, grid)
    x, y = grid.points().T
    radius = np.hypot(x, y)
    assert sampling.mask.ravel()[radius < 0.995].all()
    assert not sampling.mask.ravel()[radius > 1.0001].any()
    np.testing.assert_allclose(sampling(u)[sampling.mask], (x + 2 * y)[sampling.mask.ravel()], atol=1e-11)
    cells = locate(disc, grid)
    inside = cells >= 0
    expected = u.eval(padded(grid.points()[inside]), cells[inside])[:, 0]
    np.testing.assert_allclose(sampling(u).ravel()[inside], expected, atol=1e-11)


def curved_disc():
    """Disc of 8 quadratic triangles around the centre, with mid-side nodes on the circle."""
    angles = 2 * np.pi * np.arange(8) / 8
    corners = np.c_[np.cos(angles), np.sin(angles)]
    arcs = np.c_[np.cos(angles + np.pi / 8), np.sin(angles + np.pi / 8)]
    points = np.concatenate([[[0.0, 0.0]], corners, corners / 2, arcs])
    i, j = np.arange(8), (np.arange(8) + 1) % 8
    cells = np.stack([np.zeros(8, dtype=int), 1 + i, 1 + j, 17 + i, 9 + j, 9 + i], axis=1)
    element = basix.ufl.element("Lagrange", "triangle", 2, shape=(2,))
    return mesh.create_mesh(MPI.COMM_SELF, cells.astype(np.int64), element, points)


def test_the_grid_has_x_on_axis_0_and_y_upwards():
    u = fem.Function(fem.functionspace(wavy(2, "triangle", 12), ("Lagrange", 1)))
    u.interpolate(lambda x: 10 * x[0] + x[1])
    for at in ("cells", "nodes"):
        grid = Grid((4, 5), (0, 0), (1, 1), at)
        values = sample_values(u.function_space, grid)(u)
        x, y = grid.axes()
        np.testing.assert_allclose(values, 10 * x[:, None] + y[None, :], atol=1e-12)
        assert values[3, 0] > values[0, 4]


def test_points_of_the_boundary_and_of_all_nodes_are_found():
    for dimension, cell in CELLS:
        domain = wavy(dimension, cell)
        assert locate(domain, domain.geometry.x[:, :dimension]).min() >= 0


def test_states_and_histories_become_maps():
    domain = wavy(2, "triangle")
    u = random_function(fem.functionspace(domain, ("Lagrange", 1, (2,))))
    grid = Grid((4, 6), (0.1, 0.1), (0.9, 0.9))
    found = sample_state(u, FieldSpec("u", grid, (2,)))
    np.testing.assert_array_equal((found.matrix @ u.x.array).reshape(2, 4, 6), sample_values(u.function_space, grid)(u))
    with pytest.raises(ContractError, match="8 of 16 grid points of .u. lie outside"):
        sample_state(u, FieldSpec("u", Grid((4, 4), (0, 0), (2, 1)), (2,)))
    with pytest.raises(ContractError, match="expected a Grid and value shape"):
        sample_state(u, FieldSpec("u", grid))
    problem = transient_heat(domain, TimeSteps(0.5, 2))
    with pytest.raises(ContractError, match=r"expected value shape \(3, ...\)"):
        sample_history(problem, FieldSpec("T", grid, (2,)))


def test_spaces_and_places_that_cannot_be_sampled_are_refused():
    domain = wavy(2, "triangle")
    for element in ("N1curl", "RT"):
        with pytest.raises(ContractError, match="expected a whole Lagrange or DG space"):
            sample_values(fem.functionspace(domain, (element, 1)), Grid((2, 2), (0, 0), (1, 1)))
    lagrange = basix.ufl.element("Lagrange", "triangle", 1)
    mixed = fem.functionspace(domain, basix.ufl.mixed_element([lagrange, lagrange]))
    with pytest.raises(ContractError, match=r"take \.sub\(i\)\.collapse\(\)"):
        sample_values(mixed, Grid((2, 2), (0, 0), (1, 1)))
    space = fem.functionspace(domain, ("Lagrange", 1))
    with pytest.raises(ValueError, match="of one dimension, got cells of 2, points of 2 and a place of 3"):
        sample_values(space, Grid((2, 2, 2), (0, 0, 0), (1, 1, 1)))
    with pytest.raises(ValueError, match="expected a Grid or finite points"):
        locate(domain, np.full((2, 2), np.inf))
    u, v = fem.Function(space), fem.Function(space, name="v")
    with pytest.raises(ContractError, match="at least one function"):
        ExpressionSampling(ufl.SpatialCoordinate(domain), Grid((2, 2), (0, 0), (1, 1)))
    with pytest.raises(ContractError, match="expected a function of the expression, got v"):
        ExpressionSampling(u**2, Grid((2, 2), (0, 0), (1, 1))).derivative(v)
    with pytest.raises(ContractError, match="degree: expected a whole number"):
        ExpressionSampling(u**2, Grid((2, 2), (0, 0), (1, 1)), degree=-1)
