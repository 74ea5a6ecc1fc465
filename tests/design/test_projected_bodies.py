"""Bars and ellipses as designs."""

import numpy as np
import pytest

from genmech_fem.design import Bars, Ellipses
from genmech_fem.errors import ContractError
from genmech_fem.fields import Grid
from genmech_fem.forward import check_vjp, linearize

PLATE = Grid((120, 80), (-1, 0), (2, 2))
CELL = Grid((96, 96), (0, 0), (1, 1))
BLOCK = Grid((24, 20, 16), (0, 0, 0), (6, 5, 4))


def area(model, parameters):
    return float(next(iter(model({"parameters": np.atleast_2d(parameters)}).values())).mean()) * float(
        np.prod(np.subtract(model.grid.upper, model.grid.lower))
    )


def spread(width):
    """Variance of the offset of the edge that a smooth edge amounts to: that of a logistic distribution."""
    return (np.pi * width / 4) ** 2 / 3


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 2])
def test_the_area_of_a_bar(angle):
    centre, half, thickness, width = np.array([0.5, 1.0]), 0.45, 0.5, 0.06
    end = half * np.array([np.cos(angle), np.sin(angle)])
    found = area(Bars(PLATE, 1, width=width), [*(centre - end), *(centre + end), thickness])
    exact = 2 * half * thickness + np.pi * (thickness / 2) ** 2 + np.pi * spread(width)
    assert found == pytest.approx(exact, rel=1e-5)


def test_the_volume_of_a_bar_in_space():
    a, b, r, width = np.array([2.0, 2.0, 2.0]), np.array([4.0, 3.0, 2.2]), 1.2, 0.3
    length = np.linalg.norm(b - a)
    exact = np.pi * r**2 * length + 4 / 3 * np.pi * r**3 + np.pi * spread(width) * (length + 4 * r)
    assert area(Bars(BLOCK, 1, width=width), [*a, *b, 2 * r]) == pytest.approx(exact, rel=2e-3)


def test_the_density_of_a_bar_falls_with_the_distance_by_brute_force():
    a, b, thickness = np.array([-0.3, 0.4]), np.array([1.4, 1.5]), 0.4
    model = Bars(PLATE, 1, width=0.1)
    along = a + np.linspace(0, 1, 2001)[:, None] * (b - a)
    distance = np.array([np.linalg.norm(along - x, axis=1).min() for x in PLATE.points()]) - thickness / 2
    expected = (1 / (1 + np.exp(4 * distance / 0.1))).reshape(PLATE.shape)
    np.testing.assert_allclose(model({"parameters": [[*a, *b, thickness]]})["density"][0], expected, atol=1e-4)


def test_the_area_of_a_disc_and_of_a_bar_without_length():
    radius, width = 0.3, 0.04
    found = area(Ellipses(CELL, 1, width=width), [0.5, 0.5, radius, radius, 0.0])
    assert found == pytest.approx(np.pi * (radius**2 + 2 * spread(width)), rel=1e-5)
    found = area(Bars(PLATE, 1, width=width), [0.5, 1.0, 0.5, 1.0, 2 * radius])
    assert found == pytest.approx(np.pi * (radius**2 + spread(width)), rel=1e-4)


@pytest.mark.parametrize("angle", [0.0, 0.7, -2.0])
def test_the_area_of_an_ellipse_is_of_second_order_in_the_width(angle):
    a, b = 0.35, 0.15
    grid = Grid((256, 256), (0, 0), (1, 1))
    errors = [area(Ellipses(grid, 1, width=w), [0.5, 0.5, a, b, angle]) - np.pi * a * b for w in (0.04, 0.02)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)
    assert 0 < errors[1] < 5e-3 * np.pi * a * b


def test_the_edge_of_an_ellipse_is_where_the_phase_is_one_half_and_is_as_steep_as_a_ramp():
    a, b, angle, centre, width = 0.3, 0.12, 0.5, np.array([0.45, 0.55]), 0.05
    t = np.linspace(0, 2 * np.pi, 9)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    edge = centre + np.stack([a * np.cos(t), b * np.sin(t)], axis=1) @ turn.T
    normal = np.stack([np.cos(t) / a, np.sin(t) / b], axis=1) @ turn.T
    normal /= np.linalg.norm(normal, axis=1)[:, None]

    def phase(x):
        tiny = Grid((1, 1), x - 0.5, x + 0.5)
        model = Ellipses(tiny, 1, width=width, periodic=False)
        return model({"parameters": [[*centre, a, b, angle]]})["phase"].item()

    for x, n in zip(edge, normal, strict=True):
        assert phase(x) == pytest.approx(0.5, abs=1e-12)
        assert (phase(x - 1e-6 * n) - phase(x + 1e-6 * n)) / 2e-6 == pytest.approx(1 / width, rel=1e-6)


