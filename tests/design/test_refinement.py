"""Refinement of cells by pixel flips, against the solver, closed forms and counting by hand."""

import numpy as np
import pytest

from genmech_fem.adapters import pixel_homogenization
from genmech_fem.design.pixel_flips import FlipFactors, PixelFlips
from genmech_fem.design.refinement import refine_cell
from genmech_fem.errors import ContractError
from genmech_fem.fields import ScalarSpec
from genmech_fem.metrics import relative_frobenius
from genmech_fem.microstructure import GaussianRandomField, phase_spec

MODULI = 3.5, 70.0
SOLVER = pixel_homogenization(16)
PHASES = np.concatenate([GaussianRandomField(16)(np.random.default_rng(i))["phase"] for i in range(6)]) > 0.5


class Voigt:
    """The mean over the cell of the modulus times a tensor: each flip adds the same."""

    inputs = (phase_spec(16),)
    outputs = (ScalarSpec("stiffness", 3),)
    tensor = np.array([2.0, 0.5, 1.0])

    def __call__(self, inputs):
        return {"stiffness": inputs["phase"].mean(axis=(1, 2))[:, None] * self.tensor}

    def vjp(self, inputs, cotangents):
        slope = (cotangents["stiffness"] @ self.tensor)[:, None, None] / 256
        return {"phase": np.broadcast_to(slope, inputs["phase"].shape)}


def stiffness(phase):
    return SOLVER({"youngs_modulus": np.where(phase, *MODULI[::-1])[None]})["stiffness"][0]


def test_real_cells_reach_the_tensors_of_others():
    for phase, start in ((PHASES[0], PHASES[1]), (PHASES[2], PHASES[3])):
        target = stiffness(phase)
        found = refine_cell(SOLVER, target, [start], PixelFlips(MODULI), solves=30, accept=0.01)
        assert relative_frobenius(stiffness(start), target) > 0.1
        assert found.error <= 0.01
        assert found.phase.dtype == bool
        assert found.tensor == pytest.approx(stiffness(found.phase), rel=1e-9)
        assert found.error == pytest.approx(relative_frobenius(found.tensor, target), rel=1e-9)
        assert found.solves <= 30
        assert found.history[-1] == found.error
        assert list(found.history) == sorted(found.history, reverse=True)


def test_what_phase_0_is_does_not_matter():
    target = stiffness(PHASES[4])
    found = [
        refine_cell(SOLVER, target, [start], PixelFlips(moduli), solves=12)
        for start, moduli in ((PHASES[5], MODULI), (~PHASES[5], MODULI[::-1]))
    ]
    assert (found[0].phase == ~found[1].phase).all()


def test_the_factors_are_learnt_where_derivatives_are_exact():
    values, start = (1.0, 20.0), np.zeros((1, 16, 16), dtype=bool)
    start[0, 4:12, 4:12] = True
    for share in (0.2, 0.35):
        wanted = 1 + 19 * round(256 * share) / 256
        found = refine_cell(Voigt(), wanted * Voigt.tensor, start, PixelFlips(values, most=0.2), accept=1e-9)
        assert abs(found.phase.sum() - 256 * share) <= 1.5


def test_the_filter_finds_the_factors():
    generator, factors, truth = np.random.default_rng(0), FlipFactors((1.0, 20.0)), np.array([0.3, 2.5])
    assert factors.values == pytest.approx([20 ** (-2 / 3), 20**0.5])
    for _ in range(20):
        predicted = generator.standard_normal((6, 2)) * [10, 1]
        factors.learn(predicted, predicted @ truth)
    assert factors.values == pytest.approx(truth, rel=0.02)


def test_flips_add_up_to_what_is_missing():
    effects, free = np.diag([1.0, 2.0, 4.0, 8.0])[:, :3], np.zeros(4)
    missing = np.array([1.0, 0.0, 4.0])
    assert sorted(PixelFlips.best(missing, effects, free, 10)) == [0, 2]
    assert list(PixelFlips.best(missing, effects, free, 1)) == [2]
    assert list(PixelFlips.best(missing, effects, np.array([2.0, 0, 0, 0]), 10)) == [2]
    assert not len(PixelFlips.best(missing, -effects, free, 10))


@pytest.mark.parametrize("boundary", ["periodic", "open"])
@pytest.mark.parametrize("shape", [(4, 5), (3, 4, 3)])
def test_unlike_neighbours_are_counted(boundary, shape):
    phase = np.random.default_rng(1).random(shape) > 0.5
    count = np.zeros(shape, dtype=int)
    for place in np.ndindex(shape):
        for axis in range(len(shape)):
            for side in (1, -1):
                other = list(place)
                other[axis] += side
                if boundary == "periodic" or 0 <= other[axis] < shape[axis]:
                    count[place] += phase[tuple(np.mod(other, shape))] != phase[place]
    assert (PixelFlips((1.0, 2.0), boundary=boundary).unlike(phase) == count).all()


def test_it_goes_on_from_the_next_start_where_one_gets_stuck():
    blank = np.zeros((16, 16), dtype=bool)
    found = refine_cell(SOLVER, stiffness(PHASES[0]), [blank, PHASES[0]], PixelFlips(MODULI), solves=9)
    assert (found.start, found.solves) == (1, 2)
    assert found.error == pytest.approx(0, abs=1e-12)


def test_solves_are_kept_within_the_budget():
    found = refine_cell(SOLVER, stiffness(PHASES[0]), PHASES[1:3], PixelFlips(MODULI), solves=3, accept=0)
    assert found.solves == 3


def test_bad_input_says_what_was_expected():
    flips, target = PixelFlips(MODULI), stiffness(PHASES[0])
    with pytest.raises(ContractError, match=r"expected starts \(starts, \(16, 16\)\), got shape \(16, 16\)"):
        refine_cell(SOLVER, target, PHASES[0], flips)
    with pytest.raises(ContractError, match=r"expected a target \(6,\), not 0, got"):
        refine_cell(SOLVER, target[:3], PHASES[:1], flips)
    with pytest.raises(ValueError, match="solves >= 1 and accept >= 0, got 0 and 0.005"):
        refine_cell(SOLVER, target, PHASES[:1], flips, solves=0)
    with pytest.raises(ValueError, match="two different values above 0"):
        PixelFlips((0.0, 1.0))
    with pytest.raises(ValueError, match="patience >= 1"):
        PixelFlips(MODULI, patience=0)
