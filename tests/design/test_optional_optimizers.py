"""Optimisers of optional packages, against known optima and fronts."""

import sys
import threading

import numpy as np
import pytest
from driving import BEAM, CENTRE, asks_the_same, beam, box, drive, needs, quadratic, rosenbrock, separable

from genmech_fem.design.botorch import Bayesian
from genmech_fem.design.map_elites import cell_numbers
from genmech_fem.design.nlopt import MMA
from genmech_fem.design.pymoo import NSGA2
from genmech_fem.design.ribs import CMAME
from genmech_fem.design.search import Evaluation, nondominated
from genmech_fem.errors import ContractError, MissingExtraError

UNIT = ((0.0, 1.0), (0.0, 1.0))
OPTIONAL = [
    ("nlopt", "nlopt", MMA(), box(np.zeros(3), -1, 1)),
    ("botorch", "bayesian", Bayesian(initial=3), box(np.zeros(3), -1, 1)),
    ("pymoo", "pareto", NSGA2(8), box(np.zeros(3), -1, 1)),
    ("ribs", "diversity", CMAME(UNIT, (4, 4), 0.3), box(np.zeros(3), -1, 1, objectives=3)),
]
MARKS = {package: [needs(package)] for package, *_ in OPTIONAL}
MARKS["ribs"].append(pytest.mark.slow)  # numba compiles for half a minute


@pytest.mark.parametrize(("package", "extra", "optimizer", "space"), OPTIONAL)
def test_a_missing_package_names_its_extra(package, extra, optimizer, space, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"'{package}'.*genmech_fem\[{extra}\]"):
        next(optimizer.search(space))


def many(x):
    """The quadratic as objective, and two variables as further ones."""
    found = quadratic(x)
    return Evaluation(np.column_stack([found.values, x[:, :2]]), found.constraints)


@pytest.mark.parametrize(
    ("optimizer", "space", "answer"),
    [
        pytest.param(*rest, many if rest[1].objectives > 1 else quadratic, marks=MARKS[package], id=package)
        for package, _, *rest in OPTIONAL
    ],
)
def test_the_same_answers_give_the_same_questions(optimizer, space, answer):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    threads = threading.active_count()
    assert asks_the_same(optimizer, space, answer, 4)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert threading.active_count() == threads


@needs("nlopt")
@pytest.mark.parametrize("quadratic_model", [False, True])
def test_mma_minimises_without_constraints(quadratic_model):
    run = drive(MMA(quadratic=quadratic_model).search(box(np.zeros(3))), quadratic)
    np.testing.assert_allclose(run.best, CENTRE, atol=1e-4)
    run = drive(MMA(quadratic=quadratic_model).search(box([-1.0, 1.0], [-1.5, -0.5], [0.8, 2.0])), rosenbrock, 2000)
    np.testing.assert_allclose(run.best, [0.8, 0.64], atol=1e-3)


@needs("nlopt")
@pytest.mark.parametrize("quadratic_model", [False, True])
@pytest.mark.parametrize("start", [1.0, 2.0, 3.0, 5.0, 10.0])
def test_mma_solves_the_cantilever_of_svanberg_from_designs_that_break_it_too(start, quadratic_model):
    run = drive(MMA(quadratic=quadratic_model).search(box(np.full(5, start), 1, 10, constraints=1)), beam)
    np.testing.assert_allclose(run.designs[-1], BEAM, atol=2e-4)
    assert run.constraints[-1, 0] == pytest.approx(0, abs=1e-6)
    assert run.designs.min() >= 1
    assert run.message == "MMA: the design rests"


def problem_71(x):
    """Hock and Schittkowski (1981), number 71, with its equation as an inequality that is active."""
    a, b, c, d = x.T
    product = x.prod(axis=1)
    gradients = np.stack([d * (2 * a + b + c), a * d, a * d + 1, a * (a + b + c)], axis=1)
    constraints = np.stack([(25 - product) / 25, ((x**2).sum(axis=1) - 40) / 40], axis=1)
    jacobians = np.stack([-product[:, None] / x / 25, x / 20], axis=1)
    return Evaluation((a * d * (a + b + c) + c)[:, None], constraints, gradients, jacobians)


