import numpy as np
import pytest
from scipy.special import j0

from genmech_fem.fields import check
from genmech_fem.microstructure import (
    BasicShapes,
    GaussianRandomField,
    MinimalSurface,
    PeriodicFibres,
    Shape,
    Spinodoid,
    Voronoi,
    circularity,
    component_count,
    directional_line,
    minkowski_functionals,
    phase_from_level,
    phase_grid,
    radial_average,
    seam_mismatch,
    torus_offsets,
    two_point_correlation,
    volume_fraction,
)
from genmech_fem.microstructure.packing import add_sequentially
from genmech_fem.microstructure.shapes import SHAPES, polygon_distance

SAMPLERS = [
    PeriodicFibres(),
    BasicShapes(),
    BasicShapes(equal_area=False, periodic=False),
    GaussianRandomField(),
    GaussianRandomField(smoothness=0.5, dimension=3, resolution=16),
    Voronoi(),
    Voronoi(dimension=3, resolution=16),
    Spinodoid(resolution=16),
    Spinodoid(angles=(20, 0), wavenumber=5),
    MinimalSurface(resolution=16),
    MinimalSurface(resolution=16, kind="diamond", sheet=True),
]


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: f"{type(s).__name__}-{len(s.outputs[0].place.shape)}D")
def test_samples_keep_the_contract_and_repeat_with_their_seed(sampler):
    first, again = (sampler(np.random.default_rng(3)) for _ in range(2))
    other = sampler(np.random.default_rng(4))
    phase = check(first, sampler.outputs)["phase"]
    assert phase.min() >= 0
    assert phase.max() <= 1
    np.testing.assert_array_equal(phase, again["phase"])
    assert (phase != other["phase"]).any()


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: f"{type(s).__name__}-{len(s.outputs[0].place.shape)}D")
def test_samples_are_periodic(sampler):
    if not getattr(sampler, "periodic", True):
        return
    phase = np.concatenate([sampler(np.random.default_rng(i))["phase"] for i in range(60)])
    assert np.median(seam_mismatch(phase), axis=0).max() < 1.3


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("angle", [0.0, 0.3, 1.2])
def test_shapes_have_their_closed_form_area_and_signed_distance(kind, angle):
    shape = Shape(kind, (0.5, 0.5), 0.3, angle)
    grid = phase_grid(400)
    distance = shape.distance(grid.points() - (0.5003, 0.4994)).reshape(grid.shape)
    assert np.mean(distance < 0) == pytest.approx(shape.area, abs=6e-4)
    slope = np.linalg.norm(np.gradient(distance, grid.spacing[0]), axis=0)
    assert np.median(slope) == pytest.approx(1.0, abs=1e-3)
    assert distance.min() < 0 < distance.max()
    assert {"circle": np.pi, "triangle": 3 * np.sqrt(3) / 4, "square": 2.0, "cross": 2.0}[kind] * 0.09 == pytest.approx(
        shape.area
    )


def test_the_distance_to_a_square_is_the_closed_form():
    corners = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    points = np.array([[0.0, 0], [0.5, 0], [2, 0], [2, 3], [-1, 0], [0.9, -0.8]])
    np.testing.assert_allclose(polygon_distance(points, corners), [-1, -0.5, 1, np.sqrt(5), 0, -0.1], atol=1e-15)
    np.testing.assert_allclose(polygon_distance(points, corners[::-1]), polygon_distance(points, corners))


def test_area_matched_shapes_have_one_area_whatever_their_kind():
    for periodic in (True, False):
        for kind in SHAPES:
            sampler = BasicShapes(96, (kind,), (3, 3), (0.12, 0.12), gap=0.02, periodic=periodic)
            for i in range(5):
                shapes = sampler.shapes(np.random.default_rng(i))
                phase = sampler(np.random.default_rng(i))["phase"]
                assert volume_fraction(phase)[0] == pytest.approx(len(shapes) * np.pi * 0.12**2, abs=2e-3)
                assert component_count(phase, diagonal=True, periodic=periodic)[0] == len(shapes)
    unmatched = [Shape(k, (0, 0), BasicShapes(equal_area=False)._radius(k, 0.1), 0).area for k in SHAPES]
    assert max(unmatched) > 2 * min(unmatched)


def test_shapes_inside_the_cell_leave_its_border_free():
    sampler = BasicShapes(64, periodic=False)
    phase = np.concatenate([sampler(np.random.default_rng(i))["phase"] for i in range(20)])
    border = np.concatenate([phase[:, 0], phase[:, -1], phase[:, :, 0], phase[:, :, -1]])
    assert (border <= 0.5).all()


def test_added_discs_keep_their_gap_and_jam_without_end():
    radii = np.full(50, 0.1)
    centres = add_sequentially(np.random.default_rng(0), radii, 0.05)
    assert 5 < len(centres) < 20
    for k, centre in enumerate(centres):
        others = np.delete(centres, k, axis=0)
        assert np.linalg.norm(torus_offsets(others, centre, 1.0), axis=1).min() >= 0.25


