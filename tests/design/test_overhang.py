"""Overhangs and the filter of additive manufacturing."""

import numpy as np
import pytest
from test_manufacturability import FLAT, SPACE, descend, taylor_orders

from genmech_fem.design.overhang import Overhang, PrintFilter


def tee(arm=(10, 12)):
    """A column of 3 x 10 cells under a beam of 15 cells; axis 1 is up."""
    image = np.zeros((1, 17, 14))
    image[0, 7:10, : arm[0]] = image[0, 1:16, slice(*arm)] = 1
    return image


def printed_by_hand(x):
    """The filter from its formulas, cell by cell; the last axis is up."""
    P, eps = 40, 1e-4
    count = 3 if x.ndim == 2 else 5
    Q = P + np.log(count) / np.log(0.5)
    shift = 100 * np.finfo(float).tiny ** (1 / P)
    backshift = 0.95 * count ** (1 / Q) * shift ** (P / Q)
    printed = x.copy()
    for k in range(1, x.shape[-1]):
        below = np.pad(printed[..., k - 1], 1)
        for cell in np.ndindex(x.shape[:-1]):
            steps = [np.zeros(x.ndim - 1, int), *np.eye(x.ndim - 1, dtype=int), *-np.eye(x.ndim - 1, dtype=int)]
            supporters = [below[tuple(np.add(cell, step) + 1)] + shift for step in steps]
            support = sum(s**P for s in supporters) ** (1 / Q) - backshift
            own = x[(*cell, k)]
            printed[(*cell, k)] = (own + support - np.sqrt((own - support) ** 2 + eps) + np.sqrt(eps)) / 2
    return printed


@pytest.mark.parametrize("shape", [FLAT, SPACE])
def test_the_filter_is_that_of_the_papers_along_any_axis(shape):
    x = np.random.default_rng(0).random(shape)
    for axis in range(len(shape)):
        up = np.moveaxis(x, -1, axis)
        expected = np.moveaxis(printed_by_hand(x), -1, axis)
        np.testing.assert_allclose(PrintFilter(axis)(up[None])[0], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [FLAT, SPACE])
def test_gradients_are_exact(shape):
    for axis in range(len(shape)):
        assert taylor_orders(Overhang(axis), shape) == pytest.approx([2, 2], abs=0.1)
    generator, printer, h = np.random.default_rng(1), PrintFilter(0), 1e-6
    x, d, weight = (generator.uniform(0.1, 0.9, (2, *shape)) for _ in range(3))
    slope = np.vdot(weight, printer(x + h * d) - printer(x - h * d)) / (2 * h)
    assert np.vdot(printer.pull_back(x, weight), d) == pytest.approx(slope, rel=1e-7)


def test_empty_full_and_even_densities_have_finite_gradients_and_are_printable():
    term = Overhang(1)
    for level in (0.0, 0.5, 1.0):
        x = {"density": np.full((1, 12, 12), level)}
        assert term(x) < 1e-4
        assert np.isfinite(term.gradient(x)["density"]).all()


def test_the_unsupported_share_of_a_tee_and_of_slopes():
    up, down = np.tri(9, 9), np.tri(9, 9)[::-1, ::-1]
    steep, flat = np.eye(9), np.kron(np.eye(4), np.ones((2, 1)))  # bars at 45 and at 27 degrees
    term = Overhang(1)
    # of the flat bar the first layer and one cell of the second are held
    # the beam is held over 3 + 2 cells in its lower row and over 3 + 4 in its upper one
    assert term.measure({"density": tee()})[0] == (10 + 8) / 60
    for image, share in ((up, 0), (down, 0), (steep, 0), (flat, 5 / 8), (np.zeros((4, 4)), 0)):
        assert term.measure({"density": image[None]})[0] == pytest.approx(share), image


def test_in_space_a_pyramid_on_its_tip_prints_if_it_widens_by_one_face_neighbour_a_layer():
    x, y, z = np.indices((9, 9, 4))
    distance = np.abs(x - 4) + np.abs(y - 4)
    narrow, wide = (distance <= z), (np.maximum(np.abs(x - 4), np.abs(y - 4)) <= z)
    term = Overhang(2)
    held = (distance <= z)[wide].sum()
    np.testing.assert_allclose(
        term.measure({"density": np.stack([narrow, wide]).astype(float)}), [0, 1 - held / wide.sum()]
    )


def test_descent_makes_the_tee_printable():
    term = Overhang(1)
    better = descend(term, tee(), 20)
    assert term.measure({"density": better})[0] == 0
    assert better.sum() > 0.5 * tee().sum()


def test_the_axis_is_one_of_the_grid():
    with pytest.raises(ValueError, match="axis: expected 0 to 1, got 2"):
        Overhang(2)({"density": tee()})
