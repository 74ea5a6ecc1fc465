"""Designs that are solved again by independent means."""

import numpy as np
import pytest

from genmech_fem.adapters import ConformingHomogenization, Material, pixel_homogenization
from genmech_fem.design import LBFGS, SIMP, Densities, DensityFilter, Projection, TensorTarget, Value, minimize, verify
from genmech_fem.errors import ContractError, ConvergenceError, GenmechError
from genmech_fem.fields import FieldSpec, ScalarSpec
from genmech_fem.forward import FunctionModel, compose
from genmech_fem.metrics import relative_frobenius
from genmech_fem.microstructure import phase_grid, phase_spec
from genmech_fem.runtime import Verdict

VALUE = Value("y")
DESIGNS = {"x": np.array([[3.0], [-1.0], [1.0], [2.0], [-2.0]])}


class Scaled:
    """y = factor x, of which some x are refused; it counts its calls."""

    inputs, outputs = (ScalarSpec("x"),), (ScalarSpec("y"),)

    def __init__(self, factor, *refused):
        self.factor, self.refused, self.calls = factor, refused, 0

    def __call__(self, inputs):
        self.calls += len(inputs["x"])
        if inputs["x"].item() in self.refused:
            raise ConvergenceError(f"no solution at {inputs['x'].item():g}")
        return {"y": self.factor * inputs["x"]}


def test_designs_come_best_first_and_failures_are_listed():
    verifier = Scaled(2.0, -1.0, 2.0)
    found = verify(verifier, DESIGNS, VALUE)
    np.testing.assert_array_equal(found.designs["x"][:, 0], [-2, 1, 3])
    np.testing.assert_array_equal(found.values, [-4, 2, 6])
    np.testing.assert_array_equal(found.verified["y"][:, 0], [-4, 2, 6])
    assert found.failures == {1: "no solution at -1", 3: "no solution at 2"}
    assert found.solves == verifier.calls == 5
    assert np.isnan(found.predicted_values).all()
    assert np.isnan(found.certificates).all()
    assert np.isnan(found.finer_values).all()


def test_predictions_certificates_and_finer_values_follow_their_designs():
    verifier, finer = Scaled(2.0, -1.0), Scaled(2.5, 1.0, -2.0)
    predicted = {"y": 1.5 * DESIGNS["x"]}
    found = verify(verifier, DESIGNS, VALUE, predicted, certificates=10 * DESIGNS["x"][:, 0], finer=finer)
    x = found.designs["x"][:, 0]
    np.testing.assert_array_equal(x, [-2, 1, 2, 3])
    np.testing.assert_array_equal(found.predicted["y"][:, 0], 1.5 * x)
    np.testing.assert_array_equal(found.predicted_values, 1.5 * x)
    np.testing.assert_array_equal(found.certificates, 10 * x)
    np.testing.assert_array_equal(found.finer_values, [np.nan, np.nan, 5, 7.5])
    assert found.solves == verifier.calls + finer.calls == 5 + 4


def test_designs_of_which_none_can_be_solved_are_an_error():
    with pytest.raises(GenmechError, match="none of the 2 designs could be verified; the first: no solution at -1"):
        verify(Scaled(1.0, -1.0, -2.0), {"x": DESIGNS["x"][[1, 4]]}, VALUE)
    finer = verify(Scaled(1.0), {"x": DESIGNS["x"][:1]}, VALUE, finer=Scaled(1.0, 3.0))
    assert np.isnan(finer.finer_values).all()


SIZE = 16
SOFT, STIFF = Material(1.0, 0.3), Material(3.0, 0.3)


class Constant:
    """A guard that bounds every error by the same number."""

    name = "constant"

    def judge(self, inputs, outputs):
        assert set(inputs) == {"variables"}
        assert {"density", "stiffness"} <= set(outputs)
        return Verdict(np.ones(1, dtype=bool), np.array([0.2]))


def meshed(refine):
    """From the density, by its contour, to the stiffness on a conforming mesh."""
    grid = phase_grid(SIZE)
    phase = FunctionModel(lambda a: {"phase": a["density"]}, (FieldSpec("density", grid),), (phase_spec(SIZE),))
    return compose(phase, ConformingHomogenization(SIZE, SOFT, STIFF, refine=refine))


def disc(radius):
    grid = phase_grid(SIZE)
    return np.clip(0.5 + (radius - np.linalg.norm(grid.points() - 0.5, axis=1)) * 8, 0, 1).reshape(1, SIZE, SIZE)


def test_a_cell_designed_on_pixels_is_meshed_and_solved_again():
    grid = phase_grid(SIZE)
    modulus = FieldSpec("youngs_modulus", grid, (), "GPa")
    interpolation = SIMP(1.0, SOFT.youngs_modulus, STIFF.youngs_modulus)
    densities = Densities(DensityFilter(grid, 1.5 / SIZE), interpolation, Projection(8.0), modulus=modulus)
    model = compose(densities, pixel_homogenization(SIZE), keep=True)
    wanted = model({"variables": disc(0.35)})["stiffness"]
    objective = TensorTarget(wanted[0])
    found = minimize(model, objective, {"variables": disc(0.25)}, LBFGS(), bounds={"variables": (0, 1)}, iterations=15)
    assert found.value < 0.01 * found.history[0]

    verified = found.verified(meshed(1), objective, finer=meshed(2), guard=Constant())
    assert verified.value == found.value
    candidates = verified.candidates
    np.testing.assert_array_equal(candidates.designs["density"], found.outputs["density"])
    np.testing.assert_allclose(candidates.predicted_values, found.value)
    conforming, finer = (meshed(refine)({"density": found.outputs["density"]}) for refine in (1, 2))
    np.testing.assert_allclose(candidates.verified["stiffness"], conforming["stiffness"])
    np.testing.assert_allclose(candidates.values, objective(conforming))
    np.testing.assert_allclose(candidates.finer_values, objective(finer))
    assert relative_frobenius(conforming["stiffness"], wanted[0])[0] < 0.05
    assert relative_frobenius(finer["stiffness"], conforming["stiffness"][0])[0] < 0.01
    np.testing.assert_array_equal(candidates.certificates, [0.2])
    assert candidates.solves == 2
    with pytest.raises(ContractError, match=r"the verifier takes \['phase'\], the design loop has \['density'"):
        found.verified(ConformingHomogenization(SIZE), objective)
