import numpy as np
import pytest

from genmech_fem.fields import Grid
from genmech_fem.geometry import Mesh, conforming_mesh
from genmech_fem.geometry.location import candidates, locate_in_mesh
from genmech_fem.geometry.reference_cells import linear, multilinear

RNG = np.random.default_rng(0)


def lattice(kind, n=6, seed=0):
    """Unit square or cube with moved inner points, divided into n^d cells or their simplices."""
    dimension = 2 if kind in ("triangle", "quad") else 3
    index = np.indices((n + 1,) * dimension).reshape(dimension, -1)
    points = index.T / n
    inner = ((index > 0) & (index < n)).all(axis=0)
    points[inner] += np.random.default_rng(seed).uniform(-0.2, 0.2, points[inner].shape) / n
    strides = (n + 1) ** np.arange(dimension - 1, -1, -1)
    start = np.indices((n,) * dimension).reshape(dimension, -1).T @ strides
    corners = np.array(
        [(0, 0), (1, 0), (1, 1), (0, 1)]
        if dimension == 2
        else [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)]
    )
    cells = start[:, None] + corners @ strides
    if kind == "triangle":
        cells = cells[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)
    if kind == "tetra":
        kuhn = [[0, 1, 2, 6], [0, 2, 3, 6], [0, 3, 7, 6], [0, 7, 4, 6], [0, 4, 5, 6], [0, 5, 1, 6]]
        cells = cells[:, kuhn].reshape(-1, 4)
    return Mesh(points, cells, kind, np.zeros(len(cells), dtype=int))


@pytest.mark.parametrize("kind", ["triangle", "quad", "tetra", "hexahedron"])
@pytest.mark.parametrize("at", ["cells", "nodes"])
def test_weights_give_the_points_back_and_no_point_of_a_full_box_is_lost(kind, at):
    mesh = lattice(kind)
    grid = Grid((17, 23, 11)[: mesh.dimension], (0.0,) * mesh.dimension, (1.0,) * mesh.dimension, at)
    cells, weights = locate_in_mesh(mesh, grid)
    assert cells.min() >= 0
    assert weights.min() >= -1e-9
    np.testing.assert_allclose(
        np.einsum("pn,pnd->pd", weights, mesh.points[mesh.cells[cells]]), grid.points(), atol=1e-13
    )


@pytest.mark.parametrize("kind", ["triangle", "quad", "tetra", "hexahedron"])
def test_a_grid_and_its_points_have_the_same_cells(kind):
    mesh = lattice(kind, 5)
    grid = Grid((13, 9, 8)[: mesh.dimension], (-0.2,) * mesh.dimension, (1.3,) * mesh.dimension)
    cells, weights = locate_in_mesh(mesh, grid)
    again, others = locate_in_mesh(mesh, grid.points())
    np.testing.assert_array_equal(cells, again)
    np.testing.assert_array_equal(weights, others)
    inside = ((grid.points() >= 0) & (grid.points() <= 1)).all(axis=1)
    np.testing.assert_array_equal(cells >= 0, inside)
    np.testing.assert_array_equal(weights[~inside], 0)


def test_a_shared_point_belongs_to_the_first_of_its_cells():
    mesh = lattice("triangle", 4)
    cells, weights = locate_in_mesh(mesh, mesh.points)
    first = [np.flatnonzero((mesh.cells == point).any(axis=1))[0] for point in range(len(mesh.points))]
    np.testing.assert_array_equal(cells, first)
    np.testing.assert_allclose(weights.max(axis=1), 1.0)


def test_holes_stay_empty():
    mesh = lattice("triangle", 8)
    kept = np.linalg.norm(mesh.points[mesh.cells].mean(axis=1) - 0.5, axis=1) > 0.25
    ring = Mesh(mesh.points, mesh.cells[kept], "triangle", np.zeros(kept.sum(), dtype=int))
    points = RNG.random((2000, 2))
    everywhere, _ = locate_in_mesh(mesh, points)
    cells, _ = locate_in_mesh(ring, points)
    np.testing.assert_array_equal(cells >= 0, kept[everywhere])


def test_many_scattered_points_of_very_different_density_and_large_cells():
    mesh = conforming_mesh(RNG.random((12, 12)))
    points = np.concatenate([RNG.random((500, 2)), 0.5 + 1e-6 * RNG.random((500, 2)), [[0.3, 0.7]] * 50, [[5.0, 5.0]]])
    cells, weights = locate_in_mesh(mesh, points)
    assert (cells[:-1] >= 0).all()
    assert cells[-1] == -1
    inside = np.einsum("pn,pnd->pd", weights[:-1], mesh.points[mesh.cells[cells[:-1]]])
    np.testing.assert_allclose(inside, points[:-1], atol=1e-13)
    two = Mesh([[0, 0], [1, 0], [1, 1], [0, 1]], [[0, 1, 2], [0, 2, 3]], "triangle", [0, 0])
    assert (locate_in_mesh(two, Grid((400, 300), (0.0, 0.0), (1.0, 1.0)))[0] >= 0).all()


def test_no_points_and_one_point():
    mesh = lattice("quad", 3)
    assert locate_in_mesh(mesh, np.zeros((0, 2)))[0].shape == (0,)
    assert locate_in_mesh(mesh, np.array([[0.99, 0.01]]))[0].tolist() == [6]


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_all_points_in_a_box_are_among_its_candidates(dimension):
    lower = RNG.uniform(-0.2, 1, (40, dimension))
    upper = lower + RNG.uniform(0, 0.4, lower.shape)
    grid = Grid((7, 9, 5)[:dimension], (0.0,) * dimension, (1.0,) * dimension, "nodes")
    for place in (grid, RNG.random((300, dimension))):
        points = grid.points() if place is grid else place
        pairs = {pair for a, b in candidates(lower, upper, place) for pair in zip(a.tolist(), b.tolist(), strict=True)}
        held = (points >= lower[:, None]) & (points <= upper[:, None])
        assert set(zip(*(index.tolist() for index in np.nonzero(held.all(axis=2))), strict=True)) <= pairs


@pytest.mark.parametrize("shape", [linear, multilinear])
@pytest.mark.parametrize("dimension", [2, 3])
def test_shape_functions_sum_to_one_and_have_their_derivatives(shape, dimension):
    x = RNG.random((5, dimension)) / 3
    values, slopes = shape(x)
    np.testing.assert_allclose(values.sum(axis=1), 1.0)
    for axis, step in enumerate(1e-6 * np.eye(dimension)):
        np.testing.assert_allclose((shape(x + step)[0] - shape(x - step)[0]) / 2e-6, slopes[..., axis], atol=1e-8)


def test_a_folded_cell_holds_nothing_and_disturbs_nothing():
    flat = Mesh([[0, 0], [1, 0], [2, 0], [0, 1.0]], [[0, 1, 2], [0, 1, 3]], "triangle", [0, 0])
    assert locate_in_mesh(flat, np.array([[0.2, 0.2], [1.5, 0.1]]))[0].tolist() == [1, -1]


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (Grid((2, 2, 2), (0, 0, 0), (1, 1, 1)), "of 2 dimensions"),
        (np.zeros((3, 3)), "of 2 dimensions"),
        (np.full((3, 2), np.nan), "expected a Grid or finite points"),
    ],
)
def test_places_of_another_dimension_and_nan_are_refused(place, text):
    with pytest.raises(ValueError, match=text):
        locate_in_mesh(lattice("triangle", 2), place)
