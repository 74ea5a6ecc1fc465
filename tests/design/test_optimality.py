"""Optimality criteria against the solution of a separable problem."""

import numpy as np
import pytest
from driving import asks_the_same, box, drive, separable

from genmech_fem.design.optimality import OptimalityCriteria
from genmech_fem.design.search import Evaluation
from genmech_fem.errors import ContractError

WEIGHTS = 10 ** np.random.default_rng(0).uniform(-2, 1, 40)
ANSWER, SOLUTION = separable(WEIGHTS, 0.4)


@pytest.mark.parametrize("start", [0.05, 0.4, 1.0])
@pytest.mark.parametrize("lower", [0.0, 0.3])
def test_the_separable_problem_reaches_its_solution(start, lower):
    space = box(np.full(40, max(start, lower)), lower, 1, constraints=1)
    run = drive(OptimalityCriteria(tolerance=1e-9).search(space), ANSWER)
    expected = SOLUTION(lower)
    assert expected.max() == 1 or expected.min() == lower
    np.testing.assert_allclose(run.designs[-1], expected, atol=1e-7)
    assert "no variable changed by more than 1e-09" in run.message


def test_one_step_without_move_limits_is_the_solution():
    run = drive(OptimalityCriteria(move=1.0).search(box(np.full(40, 0.4), 0, 1, constraints=1)), ANSWER, 2)
    np.testing.assert_allclose(run.designs[1], SOLUTION(0.0), atol=1e-8)


def test_no_variable_moves_further_than_the_limit():
    run = drive(OptimalityCriteria(move=0.05).search(box(np.full(40, 0.4), 0, 1, constraints=1)), ANSWER)
    changes = np.abs(np.diff(run.designs, axis=0))
    assert changes.max() == pytest.approx(0.05)
    np.testing.assert_allclose(run.constraints[1:], 0, atol=1e-8)


def test_a_slack_constraint_is_left_slack():
    answer, _ = separable(WEIGHTS, 2.0)
    run = drive(OptimalityCriteria().search(box(np.full(40, 0.4), 0, 1, constraints=1)), answer)
    np.testing.assert_array_equal(run.designs[-1], 1.0)


def test_the_same_answers_give_the_same_questions():
    assert asks_the_same(OptimalityCriteria(), box(np.full(40, 0.4), 0, 1, constraints=1), ANSWER, 4)


def changed(**arrays):
    def answer(x):
        found = ANSWER(x)
        given = {"gradients": found.gradients, "jacobians": found.jacobians, **arrays}
        return Evaluation(found.values, found.constraints, **given)

    return answer


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (changed(jacobians=-np.ones((1, 1, 40))), "a constraint that rises with each variable"),
        (changed(jacobians=np.eye(40)[:1, None]), "a constraint that rises with each variable"),
        (changed(gradients=np.ones((1, 40))), "an objective that some material lowers"),
        (changed(gradients=None), "needs gradients"),
    ],
)
def test_what_does_not_suit_the_rule_is_refused(answer, text):
    with pytest.raises(ContractError, match=text):
        drive(OptimalityCriteria().search(box(np.full(40, 0.4), 0, 1, constraints=1)), answer, 3)


def test_other_spaces_are_refused():
    for space in (box(np.ones(3), -1, 1, constraints=1), box(np.ones(3), 0, 1), box(np.ones(3), 0, 1, constraints=2)):
        with pytest.raises(ContractError, match="expected one constraint and variables >= 0.*use MMA"):
            next(OptimalityCriteria().search(space))
    with pytest.raises(ValueError, match="expected move and damping"):
        OptimalityCriteria(move=2.0)