def test_the_cut_gaussian_field_has_berks_two_point_correlation():
    sampler = GaussianRandomField(128, (0.03, 0.03), (0.5, 0.5))
    phase = np.concatenate([sampler(np.random.default_rng(i))["phase"] for i in range(30)])
    radius, s2 = radial_average(two_point_correlation(phase), 1 / 128)
    expected = 0.25 + np.arcsin(np.exp(-(radius**2) / (2 * 0.03**2))) / (2 * np.pi)
    np.testing.assert_allclose(s2.mean(axis=0)[1:40], expected[1:40], atol=4e-3)


@pytest.mark.parametrize(
    ("smoothness", "covariance"), [(0.5, lambda r: np.exp(-r)), (np.inf, lambda r: np.exp(-(r**2) / 2))]
)
def test_the_spectrum_is_that_of_the_covariance(smoothness, covariance):
    sampler = GaussianRandomField(512, smoothness=smoothness)
    length = 0.04
    correlation = np.fft.ifft2(sampler.spectrum(length)).real
    r = np.arange(80) / 512
    constant = correlation[256, 256]  # the missing mode 0, and the aliased tail of the rough field
    np.testing.assert_allclose(
        (correlation[0, :80] - constant) / (1 - constant),
        covariance(r / length),
        atol=0.03 if smoothness == 0.5 else 1e-6,
    )


def test_gaussian_fields_have_mean_zero_and_variance_one():
    sampler = GaussianRandomField(32, (0.05, 0.05), dimension=3)
    fields = np.stack([sampler.field(np.random.default_rng(i)) for i in range(20)])
    np.testing.assert_allclose(fields.mean(axis=(1, 2, 3)), 0, atol=1e-12)
    assert fields.var() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    "sampler", [GaussianRandomField(64), Spinodoid(24), MinimalSurface(24), MinimalSurface(24, sheet=True)]
)
def test_the_wanted_volume_fraction_is_met(sampler):
    wanted = type(sampler)(
        sampler.resolution,
        volume_fraction=(0.37, 0.37),
        **({"sheet": sampler.sheet} if hasattr(sampler, "sheet") else {}),
    )
    for i in range(5):
        binary = wanted(np.random.default_rng(i))["phase"] > 0.5
        assert binary.mean() == pytest.approx(0.37, abs=2e-3)


def test_an_isotropic_spinodoid_has_the_correlation_of_waves_of_one_length():
    sampler = Spinodoid(96, (90.0, 0.0), 10.0)
    lines = []
    for i in range(40):
        field = sampler.field(np.random.default_rng(i))
        lines.append(np.fft.ifft2(np.abs(np.fft.fft2(field)) ** 2).real / field.size)
    radius, correlation = radial_average(np.stack(lines), 1 / 96)
    measured = correlation.mean(axis=0)
    assert measured[0] == pytest.approx(1, abs=0.1)
    np.testing.assert_allclose(measured[:20] / measured[0], j0(2 * np.pi * 10 * radius[:20]), atol=0.03)


def test_spinodoid_waves_stay_in_their_cones():
    lamellae = Spinodoid(32, (20.0, 0.0, 0.0), 6.0)
    vectors = lamellae.wave_vectors()
    assert (np.degrees(np.arccos(np.abs(vectors[:, 0]) / np.linalg.norm(vectors, axis=1))) <= 20).all()
    phase = np.concatenate([lamellae(np.random.default_rng(i))["phase"] for i in range(4)])
    s2 = two_point_correlation(phase)
    across = directional_line(s2, (1, 0, 0))[1].mean(axis=0)
    along = directional_line(s2, (0, 1, 0))[1].mean(axis=0)
    assert along[3] > 1.5 * across[3]
    every = Spinodoid(32, (90.0, 0.0, 0.0), 6.0).wave_vectors()
    assert len(every) == len(Spinodoid(32, (90.0, 90.0, 90.0), 6.0).wave_vectors())
    assert set(map(tuple, every)) == {tuple(-v) for v in every}


@pytest.mark.parametrize(
    ("kind", "area", "euler"), [("primitive", 2.345, -2), ("gyroid", 3.092, -4), ("diamond", 3.838, -8)]
)
def test_level_sets_have_the_area_and_the_topology_of_the_minimal_surface(kind, area, euler):
    cell = MinimalSurface(64, kind, volume_fraction=(0.5, 0.5))(np.random.default_rng(0))["phase"]
    measured = minkowski_functionals(cell, 1 / 64)
    assert measured["surface"][0] == pytest.approx(area, rel=0.03)
    assert measured["euler"][0] == euler
    assert abs(measured["mean_curvature"][0]) < 0.3
    assert component_count(cell)[0] == component_count(1 - cell)[0] == 1


