"""Optimisers without optional packages, against known optima."""

import threading

import numpy as np
import pytest
from driving import BEAM, CENTRE, asks_the_same, beam, box, drive, quadratic, rosenbrock

from genmech_fem.design.adam import Adam
from genmech_fem.design.cma import CMAES
from genmech_fem.design.map_elites import MapElites, cell_numbers
from genmech_fem.design.optimizers import LBFGS, TrustConstr
from genmech_fem.design.search import Evaluation
from genmech_fem.errors import ContractError

ALL = [LBFGS(), TrustConstr(), Adam(0.1, steps=400), CMAES(0.5, seed=1)]


@pytest.mark.parametrize("optimizer", ALL)
def test_a_convex_quadratic_reaches_its_optimum(optimizer):
    run = drive(optimizer.search(box(np.zeros(3))), quadratic)
    np.testing.assert_allclose(run.best, CENTRE, atol=1e-4)
    assert run.message


@pytest.mark.parametrize("optimizer", [LBFGS(), TrustConstr(), CMAES(0.3, seed=1)])
@pytest.mark.parametrize("start", [(-1.0, 1.0), (-1.5, -0.5), (0.5, 0.8)])
def test_rosenbrock_in_a_box_that_cuts_off_its_optimum(optimizer, start):
    run = drive(optimizer.search(box(start, [-1.5, -0.5], [0.8, 2.0])), rosenbrock, 2000)
    np.testing.assert_allclose(run.best, [0.8, 0.64], atol=1e-3)
    assert (run.designs >= [-1.5, -0.5]).all()
    assert (run.designs <= [0.8, 2.0]).all()


@pytest.mark.parametrize("start", [1.0, 3.0, 10.0])
def test_the_trust_region_solves_the_cantilever_of_svanberg(start):
    run = drive(TrustConstr().search(box(np.full(5, start), 1, 10, constraints=1)), beam)
    np.testing.assert_allclose(run.designs[-1], BEAM, rtol=1e-4)
    assert run.constraints[-1, 0] == pytest.approx(0, abs=1e-6)
    assert run.designs.min() >= 1


def halfspace(x):
    """The quadratic with sum x <= 0: by KKT x = CENTRE - mu / (2 CURVATURE)."""
    found = quadratic(x)
    return Evaluation(found.values, x.sum(axis=1, keepdims=True), found.gradients, np.ones((len(x), 1, 3)))


def test_a_linear_constraint_gives_no_warning_and_the_known_optimum():
    run = drive(TrustConstr().search(box(np.zeros(3), constraints=1)), halfspace)
    share = 1 / np.array([1.0, 4.0, 9.0])
    np.testing.assert_allclose(run.designs[-1], CENTRE - CENTRE.sum() * share / share.sum(), atol=1e-6)


def test_cma_keeps_constraints():
    run = drive(CMAES(0.5, seed=2).search(box(np.zeros(3), constraints=1)), halfspace)
    share = 1 / np.array([1.0, 4.0, 9.0])
    np.testing.assert_allclose(run.best, CENTRE - CENTRE.sum() * share / share.sum(), atol=1e-2)


def test_adam_moves_each_of_several_starts_as_it_does_alone():
    starts = np.random.default_rng(0).standard_normal((4, 3))
    together = drive(Adam(0.1).search(box(starts)), quadratic, 20)
    for i, start in enumerate(starts):
        alone = drive(Adam(0.1).search(box(start)), quadratic, 20)
        np.testing.assert_array_equal([x[i] for x in together.asked], alone.designs)


def test_adam_ends_after_its_steps_at_the_last_design():
    run = drive(Adam(0.1, steps=5).search(box(np.zeros(3))), quadratic)
    assert (len(run.asked), run.message) == (6, "Adam: 5 steps done")
    changes = np.abs(np.diff(run.designs, axis=0)).max(axis=1)
    np.testing.assert_allclose(changes[0], 0.1)
    assert 0 < changes[-1] < 0.02


def test_adam_stays_in_its_bounds():
    run = drive(Adam(0.3).search(box(np.zeros(3), -0.1, 0.4)), quadratic, 50)
    assert run.designs.min() == -0.1
    assert run.designs.max() == 0.4
    np.testing.assert_allclose(run.designs[-1], np.clip(CENTRE, -0.1, 0.4), atol=1e-3)


@pytest.mark.parametrize("optimizer", ALL)
def test_the_same_answers_give_the_same_questions(optimizer):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    assert asks_the_same(optimizer, box(np.zeros(3), -1, 1), quadratic, 20)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize("optimizer", [LBFGS(), TrustConstr()])
def test_a_search_that_is_closed_leaves_no_thread(optimizer):
    threads = threading.active_count()
    drive(optimizer.search(box(np.zeros(3))), quadratic, 2)
    assert threading.active_count() == threads


