import numpy as np
import pytest
from random_fields import own_fraction, random_field, side_mismatch

from genmech_fem.errors import MeshingError
from genmech_fem.fields import Grid
from genmech_fem.geometry.splines import spline_mesh


def disc(n, *, centre=(0.5, 0.5), radius=0.3):
    """Signed distance of a disc in the unit square, positive inside, on the torus."""
    grid = Grid((n, n), (0.0, 0.0), (1.0, 1.0))
    away = grid.points() - centre
    away -= np.round(away)
    return (radius - np.linalg.norm(away, axis=1)).reshape(grid.shape)


def interface_length(mesh):
    corners = mesh.points[mesh.facets[mesh.facet_tags == mesh.names["interface_0_1"]]]
    return np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1).sum()


def test_a_disc_has_its_area_and_circumference():
    mesh = spline_mesh(disc(32), threshold=0.0)
    assert mesh.measures().min() > 0
    assert mesh.measures().sum() == pytest.approx(1)
    assert mesh.phase_fractions()[1] == pytest.approx(np.pi * 0.09, rel=5e-3)
    assert interface_length(mesh) == pytest.approx(0.6 * np.pi, rel=5e-3)
    assert mesh.smallest_angle() > 25
    on = np.unique(mesh.facets[mesh.facet_tags == mesh.names["interface_0_1"]])
    np.testing.assert_allclose(np.linalg.norm(mesh.points[on] - 0.5, axis=1), 0.3, atol=1e-3)


def test_a_disc_across_the_corners_is_periodic():
    mesh = spline_mesh(disc(24, centre=(0.02, 0.97)), threshold=0.0)
    assert mesh.phase_fractions()[1] == pytest.approx(np.pi * 0.09, rel=0.01)
    assert side_mismatch(mesh.points, (0, 0), (1, 1)) <= 1e-12


@pytest.mark.parametrize("seed", [0, 1])
def test_smooth_random_fields_keep_their_share_and_match_at_the_sides(seed):
    field, threshold = random_field("smooth", (32, 32), np.random.default_rng(seed))
    mesh = spline_mesh(field, threshold=threshold)
    assert mesh.phase_fractions()[1] == pytest.approx(own_fraction(field, threshold, 8), abs=0.005)
    assert side_mismatch(mesh.points, (0, 0), (1, 1)) <= 1e-12


def test_a_ring_is_one_phase_in_and_around_the_other():
    mesh = spline_mesh(0.1 - np.abs(disc(32)), threshold=0.0, size=0.05)
    assert mesh.phase_fractions()[1] == pytest.approx(np.pi * (0.4**2 - 0.2**2), rel=0.02)
    centres = mesh.points[mesh.cells].mean(axis=1)
    depth = 0.1 - np.abs(np.linalg.norm(centres - 0.5, axis=1) - 0.3)
    clear = np.abs(depth) > 0.02
    np.testing.assert_array_equal(mesh.tags[clear], depth[clear] > 0)


def test_a_field_that_is_not_periodic_may_end_at_the_border():
    x = (np.arange(16) + 0.5) / 16
    mesh = spline_mesh(np.tile(x[:, None], (1, 16)), lower=(1.0, 2.0), upper=(3.0, 3.0), threshold=0.4, periodic=False)
    np.testing.assert_allclose(mesh.points.min(axis=0), [1, 2])
    np.testing.assert_allclose(mesh.points.max(axis=0), [3, 3])
    assert mesh.phase_fractions()[1] == pytest.approx(0.6, abs=1e-3)
    on = np.unique(mesh.facets[mesh.facet_tags == mesh.names["interface_0_1"]])
    np.testing.assert_allclose(mesh.points[on, 0], 1.8, atol=1e-3)


@pytest.mark.parametrize(("value", "tag"), [(0.0, 0), (1.0, 1)])
def test_an_empty_or_full_image_is_one_phase(value, tag):
    mesh = spline_mesh(np.full((8, 8), value))
    assert set(mesh.tags.tolist()) == {tag}
    assert mesh.measures().sum() == pytest.approx(1)


def test_rough_fields_are_meshed_well_or_refused():
    field, threshold = random_field("rough", (32, 32), np.random.default_rng(1))
    try:
        mesh = spline_mesh(field, threshold=threshold, time_limit=10.0)
    except MeshingError as error:
        assert "expected" in str(error)  # noqa: PT017
    else:
        assert mesh.phase_fractions()[1] == pytest.approx(own_fraction(field, threshold, 8), abs=0.03)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"level": np.zeros((3, 8))}, "expected real numbers .nx, ny. on at least 4 pixels a side, got float64"),
        ({"level": np.zeros((8, 8, 8))}, r"of shape \(8, 8, 8\)"),
        ({"level": np.full((8, 8), np.nan)}, "spline_mesh.level: expected finite values"),
        ({"threshold": np.inf}, "spline_mesh.threshold: expected a finite number, got inf"),
        ({"upper": (0.0, 1.0)}, "expected finite lower < upper"),
        ({"size": 0.0}, "spline_mesh.size: expected a positive length, got 0.0"),
        ({"time_limit": -1.0}, "time_limit: expected a positive, finite number"),
    ],
)
def test_what_cannot_be_is_refused(change, text):
    with pytest.raises(ValueError, match=text):
        spline_mesh(**{"level": disc(8), **change})


def test_a_time_limit_ends_it():
    with pytest.raises(MeshingError, match="expected a result within 0.1 s"):
        spline_mesh(disc(8), threshold=0.0, time_limit=0.1)
