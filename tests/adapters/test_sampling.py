import numpy as np
import pytest
from dolfinx import fem, mesh
from mpi4py import MPI

from genmech_fem.adapters import locate, sample_state, sampling_matrices
from genmech_fem.errors import ContractError
from genmech_fem.fields import FieldSpec, Grid

CELLS = [(2, "triangle"), (2, "quadrilateral"), (3, "tetrahedron"), (3, "hexahedron")]


def wavy(dimension, cell, n=5):
    create = mesh.create_rectangle if dimension == 2 else mesh.create_box
    domain = create(MPI.COMM_SELF, [(0.0,) * dimension, (1.0,) * dimension], (n,) * dimension, mesh.CellType[cell])
    x = domain.geometry.x
    x[:, 0] += 0.1 * x[:, 0] * (1 - x[:, 0]) * np.cos(3 * x[:, 1])
    return domain


@pytest.mark.parametrize(("dimension", "cell"), CELLS)
@pytest.mark.parametrize("degree", [1, 2, 3])
def test_sampling_equals_eval_and_is_exact_on_polynomials(dimension, cell, degree):
    domain = wavy(dimension, cell)
    space = fem.functionspace(domain, ("Lagrange", degree))
    u = fem.Function(space)
    u.interpolate(lambda x: x[0] ** degree - 2 * x[1] * x[0] ** (degree - 1))
    points = np.random.default_rng(0).random((40, dimension))
    values, derivatives = sampling_matrices(space, points)
    x, y = points[:, 0], points[:, 1]
    padded = np.zeros((40, 3))
    padded[:, :dimension] = points
    np.testing.assert_allclose(values @ u.x.array, u.eval(padded, locate(domain, points))[:, 0], atol=1e-13)
    np.testing.assert_allclose(values @ u.x.array, x**degree - 2 * y * x ** (degree - 1), atol=1e-12)
    dx = degree * x ** (degree - 1) - (2 * y * (degree - 1) * x ** (degree - 2) if degree > 1 else 0)
    np.testing.assert_allclose(derivatives[0] @ u.x.array, dx, atol=1e-9)
    np.testing.assert_allclose(derivatives[1] @ u.x.array, -2 * x ** (degree - 1), atol=1e-9)


def test_a_vector_state_is_sampled_component_by_component():
    domain = wavy(2, "triangle")
    u = fem.Function(fem.functionspace(domain, ("Lagrange", 1, (2,))))
    u.interpolate(lambda x: (x[0] + 2 * x[1], 3 - x[1]))
    grid = Grid((4, 6), (0.1, 0.1), (0.9, 0.9))
    found = sample_state(u, FieldSpec("u", grid, (2,)))
    x, y = np.meshgrid(*grid.axes(), indexing="ij")
    sampled = (found.matrix @ u.x.array).reshape(2, 4, 6)
    np.testing.assert_allclose(sampled, np.stack([x + 2 * y, 3 - y]), atol=1e-13)


def test_points_outside_are_found_out():
    domain = wavy(2, "triangle")
    points = np.array([[0.5, 0.5], [1.5, 0.5]])
    assert (locate(domain, points) >= 0).tolist() == [True, False]
    values, derivatives = sampling_matrices(fem.functionspace(domain, ("Lagrange", 1)), points)
    assert abs(values[[1]]).sum() == abs(derivatives[0][[1]]).sum() == 0
    u = fem.Function(fem.functionspace(domain, ("Lagrange", 1)))
    with pytest.raises(ContractError, match="8 of 16 grid points of .u. lie outside"):
        sample_state(u, FieldSpec("u", Grid((4, 4), (0, 0), (2, 1))))
    with pytest.raises(ContractError, match="expected a Grid and value shape"):
        sample_state(u, FieldSpec("u", Grid((4, 4), (0, 0), (1, 1)), (2,)))