@pytest.mark.parametrize("optimizer", [LBFGS(), TrustConstr(), Adam(0.1)])
def test_answers_without_gradients_are_refused_where_they_are_given(optimizer):
    with pytest.raises(ContractError, match="needs gradients"):
        drive(optimizer.search(box(np.zeros(3))), lambda x: Evaluation(np.zeros((1, 1)), np.empty((1, 0))))


@pytest.mark.parametrize("optimizer", [LBFGS(), Adam(0.1)])
def test_constraints_are_refused_by_those_that_would_not_keep_them(optimizer):
    with pytest.raises(ContractError, match="knows no constraints"):
        drive(optimizer.search(box(np.zeros(3), constraints=1)), halfspace)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Adam(0.0), "expected rate > 0"),
        (lambda: Adam(0.1, decay=(1.0, 0.9)), r"decays in \[0, 1\)"),
        (lambda: Adam(0.1, steps=0), "at least one step"),
        (lambda: CMAES(-1.0), "expected sigma > 0"),
        (lambda: CMAES(1.0, population=3), "population >= 4"),
        (lambda: MapElites(((0, 1),), (2, 2), 0.1), "a range .* and cells for each measure"),
        (lambda: MapElites(((1, 1),), (2,), 0.1), "a range .* and cells for each measure"),
        (lambda: MapElites(((0, 1),), (0,), 0.1), "a range .* and cells for each measure"),
        (lambda: MapElites(((0, 1),), (2,), 0.0), "expected sigma > 0"),
    ],
)
def test_bad_settings_are_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()


def measured(x):
    """Distance to (0.3, 0.3, ...), and the first two variables as measures."""
    return Evaluation(np.column_stack([((x - 0.3) ** 2).sum(axis=1), x[:, :2]]), np.empty((len(x), 0)))


RANGES, CELLS = ((-1.0, 1.0), (-1.0, 1.0)), (5, 4)


def elites(run):
    """Least value of each cell, infinite where there is none."""
    least = np.full(np.prod(CELLS), np.inf)
    numbers = cell_numbers(run.values[:, 1:], RANGES, CELLS)
    np.minimum.at(least, numbers[numbers >= 0], run.values[numbers >= 0, 0])
    return least.reshape(CELLS)


def least_values():
    """Known optimum of each cell: its point nearest to 0.3."""
    edges = [np.linspace(*range_, count + 1) for range_, count in zip(RANGES, CELLS, strict=True)]
    nearest = [np.clip(0.3, edge[:-1], edge[1:]) for edge in edges]
    return (nearest[0][:, None] - 0.3) ** 2 + (nearest[1][None] - 0.3) ** 2


def test_elites_fill_all_cells_with_nearly_their_optima():
    run = drive(MapElites(RANGES, CELLS, 0.2).search(box(np.zeros((2, 4)), -1, 1, objectives=3)), measured, 100)
    gap = elites(run) - least_values()
    assert gap.min() > -1e-12
    assert gap.max() < 0.2
    assert gap.mean() < 0.06


def test_elites_keep_constraints_and_ranges():
    """Only designs with x_0 <= 0 are parents, so few others are asked for."""

    def answer(x):
        return Evaluation(measured(x).values, x[:, :1])

    space = box(np.full(4, -0.5), -3, 3, objectives=3, constraints=1)
    run = drive(MapElites(RANGES, CELLS, 0.01, line=0.0).search(space), answer, 60)
    assert run.designs[:, 0].max() < 0.05
    free = drive(
        MapElites(RANGES, CELLS, 0.01, line=0.0).search(box(np.full(4, -0.5), -3, 3, objectives=3)), measured, 60
    )
    assert np.abs(free.designs[:, :2]).max() < 1.05


def test_elites_ask_the_same_and_count_their_objectives():
    optimizer = MapElites(RANGES, CELLS, 0.1, seed=3)
    assert asks_the_same(optimizer, box(np.zeros((2, 4)), -1, 1, objectives=3), measured, 10)
    with pytest.raises(ContractError, match="MapElites: expected 3 objective"):
        next(optimizer.search(box(np.zeros(4), objectives=2)))


def test_cells_are_those_of_a_count_by_hand():
    measures = np.array([[-1.0, -1.0], [1.0, 1.0], [-0.61, -0.51], [0.1, 0.1], [1.01, 0.0], [0.0, -1.01], [np.nan, 0]])
    np.testing.assert_array_equal(cell_numbers(measures, RANGES, CELLS), [0, 19, 0, 2 * 4 + 2, -1, -1, -1])