@needs("nlopt")
@pytest.mark.parametrize("start", [(1.0, 5, 5, 1), (1.0, 1, 1, 1), (5.0, 5, 5, 5)])
def test_mma_solves_a_problem_with_two_constraints(start):
    run = drive(MMA().search(box(start, 1, 5, constraints=2)), problem_71)
    np.testing.assert_allclose(run.designs[-1], [1, 4.74299963, 3.82114998, 1.37940829], atol=1e-3)


@needs("nlopt")
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_mma_does_not_depend_on_the_unit_of_the_objective(scale):
    def scaled(x):
        found = beam(x)
        return Evaluation(scale * found.values, found.constraints, scale * found.gradients, found.jacobians)

    run = drive(MMA().search(box(np.full(5, 2.0), 1, 10, constraints=1)), scaled)
    np.testing.assert_allclose(run.designs[-1], BEAM, atol=2e-4)


@needs("nlopt")
@pytest.mark.parametrize("start", [0.2, 0.4, 0.9])
def test_mma_moves_thousands_of_variables_in_few_answers(start):
    answer, solution = separable(np.random.default_rng(0).uniform(0.5, 2, 5000), 0.4)
    run = drive(MMA(1e-5).search(box(np.full(5000, start), 1e-3, 1, constraints=1)), answer)
    np.testing.assert_allclose(run.designs[-1], solution(1e-3), atol=1e-3)
    assert len(run.asked) < 60


@needs("nlopt")
def test_mma_says_that_no_design_keeps_the_constraints():
    def impossible(x):
        found = quadratic(x)
        jacobians = 2 * x[:, None]
        return Evaluation(found.values, 1 + (x**2).sum(axis=1, keepdims=True), found.gradients, jacobians)

    run = drive(MMA().search(box(np.ones(3), -2, 2, constraints=1)), impossible, 2000)
    assert run.message == "MMA: found no design nearby that keeps the constraints"
    np.testing.assert_allclose(run.designs[-1], 0, atol=1e-2)


@needs("nlopt")
@pytest.mark.parametrize("quadratic_model", [False, True])
def test_the_first_step_of_mma_is_not_longer_than_asked(quadratic_model):
    longest = {}
    for move in (None, 0.01):
        run = drive(MMA(move=move, quadratic=quadratic_model).search(box(np.zeros(3), -5, 5)), quadratic, 2)
        longest[move] = np.abs(run.designs[1] - run.designs[0]).max()
    assert 0.001 < longest[0.01] <= 0.01 + 1e-12 < longest[None]


@needs("nlopt")
def test_a_search_of_mma_ends_quietly_when_it_is_closed_or_told_no_gradients():
    threads = threading.active_count()
    drive(MMA().search(box(np.full(5, 2.0), 1, 10, constraints=1)), beam, 3)
    with pytest.raises(ContractError, match="needs gradients"):
        drive(MMA().search(box(np.zeros(3))), lambda x: Evaluation(np.zeros((1, 1)), np.empty((1, 0))))
    assert threading.active_count() == threads


def branin(x):
    a, b = x.T
    bend = b - 5.1 / (4 * np.pi**2) * a**2 + 5 / np.pi * a - 6
    value = bend**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(a) + 10
    return Evaluation(value[:, None], np.empty((len(x), 0)))


@needs("botorch")
@pytest.mark.slow
def test_bayesian_optimisation_finds_a_minimum_of_branin_in_thirty_evaluations():
    run = drive(Bayesian(seed=0, initial=9).search(box([2.5, 7.5], [-5, 0], [10, 15])), branin, 21)
    assert len(run.designs) == 30
    assert run.values.min() - 0.397887 < 0.02


@needs("botorch")
def test_bayesian_optimisation_keeps_constraints_and_asks_for_batches():
    """Least (x + y) with x y >= 1/4, of which the best is x = y = 1/2."""

    def answer(x):
        return Evaluation(x.sum(axis=1, keepdims=True), 0.25 - x.prod(axis=1, keepdims=True))

    run = drive(Bayesian(initial=5, batch=2).search(box(np.zeros(2), 0, 1, constraints=1)), answer, 3)
    assert [len(x) for x in run.asked] == [6, 2, 2]
    kept = run.constraints[:, 0] <= 0
    assert run.values[kept].min() == pytest.approx(1, abs=0.03)


