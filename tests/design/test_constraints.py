import numpy as np
import pytest

from genmech_fem.design import Constraint, Mean, TensorTarget, Value
from genmech_fem.design.constraints import check_constraints
from genmech_fem.errors import ContractError

ARRAYS = {"density": np.array([[0.2, 0.4], [0.5, 0.7]])}


@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        (Constraint(Mean(), most=0.5), [-0.4, 0.2]),
        (Constraint(Mean(), least=0.5), [0.4, -0.2]),
        (Constraint(Mean(), most=-0.5), [1.6, 2.2]),
        (Constraint(Mean(), most=0.0), [0.3, 0.6]),
        (Constraint(Mean(), most=0.5, scale=0.1), [-2.0, 1.0]),
    ],
)
def test_the_violation_is_relative_to_the_limit(constraint, expected):
    np.testing.assert_allclose(constraint(ARRAYS), expected)
    moved = {"density": ARRAYS["density"] + 1e-3}
    slope = constraint.gradient(ARRAYS)["density"].sum(axis=1)
    np.testing.assert_allclose(slope, (constraint(moved) - constraint(ARRAYS)) / 1e-3)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "expected a finite most or least, got None and None"),
        ({"most": 1.0, "least": 0.0}, "got 1.0 and 0.0"),
        ({"most": np.nan}, "got nan"),
        ({"least": -np.inf}, "got None and -inf"),
        ({"most": 1.0, "scale": 0.0}, "positive scale, got 0.0"),
        ({"most": 1.0, "scale": -1.0}, "positive scale, got -1.0"),
    ],
)
def test_limits_and_scales_are_checked(given, message):
    with pytest.raises(ContractError, match=message):
        Constraint(Mean(), **given)


def test_limits_that_contradict_each_other_are_refused():
    low, high = Constraint(Mean(), least=0.6), Constraint(Mean(), most=0.4)
    for pair in ((low, high), (high, low)):
        with pytest.raises(ContractError, match=r"Mean\(name='density'\) is at least 0.6 and at most 0.4"):
            check_constraints(pair)
    target = TensorTarget(np.ones(6))
    with pytest.raises(ContractError, match="contradicting"):
        check_constraints([Constraint(target, most=0.1), low, Constraint(target, least=0.2)])


def test_limits_that_a_design_can_keep_pass():
    check_constraints([Constraint(Mean(), least=0.4), Constraint(Mean(), most=0.4)])
    check_constraints([Constraint(Mean(), least=0.6), Constraint(Mean("other"), most=0.4)])
    check_constraints([Constraint(Mean(), least=0.6), Constraint(Mean(), least=0.8)])
    weights = np.ones(2)
    check_constraints([Constraint(Value("c", weights), least=0.1), Constraint(Value("c", weights.copy()), most=0.4)])
