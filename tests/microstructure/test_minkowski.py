import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import KDTree
from skimage.measure import euler_number, perimeter_crofton

from genmech_fem.microstructure import GaussianRandomField, minkowski_functionals


def coordinates(side, dimension, shift):
    axis = np.arange(side) - side / 2 + shift
    return np.meshgrid(*[axis] * dimension, indexing="ij")


@pytest.mark.parametrize("radius", [8.0, 12.3, 17.0])
def test_a_disc_and_a_ball(radius):
    x, y = coordinates(40, 2, 0.3)
    disc = minkowski_functionals((np.hypot(x, y) < radius)[None], 0.5)
    assert disc["area"][0] == pytest.approx(np.pi * radius**2 / 4, rel=0.01)
    assert disc["perimeter"][0] == pytest.approx(np.pi * radius, rel=0.02)
    assert disc["euler"][0] == 1
    x, y, z = coordinates(40, 3, 0.3)
    ball = minkowski_functionals((x**2 + y**2 + z**2 < radius**2)[None], 0.5)
    assert ball["volume"][0] == pytest.approx(np.pi * radius**3 / 6, rel=0.015)
    assert ball["surface"][0] == pytest.approx(np.pi * radius**2, rel=0.01)
    assert ball["mean_curvature"][0] == pytest.approx(2 * np.pi * radius, rel=0.015)
    assert ball["euler"][0] == 1


@pytest.mark.parametrize("turn", [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_a_ring_has_one_tunnel_and_a_hollow_ball_one_cavity(turn):
    x, y, z = (coordinates(64, 3, 0.3)[k] for k in turn)
    ring = minkowski_functionals((np.hypot(np.hypot(x, y) - 18, z) < 8)[None])
    assert ring["surface"][0] == pytest.approx(4 * np.pi**2 * 18 * 8, rel=0.02)
    assert ring["mean_curvature"][0] == pytest.approx(2 * np.pi**2 * 18, rel=0.03)
    assert ring["euler"][0] == 0
    r = np.sqrt(x**2 + y**2 + z**2)
    shell = minkowski_functionals(((r > 12) & (r < 24))[None])
    assert shell["euler"][0] == 2
    assert shell["mean_curvature"][0] == pytest.approx(4 * np.pi * (24 - 12), rel=0.03)
    assert shell["surface"][0] == pytest.approx(4 * np.pi * (24**2 + 12**2), rel=0.02)


@pytest.mark.parametrize(
    ("normal", "error"),
    [((1, 0), 0.06), ((1, 1), 0.06), ((2, 1), 0.03), ((1, 0, 0), 0.08), ((1, 1, 0), 0.08), ((1, 1, 1), 0.08)],
)
def test_a_laminate_has_its_walls_and_no_curvature(normal, error):
    side = 48
    place = sum(n * (x + 0.0123) for n, x in zip(normal, coordinates(side, len(normal), 0.0), strict=True))
    measured = minkowski_functionals((np.cos(2 * np.pi * place / side) > 0)[None], 1 / side)
    walls = 2 * np.linalg.norm(normal)
    assert measured["perimeter" if len(normal) == 2 else "surface"][0] == pytest.approx(walls, rel=error)
    assert measured["euler"][0] == 0
    if len(normal) == 3:
        assert measured["mean_curvature"][0] == pytest.approx(0, abs=1e-12)


def poisson_balls(side, dimension, radius, density, seed):
    generator = np.random.default_rng(seed)
    centres = side * generator.random((generator.poisson(density * side**dimension), dimension))
    points = np.stack(np.meshgrid(*[np.arange(side)] * dimension, indexing="ij"), -1).reshape(-1, dimension)
    far, _ = KDTree(centres, boxsize=side).query(points, distance_upper_bound=radius)
    return (far < radius).reshape((side,) * dimension)


def test_penetrable_discs_follow_miles():
    radius, side = 12.0, 256
    density = 0.1 / (np.pi * radius**2)  # few overlaps, whose notches pixels do not resolve
    images = np.stack([poisson_balls(side, 2, radius, density, i) for i in range(40)])
    measured = {name: values.mean() / side**2 for name, values in minkowski_functionals(images).items()}
    free = np.exp(-density * np.pi * radius**2)
    assert measured["area"] == pytest.approx(1 - free, rel=0.1)
    assert measured["perimeter"] / measured["area"] == pytest.approx(
        density * 2 * np.pi * radius * free / (1 - free), rel=0.02
    )
    expected = density * (1 - density * np.pi * radius**2) * free
    assert measured["euler"] / measured["area"] == pytest.approx(expected / (1 - free), rel=0.06)


def test_penetrable_balls_follow_miles():
    radius, side = 8.0, 72
    volume, surface, breadth = 4 / 3 * np.pi * radius**3, 4 * np.pi * radius**2, 4 * np.pi * radius
    density = 0.1 / volume
    images = np.stack([poisson_balls(side, 3, radius, density, i) for i in range(16)])
    measured = {name: values.mean() / side**3 for name, values in minkowski_functionals(images).items()}
    free = np.exp(-density * volume)
    assert measured["volume"] == pytest.approx(1 - free, rel=0.1)
    ratios = {name: value / measured["volume"] * (1 - free) for name, value in measured.items()}
    assert ratios["surface"] == pytest.approx(density * surface * free, rel=0.03)
    expected = free * (density * breadth - (np.pi * density * surface) ** 2 / 32)
    assert ratios["mean_curvature"] == pytest.approx(expected, rel=0.06)


def test_cut_gaussian_fields_follow_tomita():
    side, length, share = 128, 0.03, 0.84134474  # level -1
    sampler = GaussianRandomField(side, (length, length), (share, share))
    images = np.concatenate([sampler(np.random.default_rng(i))["phase"] for i in range(20)])
    measured = {name: values.mean() for name, values in minkowski_functionals(images, 1 / side).items()}
    assert measured["perimeter"] == pytest.approx(np.exp(-0.5) / (2 * length), rel=0.03)
    assert measured["euler"] == pytest.approx(-np.exp(-0.5) / (2 * np.pi) ** 1.5 / length**2, rel=0.08)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 1.0), st.booleans(), st.sampled_from([(9, 8), (6, 7, 5)]))
