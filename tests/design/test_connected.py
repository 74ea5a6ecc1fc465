"""Connectivity by a virtual temperature."""

import numpy as np
import pytest
from test_manufacturability import FLAT, SPACE, descend, taylor_orders

from genmech_fem.design.connectivity import Connected, EnclosedVoids
from genmech_fem.design.interpolation import RAMP, SIMP
from genmech_fem.errors import ContractError

SHAPE = (24, 16)


def left(shape):
    ports = np.zeros(shape, dtype=bool)
    ports[0] = True
    return ports


def island(gap=3):
    """A block at the ports and another one `gap` cells away from it."""
    image = np.zeros((1, *SHAPE))
    image[0, :12, 4:12] = image[0, 12 + gap : 20, 5:10] = 1
    return image


def cavity():
    """A plate with a hole of 6 x 6 cells, and two free rows beside it."""
    image = np.ones((1, 20, 20))
    image[0, 6:12, 7:13] = image[0, :2] = 0
    return image


def by_hand(filled, ports, law, exponent):
    """The value from the balance of heat of each cell."""

    def norm(x):
        cells = list(np.ndindex(x.shape))
        number, k = {c: i for i, c in enumerate(cells)}, law(x)
        matrix = np.zeros((x.size, x.size))
        for c in cells:
            matrix[number[c], number[c]] += k[c] / 0.5 if ports[c] else 0
            for step in np.concatenate([np.eye(x.ndim, dtype=int), -np.eye(x.ndim, dtype=int)]):
                d = tuple(np.add(c, step))
                if d in number:
                    flow = 1 / (0.5 / k[c] + 0.5 / k[d])  # two half cells in a row
                    matrix[number[c], number[c]] += flow
                    matrix[number[c], number[d]] -= flow
        return np.mean(np.linalg.solve(matrix, x.ravel()) ** exponent) ** (1 / exponent)

    return np.log(1 + norm(filled) / norm(np.ones_like(filled)))


@pytest.mark.parametrize("shape", [FLAT, SPACE])
def test_the_value_is_that_of_a_balance_of_heat(shape):
    x = np.random.default_rng(0).random((2, *shape))
    law, border = SIMP(3.0, 1e-3), np.pad(np.zeros([n - 2 for n in shape], dtype=bool), 1, constant_values=True)
    solid = Connected(left(shape), exponent=4.0, conductivity=law)({"density": x})
    np.testing.assert_allclose(solid, [by_hand(image, left(shape), law, 4.0) for image in x], rtol=1e-9)
    void = EnclosedVoids()({"density": x})
    np.testing.assert_allclose(void, [by_hand(1 - image, border, RAMP(8.0, 1e-4), 8.0) for image in x], rtol=1e-9)


def test_a_bar_cooled_at_one_end_has_the_parabola():
    """Each face carries the heat of all cells behind it; the port is half a cell in front of the first."""
    n, exponent = 12, 3.0
    bar = np.concatenate([np.ones(n), np.zeros(4)])[:, None]

    def heated(cells):
        return np.cumsum(np.arange(cells, 0, -1)) - cells / 2

    temperature = np.pad(heated(n), (0, 4), mode="edge")  # the void beyond has no heat of its own
    ratio = np.mean(temperature**exponent) / np.mean(heated(n + 4) ** exponent)
    expected = np.log(1 + ratio ** (1 / exponent))
    term = Connected(left((n + 4, 1)), exponent=exponent)
    assert term({"density": bar[None]})[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("shape", [FLAT, SPACE])
def test_gradients_are_exact(shape):
    for term in (Connected(left(shape)), Connected(left(shape), conductivity=SIMP(3.0, 1e-3)), EnclosedVoids()):
        assert taylor_orders(term, shape) == pytest.approx([2, 2], abs=0.1)


def test_full_empty_and_overshooting_densities():
    term, voids = Connected(left(SHAPE)), EnclosedVoids()
    levels = {"density": np.stack([np.full(SHAPE, level) for level in (-0.2, 0.0, 1.0, 1.2)])}
    np.testing.assert_allclose(term(levels), [0, 0, np.log(2), np.log(2)], atol=1e-12)
    np.testing.assert_allclose(voids(levels), [np.log(2), np.log(2), 0, 0], atol=1e-12)
    for one in (term, voids):
        slope = one.gradient(levels)["density"]
        assert np.isfinite(slope).all()
        assert not slope[[0, 3]].any()
        np.testing.assert_array_equal(one.measure(levels), 0)


def test_cut_off_pieces_are_counted_over_faces_and_voids_over_corners():
    corner = np.zeros((1, *SHAPE))
    corner[0, :12, :8] = corner[0, 12:, 8:] = 1
    term = Connected(left(SHAPE))
    assert term.measure({"density": island()})[0] == 25 / (96 + 25)
    assert term.measure({"density": corner})[0] == 0.5
    voids = EnclosedVoids()
    assert voids.measure({"density": cavity()})[0] == 36 / (36 + 40)
    assert voids.measure({"density": corner})[0] == 0
    leak = cavity()
    for k in range(2, 6):
        leak[0, k, k + 1] = 0  # a channel that is joined over corners only
    assert voids.measure({"density": leak})[0] == 0
    box = np.pad(np.zeros((1, 2, 2, 2)), ((0, 0), (1, 1), (1, 1), (1, 1)), constant_values=1)
    assert voids.measure({"density": box})[0] == 1
    box[0, 0, 1, 1] = 0
    assert voids.measure({"density": box})[0] == 0


def test_an_island_and_a_cavity_stand_out_from_good_and_slender_designs():
    bridge, slot = island(), cavity()
    bridge[0, 12:15, 7], slot[0, :, 9] = 1, 0
    term, voids = Connected(left(SHAPE)), EnclosedVoids()
    assert term({"density": island()})[0] > 2 * term({"density": bridge})[0]
    assert voids({"density": cavity()})[0] > 2 * voids({"density": slot})[0]


@pytest.mark.parametrize(
    ("term", "bad", "steps"), [(Connected(left(SHAPE)), island(), 100), (EnclosedVoids(), cavity(), 15)]
)
def test_descent_joins_what_is_cut_off(term, bad, steps):
    better = descend(term, bad, steps)
    assert term.measure({"density": bad})[0] > 0.2
    assert term.measure({"density": better})[0] == 0
    assert np.mean((better > 0.5) == (bad > 0.5)) > 0.8


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="at least one port"):
        Connected(np.zeros(SHAPE))
    for make in (lambda: Connected(left(SHAPE), exponent=0.5), lambda: EnclosedVoids(exponent=np.inf)):
        with pytest.raises(ValueError, match="exponent: expected a number of at least 1"):
            make()
    with pytest.raises(ContractError, match="expected shape \\(batch, 24, 16\\), got \\(1, 20, 20\\)"):
        Connected(left(SHAPE))({"density": cavity()})