def test_periods_repeat_the_cell():
    level = MinimalSurface(32, periods=2).level(np.array([0.1, 0.2, 0.3]))
    np.testing.assert_allclose(level[:16, 16:, :16], level[16:, :16, 16:], atol=1e-12)


def test_the_wall_of_one_seed_is_the_border_of_a_square():
    sampler = Voronoi(64, (1, 1), (0.1, 0.1))
    phase = sampler(np.random.default_rng(0))["phase"]
    assert volume_fraction(phase)[0] == pytest.approx(1 - 0.9**2, abs=2e-3)


@pytest.mark.parametrize("dimension", [2, 3])
def test_wall_distances_are_those_of_all_borders(dimension):
    sampler = Voronoi(12, dimension=dimension)
    places = np.random.default_rng(1).random((6, dimension))
    points = phase_grid(12, dimension=dimension).points()
    tiles = np.stack(np.meshgrid(*[np.arange(-2, 3)] * dimension), -1).reshape(-1, dimension)
    seeds = (places[:, None] + tiles).reshape(-1, dimension)
    far = np.linalg.norm(points[:, None] - seeds, axis=2)
    nearest = far.argmin(axis=1)
    between = np.linalg.norm(seeds[nearest][:, None] - seeds, axis=2)
    border = (far**2 - far.min(axis=1, keepdims=True) ** 2) / (2 * np.where(between == 0, np.nan, between))
    np.testing.assert_allclose(sampler.wall_distance(places, 1.0).ravel(), np.nanmin(border, axis=1), atol=1e-12)
    np.testing.assert_array_equal(sampler.labels(places).ravel(), nearest // len(tiles))


def test_poisson_voronoi_cells_have_the_known_length_of_walls():
    sampler = Voronoi(128)
    near = [sampler.wall_distance(np.random.default_rng(i).random((100, 2)), 0.0015) < 0.0015 for i in range(15)]
    # L_A = 2 sqrt(seeds per area); Meijering (1953)
    assert np.mean(near) / 0.003 == pytest.approx(2 * np.sqrt(100), rel=0.03)


def test_the_phase_of_a_level_set_is_that_of_the_distance():
    points = phase_grid(64).points() - 0.5
    level = (0.3**2 - (points**2).sum(axis=1)).reshape(64, 64)
    phase = phase_from_level(level)
    exact = np.clip(0.5 + (0.3 - np.linalg.norm(points, axis=1)) * 64 / 2, 0, 1).reshape(64, 64)
    assert np.abs(phase - exact).max() < 0.03
    np.testing.assert_array_equal(phase > 0.5, level > 0)
    np.testing.assert_array_equal(phase_from_level(np.zeros((8, 8))), 0.5)


def test_circles_are_rounder_than_the_other_shapes():
    roundness = {
        kind: circularity(BasicShapes(96, (kind,), (1, 1), (0.2, 0.2))(np.random.default_rng(1))["phase"])[0][0]
        for kind in SHAPES
    }
    assert roundness["circle"] == pytest.approx(1, abs=2e-3)
    assert roundness["square"] == pytest.approx(3 / np.pi, abs=3e-3)
    assert roundness["triangle"] == pytest.approx(0.827, abs=5e-3)
    assert roundness["cross"] < 0.95


@pytest.mark.parametrize(
    ("sampler", "arguments"),
    [
        (BasicShapes, {"resolution": 4}),
        (BasicShapes, {"kinds": ("hexagon",)}),
        (BasicShapes, {"kinds": ()}),
        (BasicShapes, {"size": (0.3, 0.2)}),
        (BasicShapes, {"size": (0.1, 0.45)}),
        (BasicShapes, {"count": (0, 3)}),
        (BasicShapes, {"gap": -0.1}),
        (GaussianRandomField, {"dimension": 4}),
        (GaussianRandomField, {"correlation_length": (0.0, 0.1)}),
        (GaussianRandomField, {"volume_fraction": (0.5, 1.0)}),
        (GaussianRandomField, {"smoothness": 0.0}),
        (Voronoi, {"seeds": (0, 5)}),
        (Voronoi, {"wall": (0.1, 0.05)}),
        (Spinodoid, {"angles": (0.0, 0.0, 0.0)}),
        (Spinodoid, {"angles": (15.0,)}),
        (Spinodoid, {"angles": (15.0, 100.0)}),
        (Spinodoid, {"wavenumber": 20.0}),
        (Spinodoid, {"waves": 0}),
        (MinimalSurface, {"kind": "lidinoid"}),
        (MinimalSurface, {"periods": 9}),
        (MinimalSurface, {"volume_fraction": (float("nan"), 0.5)}),
    ],
)
def test_impossible_samplers_are_refused(sampler, arguments):
    with pytest.raises(ValueError, match=f"{sampler.__name__}.*expected"):
        sampler(**arguments)