def test_euler_numbers_and_perimeters_equal_those_of_skimage(seed, share, diagonal, shape):
    image = np.random.default_rng(seed).random(shape) < share
    free = np.pad(image, 2)
    measured = minkowski_functionals(free[None], diagonal=diagonal)
    assert measured["euler"][0] == euler_number(free, free.ndim if diagonal else 1)
    if free.ndim == 2:
        assert measured["perimeter"][0] == pytest.approx(perimeter_crofton(free, 4), abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 1.0), st.sampled_from([(7, 8), (5, 6, 4)]))
def test_functionals_keep_their_sign_rules_under_complement_and_translation(seed, share, shape):
    images = np.random.default_rng(seed).random((2, *shape)) < share
    inside, outside = minkowski_functionals(images), minkowski_functionals(~images, diagonal=True)
    signs = {
        "area": None,
        "volume": None,
        "perimeter": 1,
        "surface": 1,
        "mean_curvature": -1,
        "euler": 1 if len(shape) == 3 else -1,
    }
    for name, values in inside.items():
        if signs[name]:
            np.testing.assert_allclose(outside[name], signs[name] * values, atol=1e-9)
    moved = minkowski_functionals(np.roll(images, (3, 2), (1, 2)))
    for name, values in inside.items():
        np.testing.assert_allclose(moved[name], values, atol=1e-9)


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 8)])
def test_empty_and_full_tori_have_no_surface(shape):
    for value in (0.0, 1.0):
        measured = minkowski_functionals(np.full((1, *shape), value))
        assert [float(v[0]) for v in measured.values()] == [value * np.prod(shape), *[0.0] * len(shape)]


def test_bad_images_are_refused():
    with pytest.raises(ValueError, match="expected images"):
        minkowski_functionals(np.zeros((4, 4)))
