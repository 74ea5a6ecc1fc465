"""Objectives against closed forms and finite differences."""

import numpy as np
import pytest

from genmech_fem import plugins
from genmech_fem.design import (
    Connected,
    Constraint,
    EnclosedVoids,
    FieldTarget,
    Mean,
    MinimumFeature,
    Overhang,
    PNorm,
    TensorTarget,
    Value,
    Weighted,
)
from genmech_fem.design.objectives import value_and_gradient
from genmech_fem.metrics import symmetric_matrix

H = 1e-6
FIELDS = {
    "von_mises": np.random.default_rng(0).uniform(0.2, 2, (3, 4, 5)),
    "density": np.random.default_rng(1).uniform(0.2, 1, (3, 4, 5)),
    "compliance": np.random.default_rng(2).uniform(1, 2, (3, 2)),
    "stiffness": np.random.default_rng(3).uniform(1, 2, (3, 6)),
}
TARGET = np.random.default_rng(4).uniform(1, 2, 6)


@pytest.mark.parametrize(
    "objective",
    [
        Value("compliance"),
        Value("compliance", (0.5, -2.0)),
        Value("compliance", (1, 0)),
        Mean(),
        PNorm(),
        PNorm(p=2.5, q=1.0),
        PNorm(density=None),
        TensorTarget(TARGET),
        TensorTarget(TARGET, weights=[1, 0, 2, 1, 0.5, 0]),
        FieldTarget(FIELDS["density"][0] + 1, "von_mises"),
        Weighted((2.0, PNorm()), (-0.5, Mean()), (1.0, Value("compliance")), (3.0, Mean())),
    ],
)
def test_gradients_by_finite_differences(objective):
    generator = np.random.default_rng(5)
    gradient = objective.gradient(FIELDS)
    moved = {name: generator.standard_normal(array.shape) for name, array in FIELDS.items()}
    up, down = ({name: array + h * moved[name] for name, array in FIELDS.items()} for h in (H, -H))
    slope = sum((slope * moved[name]).reshape(3, -1).sum(axis=1) for name, slope in gradient.items())
    np.testing.assert_allclose(slope, (objective(up) - objective(down)) / (2 * H), rtol=1e-7, atol=1e-9)
    assert {name: array.shape for name, array in gradient.items()} == {name: FIELDS[name].shape for name in gradient}


def test_values_means_and_sums():
    np.testing.assert_allclose(Value("compliance", (3.0, 1.0))(FIELDS), FIELDS["compliance"] @ [3, 1])
    np.testing.assert_allclose(Value("von_mises")(FIELDS), FIELDS["von_mises"].sum(axis=(1, 2)))
    np.testing.assert_allclose(Mean()(FIELDS), FIELDS["density"].mean(axis=(1, 2)))
    both = Weighted((2.0, Mean()), (-1.0, Value("compliance")))
    np.testing.assert_allclose(both(FIELDS), 2 * Mean()(FIELDS) - Value("compliance")(FIELDS))
    with pytest.raises(ValueError, match="pairs of a weight and an objective, got none"):
        Weighted()


def test_value_and_gradient_together_are_those_apart():
    ports = np.zeros((4, 5), dtype=bool)
    ports[0] = True
    terms = Connected(ports), EnclosedVoids(), MinimumFeature(1.0), Overhang(), Mean()
    joint = Constraint(Weighted(*zip((2.0, -0.5, 3.0, 1.0, -1.0), terms, strict=True)), least=3.0)
    value, gradient = value_and_gradient(joint, FIELDS)
    np.testing.assert_array_equal(value, joint(FIELDS))
    np.testing.assert_array_equal(gradient["density"], joint.gradient(FIELDS)["density"])


def test_the_norm_tends_to_the_maximum_and_is_the_value_of_a_constant():
    peak = (FIELDS["von_mises"] * FIELDS["density"] ** 0.5).max(axis=(1, 2))
    errors = [np.abs(PNorm(p=p)(FIELDS) / peak - 1).max() for p in (4, 64, 4096)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-3
    np.testing.assert_allclose(PNorm("u", density=None)({"u": np.full((2, 3), 1e300)}), 1e300)


def test_stress_without_material_does_not_count():
    stress, solid = np.ones((1, 2, 2)), np.ones((1, 2, 2))
    stress[0, 0, 0], solid[0, 0, 0] = 5.0, 0.0
    arrays = {"von_mises": stress, "density": solid}
    assert PNorm().measure(arrays) == 1.0
    assert PNorm(density=None).measure(arrays) == 5.0
    np.testing.assert_allclose(PNorm(p=2)(arrays), np.sqrt(3 / 4), rtol=1e-6)
    nothing = {"von_mises": 0 * stress, "density": solid}
    np.testing.assert_array_equal(PNorm()(nothing), 0)
    np.testing.assert_array_equal(PNorm().gradient(nothing)["von_mises"], 0)


def test_the_tensor_distance_is_relative_and_free_entries_cost_nothing():
    objective, C = TensorTarget(TARGET), FIELDS["stiffness"]
    target = symmetric_matrix(TARGET)
    expected = [np.linalg.norm(symmetric_matrix(c) - target) / np.linalg.norm(target) for c in C]
    np.testing.assert_allclose(objective.measure(FIELDS), expected)
    np.testing.assert_allclose(objective(FIELDS), np.square(expected))
    one = TensorTarget(TARGET, weights=[1, 0, 0, 0, 0, 0])
    np.testing.assert_allclose(one(FIELDS), (C[:, 0] / TARGET[0] - 1) ** 2)


def test_the_field_distance_is_relative():
    objective = FieldTarget(FIELDS["density"][0], "u")
    np.testing.assert_allclose(objective({"u": 3 * FIELDS["density"][:1]}), 4.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TensorTarget(np.zeros(6)), "finite target that is not zero"),
        (lambda: TensorTarget(np.full(6, np.nan)), "finite target that is not zero"),
        (lambda: TensorTarget(np.ones(5)), "upper triangle"),
        (lambda: TensorTarget(TARGET, weights=np.full(6, -1.0)), "weights >= 0"),
        (lambda: TensorTarget(TARGET, weights=np.ones(3)), r"shape \(6,\)"),
        (lambda: FieldTarget(np.zeros(3), "u"), "FieldTarget: expected a finite target"),
    ],
)
def test_bad_targets_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_named_objectives_load():
    for name in plugins.names("objectives"):
        assert hasattr(plugins.load("objectives", name), "gradient")
    assert plugins.load("objectives", "tensor_target") is TensorTarget
    assert plugins.load("objectives", "field_target") is FieldTarget
