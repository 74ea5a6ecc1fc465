"""Smallest feature size; and the two checks that all terms of a density go through."""

from itertools import product

import numpy as np
import pytest

from genmech_fem.design.manufacturability import MinimumFeature
from genmech_fem.errors import ContractError, NotFiniteError
from genmech_fem.fields import FieldSpec, Grid, ScalarSpec
from genmech_fem.forward import check_vjp

FLAT, SPACE = (9, 8), (6, 5, 7)


class Total:
    """The sum of a term over the batch as a model, whose vjp is the term's gradient."""

    def __init__(self, term, shape):
        self.term, self.name = term, "density"
        self.inputs = (FieldSpec("density", Grid(shape, (0,) * len(shape), shape)),)
        self.outputs = (ScalarSpec("total"),)

    def __call__(self, inputs):
        return {"total": self.term(inputs).sum().reshape(1, 1)}

    def vjp(self, inputs, cotangents):
        return {"density": self.term.gradient(inputs)["density"] * cotangents["total"].item()}


def taylor_orders(term, shape, batch=3):
    """Order of the remainder at random and at nearly binary densities: 2 for the right gradient."""
    generator = np.random.default_rng(3)
    grey = generator.uniform(0.1, 0.9, (batch, *shape))
    nearly = np.where(generator.random(grey.shape) < 0.5, 0.03, 0.97) + generator.uniform(-0.02, 0.02, grey.shape)
    return [check_vjp(Total(term, shape), {"density": x}, generator, steps=(2e-5, 1e-5, 5e-6)) for x in (grey, nearly)]


def descend(term, x, steps, length=0.1):
    """Densities after steps against the gradient, the largest change of each being `length`."""
    for _ in range(steps):
        slope = term.gradient({"density": x})["density"]
        x = np.clip(x - length * slope / np.abs(slope).max(), 0, 1)
    return x


def neck():
    """Two squares of 8 cells, joined by 4 cells in a row."""
    image = np.zeros((1, 24, 16))
    image[0, 2:10, 4:12] = image[0, 14:22, 4:12] = image[0, 10:14, 8] = 1
    return image


@pytest.mark.parametrize("shape", [FLAT, SPACE])
def test_the_gradient_is_that_of_the_value(shape):
    assert taylor_orders(MinimumFeature(1.5), shape) == pytest.approx([2, 2], abs=0.1)


def test_a_neck_and_a_slit_are_counted():
    term = MinimumFeature(1.5)
    slit = 1 - neck()
    slit[0, 4, 0] = 0  # a hole of one cell at the border is as bad
    found = term.measure({"density": np.concatenate([neck(), slit, np.ones((1, 24, 16))])})
    np.testing.assert_array_equal(found * 24 * 16, [4, 5, 0])


def by_hand(image, radius):
    """Cells that opening or closing changes, from the definition, within the grid."""
    cells = list(np.ndindex(image.shape))
    near = {c: [d for d in cells if np.linalg.norm(np.subtract(c, d)) <= radius] for c in cells}

    def swept(x, choose):
        return {c: choose(x[d] for d in near[c]) for c in cells}

    opened = swept(swept({c: image[c] for c in cells}, min), max)
    closed = swept(swept({c: image[c] for c in cells}, max), min)
    return sum(opened[c] != image[c] or closed[c] != image[c] for c in cells)


@pytest.mark.parametrize(("shape", "radius"), list(product([FLAT, SPACE], [1.0, 1.5, 2.0])))
def test_the_value_tends_to_the_share_of_changed_cells(shape, radius):
    x = (np.random.default_rng(4).random((2, *shape)) < 0.85).astype(float)
    share = [by_hand(image, radius) / image.size for image in x]
    np.testing.assert_allclose(MinimumFeature(radius).measure({"density": x}), share)
    # a cell that both change counts once in the share, but no binary cell is changed by both
    np.testing.assert_allclose(MinimumFeature(radius, sharpness=300.0)({"density": x}), share, rtol=0.05)


def test_even_densities_cost_nothing_and_the_radius_is_a_length():
    np.testing.assert_allclose(MinimumFeature(2.0)({"density": np.full((1, 9, 9), 0.3)}), 0, atol=1e-20)
    fine, coarse = MinimumFeature(0.375, spacing=0.25), MinimumFeature(1.5)
    assert fine({"density": neck()}) == coarse({"density": neck()})
    assert fine.measure({"density": neck()}) == coarse.measure({"density": neck()})


def test_descent_removes_the_neck():
    term = MinimumFeature(1.5)
    better = descend(term, neck(), 15)
    assert term.measure({"density": better})[0] == 0 < term.measure({"density": neck()})[0]
    assert np.mean((better > 0.5) == (neck() > 0.5)) > 0.97  # the squares stay


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="a smaller disc is one cell"):
        MinimumFeature(0.5)
    with pytest.raises(ValueError, match="sharpness: expected a number above 0"):
        MinimumFeature(2.0, sharpness=0.0)
    term = MinimumFeature(2.0)
    with pytest.raises(ContractError, match="expected the field 'density', got \\['phase'\\]"):
        term({"phase": neck()})
    with pytest.raises(ContractError, match="expected a field \\(batch, nx, ny\\)"):
        term({"density": np.zeros((2, 5))})
    with pytest.raises(NotFiniteError, match="sample 0 holds NaN"):
        term.gradient({"density": np.full((1, 4, 4), np.nan)})