TOWARDS = np.array([[0.2, 0.3, 0.5], [0.8, 0.6, 0.5]])
DISTANCE = np.linalg.norm(TOWARDS[0] - TOWARDS[1])


def two_targets(x):
    """Squared distances to two points over that between them: on the front their roots add up to 1."""
    squares = ((x[:, None] - TOWARDS) ** 2).sum(axis=2)
    return Evaluation(squares / DISTANCE**2, np.empty((len(x), 0)))


def hypervolume(values):
    """Area that a front of two objectives dominates within the unit square."""
    values = values[(values <= 1).all(axis=1)]
    front = values[nondominated(values)]
    front = front[np.argsort(front[:, 0])]
    return float(np.sum(np.diff(np.append(front[:, 0], 1)) * (1 - front[:, 1])))


@needs("pymoo")
def test_nsga2_covers_a_known_front():
    run = drive(NSGA2(40, seed=1).search(box(np.zeros(3), 0, 1, objectives=2)), two_targets, 60)
    np.testing.assert_array_equal(run.designs[0], 0)
    assert run.designs.min() >= 0
    assert run.designs.max() <= 1
    assert 0.97 * 5 / 6 < hypervolume(run.values) < 5 / 6
    np.testing.assert_array_less(1 - 1e-12, np.sqrt(run.values).sum(axis=1))


@needs("pymoo")
def test_nsga2_keeps_constraints():
    """Half of the front is forbidden: the first objective stays above a quarter."""

    def answer(x):
        values = two_targets(x).values
        return Evaluation(values, 0.25 - values[:, :1])

    run = drive(NSGA2(40, seed=1).search(box(np.zeros(3), 0, 1, objectives=2, constraints=1)), answer, 60)
    kept = run.values[run.constraints[:, 0] <= 0]
    exact = 5 / 6 - (1 / 6 - 1 / 32)
    assert 0.97 * exact < hypervolume(kept) < exact
    assert (run.told[-1].constraints <= 0).mean() > 0.5


@needs("pymoo")
def test_nsga2_takes_more_starts_than_its_population_and_one_objective():
    starts = np.random.default_rng(0).random((12, 3))
    run = drive(NSGA2(8).search(box(starts, -1, 1)), quadratic, 60)
    np.testing.assert_array_equal(run.asked[0], starts)
    np.testing.assert_allclose(run.best, CENTRE, atol=0.05)


@needs("ribs")
@pytest.mark.slow
def test_cma_me_fills_the_archive():
    ranges, cells = ((-1.0, 1.0), (-1.0, 1.0)), (5, 5)
    search = CMAME(ranges, cells, 0.3).search(box(np.zeros((2, 3)), -1, 1, objectives=3))
    run = drive(search, many, 60)
    assert run.asked[0].shape == (72, 3)
    assert np.abs(run.designs).max() <= 1
    assert set(cell_numbers(run.values[:, 1:], ranges, cells)) == set(range(25))


@needs("botorch")
@needs("pymoo")
@pytest.mark.parametrize("optimizer", [Bayesian(), NSGA2()])
def test_finite_bounds_are_asked_for(optimizer):
    with pytest.raises(ContractError, match="expected finite bounds, got 3 of 3"):
        next(optimizer.search(box(np.zeros(3), 0)))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: MMA(0.0), r"tolerance in \(0, 1\)"),
        (lambda: MMA(move=-1.0), "move > 0"),
        (lambda: Bayesian(batch=0), "initial and batch of at least 1"),
        (lambda: Bayesian(initial=0), "initial and batch of at least 1"),
        (lambda: NSGA2(2), "population of at least 4"),
        (lambda: CMAME(UNIT, (4,), 0.1), "a range .* and cells for each measure"),
        (lambda: CMAME(UNIT, (4, 4), 0.0), "expected sigma > 0"),
    ],
)
def test_bad_settings_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()
