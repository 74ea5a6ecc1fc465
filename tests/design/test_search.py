"""The protocol of optimisers and loops, and Pareto fronts."""

import contextlib
import threading

import numpy as np
import pytest
from driving import box, drive, quadratic

from genmech_fem.design.callbacks import called_back
from genmech_fem.design.search import given, nondominated
from genmech_fem.errors import ContractError


def dominated(values, i):
    return any((row <= values[i]).all() and (row < values[i]).any() for row in values)


@pytest.mark.parametrize("objectives", [1, 2, 3])
def test_the_front_is_that_of_brute_force(objectives):
    generator = np.random.default_rng(objectives)
    for values in (generator.random((60, objectives)), generator.integers(0, 4, (60, objectives)).astype(float)):
        expected = [not dominated(values, i) for i in range(len(values))]
        np.testing.assert_array_equal(nondominated(values), expected)


def test_the_front_takes_infinity_as_large_and_leaves_out_what_is_no_number():
    values = np.array([[0.0, 1.0], [np.nan, 0.0], [1.0, 0.0], [np.inf, -1.0], [np.inf, 0.0], [0.0, 1.0]])
    np.testing.assert_array_equal(nondominated(values), [True, False, True, True, False, True])
    assert nondominated(np.empty((0, 2))).shape == (0,)


def ask_twice(ask):
    return f"the sum is {sum(ask(np.full((1, 3), i)).values[0, 0] for i in range(2))}"


def test_a_search_of_callbacks_asks_tells_and_says_why_it_stopped():
    run = drive(called_back(ask_twice), quadratic)
    np.testing.assert_array_equal(run.designs, [[0.0] * 3, [1.0] * 3])
    assert run.message == f"the sum is {run.values.sum()}"


def test_designs_are_evaluated_in_the_thread_that_drives():
    seen = []
    drive(called_back(ask_twice), lambda x: seen.append(threading.get_ident()) or quadratic(x))
    assert set(seen) == {threading.get_ident()}


def fail(ask):
    ask(np.zeros((1, 3)))
    raise ZeroDivisionError("in the optimiser")


def test_an_error_of_the_optimiser_is_raised_where_the_search_is_driven():
    threads = threading.active_count()
    with pytest.raises(ZeroDivisionError, match="in the optimiser"):
        drive(called_back(fail), quadratic)
    assert threading.active_count() == threads


def stubborn(ask):
    for _ in range(3):
        with contextlib.suppress(Exception):
            ask(np.zeros((1, 3)))
    return "ended"


def endless(ask):
    while True:
        ask(np.zeros((1, 3)))


@pytest.mark.parametrize("run", [endless, stubborn, ask_twice])
def test_a_search_that_is_closed_leaves_no_thread(run):
    threads = threading.active_count()
    search = called_back(run)
    next(search)
    assert threading.active_count() == threads + 1
    search.close()
    assert threading.active_count() == threads
    search = called_back(run)
    next(search)
    with pytest.raises(KeyboardInterrupt):
        search.throw(KeyboardInterrupt)
    assert threading.active_count() == threads


def test_a_search_that_never_began_has_no_thread():
    threads = threading.active_count()
    called_back(endless).close()
    assert threading.active_count() == threads


def test_what_an_optimiser_cannot_look_at_is_refused():
    with pytest.raises(ContractError, match="A: expected one start, got 2"):
        box(np.zeros((2, 3))).single("A")
    with pytest.raises(ContractError, match="A: expected 1 objective.*got 2"):
        box(np.zeros(3), objectives=2).single("A")
    with pytest.raises(ContractError, match="A knows no constraints, got 1: use MMA"):
        box(np.zeros(3), constraints=1).single("A", constraints=False)
    with pytest.raises(ContractError, match="A: expected finite bounds, got 2 of 3 variables without"):
        box(np.zeros(3), [-1, -1, -np.inf], [1, np.inf, np.inf]).box("A")
    with pytest.raises(ContractError, match="needs gradients"):
        given(None)