def test_periodic_ellipses_move_around_the_cell():
    shape, shift = [0.28, 0.17, 0.6], (40, -36)
    cell = Grid((192, 96), (0, -1), (2, 0))
    middle = Ellipses(cell, 1)({"parameters": [[1.0, -0.5, *shape]]})["phase"][0]
    for laps in (0, 3):
        place = np.array([1.0, -0.5]) + np.array(shift) / 96 + laps * np.array([2, 1])
        moved = Ellipses(cell, 1)({"parameters": [[*place, *shape]]})["phase"][0]
        np.testing.assert_allclose(moved, np.roll(middle, shift, axis=(0, 1)), atol=1e-9)
    cut = Ellipses(cell, 1, periodic=False)({"parameters": [[0.0, -0.5, *shape]]})["phase"][0]
    assert cut.mean() == pytest.approx(middle.mean() / 2, rel=1e-2)


def draw(model, batch=2, seed=0):
    """Parameters between the bounds."""
    return np.random.default_rng(seed).uniform(*model.bounds, (batch, model.inputs[0].size))


MODELS = [
    Bars(Grid((30, 20), (0, 0), (3, 2)), 4, width=0.4),
    Bars(Grid((30, 20), (0, 0), (3, 2)), 3, width=0.4, existence=True),
    Bars(Grid((8, 7, 6), (0, 0, 0), (8, 7, 6)), 2, width=2.0, existence=True),
    Ellipses(Grid((20, 24), (-1, 0), (1, 2)), 3, width=0.2, periodic=False),
    Ellipses(Grid((20, 24), (-1, 0), (1, 2), "nodes"), 3, width=0.2, periodic=False, existence=True),
]


@pytest.mark.parametrize("model", MODELS)
def test_gradients(model):
    inputs = {"parameters": draw(model)}
    steps = (4e-6, 2e-6, 1e-6)  # an edge of a bar's axis or of an image is crossed by hardly any point
    assert check_vjp(model, inputs, np.random.default_rng(1), steps) == pytest.approx(2, abs=0.1)
    assert not model.vjp(inputs, {})["parameters"].any()


def test_gradients_of_periodic_ellipses():
    model = Ellipses(Grid((24, 24), (0, 0), (1, 1)), 2, width=0.05)
    inputs = {"parameters": np.array([[0.03, 0.9, 0.25, 0.12, 0.4, 0.6, 0.4, 0.1, 0.2, -1.0]])}
    assert check_vjp(model, inputs, np.random.default_rng(1)) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("model", MODELS)
def test_the_union_lies_between_zero_and_one_and_above_each_body(model):
    parameters = draw(model, 5)
    field = model({"parameters": parameters})[model.out]
    assert field.min() >= 0
    assert field.max() <= 1
    one = type(model)(model.grid, 1, width=model.width, existence=model.existence)
    if isinstance(model, Bars):
        for rows in np.split(parameters, model.count, axis=1):
            assert (field >= one({"parameters": rows})["density"] - 1e-12).all()


def test_an_absent_body_is_not_there_and_its_existence_has_a_gradient():
    model = Bars(PLATE, 2, existence=True)
    bar, other = [0.0, 0.5, 1.0, 1.5, 0.3], [0.0, 1.5, 1.0, 0.5, 0.3]
    alone = Bars(PLATE, 1)({"parameters": [bar]})["density"]
    outputs, pull_back = linearize(model, {"parameters": np.array([[*bar, 1, *other, 0]])})
    np.testing.assert_allclose(outputs["density"], alone, atol=1e-15)
    gradient = pull_back({"density": np.ones_like(alone)})["parameters"][0]
    assert not gradient[6:11].any()
    assert gradient[11] == pytest.approx((Bars(PLATE, 1)({"parameters": [other]})["density"] * (1 - alone)).sum())


@pytest.mark.parametrize(
    "model", [Bars(Grid((9, 9), (-1, -1), (1, 1)), 1), Ellipses(Grid((9, 9), (-1, -1), (1, 1)), 1)]
)
def test_degenerate_bodies_have_finite_gradients(model):
    rows = [[0, 0, 0, 0, 0.5]] if isinstance(model, Bars) else [[0, 0, 0.5, 0.5, 0]]  # its centre is a grid point
    inputs = {"parameters": np.array(rows, dtype=float)}
    outputs, pull_back = linearize(model, inputs)
    assert outputs[model.out][0, 4, 4] > 0.6
    assert np.isfinite(pull_back({model.out: np.ones((1, 9, 9))})["parameters"]).all()


def test_bounds_follow_the_layout():
    lower, upper = Bars(PLATE, 2, existence=True).bounds
    np.testing.assert_allclose(lower, [-1, 0, -1, 0, 0.05, 0] * 2)
    np.testing.assert_allclose(upper, [2, 2, 2, 2, 1, 1] * 2)
    lower, upper = Ellipses(CELL, 1, width=0.02).bounds
    np.testing.assert_allclose(lower, [0, 0, 0.02, 0.02, -np.pi])
    np.testing.assert_allclose(upper, [1, 1, 0.45, 0.45, np.pi])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bars(PLATE, 0), "Bars: expected count >= 1"),
        (lambda: Bars(PLATE, 1, width=-1.0), "width > 0"),
        (lambda: Ellipses(BLOCK, 1), r"a grid of dimension \(2,\), got 1, 0.5 and 3"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_ellipse_without_an_axis_is_refused():
    with pytest.raises(ContractError, match="positive semi-axes, got 0"):
        Ellipses(CELL, 1)({"parameters": [[0.5, 0.5, 0.0, 0.1, 0.0]]})
