import itertools

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from genmech_fem.errors import MeshingError
from genmech_fem.geometry import conforming_mesh
from genmech_fem.microstructure import PeriodicFibres, phase_from_distance, phase_grid, torus_offsets


def disc(resolution, centre, radius):
    grid = phase_grid(resolution)
    distance = np.linalg.norm(torus_offsets(grid.points(), np.asarray(centre), 1.0), axis=1) - radius
    return phase_from_distance(distance, grid.spacing[0]).reshape(grid.shape)


def fibres(seed):
    generator = np.random.default_rng(seed)
    return PeriodicFibres(resolution=int(generator.choice([24, 33, 48])))(generator)["phase"][0]


def smooth(seed):
    generator = np.random.default_rng(seed)
    field = gaussian_filter(
        generator.standard_normal(generator.integers(8, 32, 2)), generator.uniform(0, 3), mode="wrap"
    )
    return field / field.std()


def sides(mesh, lower, upper):
    """Sorted other coordinate of the points on each side of the box."""
    return {
        (axis, side): np.sort(mesh.points[mesh.points[:, axis] == (lower, upper)[side][axis], 1 - axis])
        for axis, side in itertools.product((0, 1), (0, 1))
    }


def check_mesh(mesh, lower=(0.0, 0.0), upper=(1.0, 1.0)):
    """Positive areas that fill the box, conforming, and the same points on opposite sides."""
    areas = mesh.measures()
    assert areas.min() > 0
    assert areas.sum() == pytest.approx(np.prod(np.subtract(upper, lower)), rel=1e-12)
    edges = np.sort(mesh.cells[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    edges, count = np.unique(edges, axis=0, return_counts=True)
    assert count.max() <= 2
    ends = mesh.points[edges[count == 1]]
    on_border = [(ends[:, :, axis] == box[axis]).all(axis=1) for axis in (0, 1) for box in (lower, upper)]
    assert np.any(on_border, axis=0).all()
    assert len(mesh.points) - len(edges) + len(mesh.cells) == 1  # Euler: no hole, no hanging node
    border = sides(mesh, lower, upper)
    for axis in (0, 1):
        np.testing.assert_array_equal(border[axis, 0], border[axis, 1])
        assert border[axis, 0][[0, -1]].tolist() == [lower[1 - axis], upper[1 - axis]]


@pytest.mark.parametrize("seed", range(30))
def test_fibre_cells_are_conforming_and_periodic(seed):
    mesh = conforming_mesh(fibres(seed))
    check_mesh(mesh)
    assert mesh.smallest_angle() > 8
    assert set(mesh.tags) == {0, 1}


@pytest.mark.parametrize("seed", range(40))
def test_random_fields_in_any_box_are_conforming_and_periodic(seed):
    field = smooth(seed)
    lower = np.array([-0.3, 0.1])
    upper = lower + np.array(field.shape) * 0.7
    mesh = conforming_mesh(field, lower=tuple(lower), upper=tuple(upper), threshold=0.2, refine=1 + seed % 3)
    check_mesh(mesh, lower, upper)
    assert mesh.smallest_angle() > 5


@pytest.mark.parametrize("snap", [0.0, 0.1, 0.2, 0.4, 0.49])
def test_every_snap_gives_a_valid_mesh(snap):
    check_mesh(conforming_mesh(smooth(3), snap=snap, threshold=0.1))


def test_area_of_a_disc_converges_at_second_order():
    generator = np.random.default_rng(0)
    discs = list(zip(generator.random((12, 2)), generator.uniform(0.15, 0.3, 12), strict=True))
    sizes = np.array([16, 32, 64, 128])
    errors = np.array(
        [
            np.mean([abs(conforming_mesh(disc(n, c, r)).phase_fractions()[1] / (np.pi * r**2) - 1) for c, r in discs])
            for n in sizes
        ]
    )
    assert np.polyfit(np.log(sizes), np.log(errors), 1)[0] < -1.8
    assert errors[1] < 0.01


def test_refining_recovers_more_of_the_disc():
    image = disc(32, (0.4, 0.55), 0.25)
    errors = [abs(conforming_mesh(image, refine=k).phase_fractions()[1] / (np.pi / 16) - 1) for k in (1, 2, 4)]
    assert errors[0] < 7e-3
    assert errors[1] < errors[0] / 2.5
    assert errors[2] < errors[1] / 2.5


@pytest.mark.parametrize("resolution", [24, 48])
@pytest.mark.parametrize(("refine", "pixels"), [(1, 0.11), (2, 0.045)])
def test_interface_nodes_lie_on_the_circle(resolution, refine, pixels):
    mesh = conforming_mesh(disc(resolution, (0.47, 0.52), 0.3), refine=refine)
    shared = np.intersect1d(mesh.cells[mesh.tags == 0], mesh.cells[mesh.tags == 1])
    distance = np.linalg.norm(mesh.points[shared] - (0.47, 0.52), axis=1) - 0.3
    assert len(shared) > 2 * np.pi * 0.3 * resolution
    assert np.abs(distance).max() < pixels / resolution


@pytest.mark.parametrize("seed", range(10))
def test_moving_the_image_on_the_torus_keeps_the_areas(seed):
    image = fibres(seed)
    area = conforming_mesh(image).phase_fractions()[1]
    shift = np.random.default_rng(seed).integers(0, len(image), 2)
    assert conforming_mesh(np.roll(image, shift, axis=(0, 1))).phase_fractions()[1] == pytest.approx(area, rel=2e-2)


def test_swapping_the_phases_swaps_the_tags():
    image = fibres(1)
    mesh, inverse = conforming_mesh(image), conforming_mesh(1 - image)
    np.testing.assert_allclose(mesh.phase_fractions(), inverse.phase_fractions()[::-1], rtol=1e-9)


def test_a_laminate_and_a_chequerboard_have_their_exact_areas():
    laminate = np.pad(np.ones((4, 8)), ((0, 4), (0, 0)))
    np.testing.assert_allclose(conforming_mesh(laminate).phase_fractions(), [0.5, 0.5], rtol=1e-12)
    # All nodes lie on the interface: each triangle is decided by its middle.
    board = np.indices((8, 6)).sum(axis=0) % 2
    mesh = conforming_mesh(board)
    check_mesh(mesh)
    np.testing.assert_allclose(mesh.phase_fractions(), [0.5, 0.5], rtol=1e-12)


@pytest.mark.parametrize(("value", "tag"), [(0.0, 0), (1.0, 1), (0.5, 0)])
def test_one_phase_needs_no_interface(value, tag):
    mesh = conforming_mesh(np.full((5, 4), value), refine=2)
    check_mesh(mesh)
    assert mesh.cells.shape == (2 * 10 * 8, 3)
    assert set(mesh.tags) == {tag}


def test_axis_0_is_x():
    image = np.zeros((16, 8))
    image[:4] = 1.0
    mesh = conforming_mesh(image, lower=(2.0, 0.0), upper=(4.0, 1.0))
    assert mesh.points[mesh.cells[mesh.tags == 1]].mean(axis=(0, 1)) == pytest.approx([2.25, 0.5], abs=1e-3)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"level": np.full((8, 8), np.nan)}, "expected finite values, got NaN"),
        ({"level": np.zeros((8, 8)), "threshold": np.inf}, "threshold: expected a finite number, got inf"),
        ({"level": np.zeros((8, 8, 8, 8))}, r"at least 4 pixels a side, got float64 of shape \(8, 8, 8, 8\)"),
        ({"level": np.zeros((8, 3))}, r"got float64 of shape \(8, 3\)"),
        ({"level": np.zeros((8, 8), dtype=complex)}, "expected real numbers"),
        ({"snap": 0.5}, "expected 0 <= snap < 0.5, got 0.5"),
        ({"snap": -0.1}, "expected 0 <= snap < 0.5, got -0.1"),
        ({"snap": float("nan")}, "expected 0 <= snap < 0.5, got nan"),
        ({"refine": 0}, "whole number of at least 1, got 0"),
        ({"refine": 1.5}, "whole number of at least 1, got 1.5"),
        ({"upper": (1.0, 0.0)}, "finite lower < upper in 2D"),
        ({"upper": (1.0, np.inf)}, "finite lower < upper in 2D"),
        ({"upper": (1.0, 1.0, 1.0)}, "finite lower < upper in 2D"),
    ],
)
def test_bad_input_is_refused(change, text):
    with pytest.raises(ValueError, match=text):
        conforming_mesh(**{"level": np.zeros((8, 8)), **change})


def test_a_box_that_round_off_flattens_is_refused():
    with pytest.raises(MeshingError, match=r"got a degenerate one in the box .*: put the box near the origin"):
        conforming_mesh(np.zeros((8, 8)), lower=(1e16, 0.0), upper=(1e16 + 4, 1.0))
