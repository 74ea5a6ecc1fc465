"""Archives of many designs against brute force."""

from itertools import product

import numpy as np
import pytest

from genmech_fem.design import Archive, Constraint, Mean, Value, explore
from genmech_fem.errors import ContractError, ConvergenceError
from genmech_fem.fields import ScalarSpec
from genmech_fem.forward import FunctionModel

X = (ScalarSpec("x", 3),)
START = {"x": np.full((1, 3), 0.5)}
BOUNDS = {"x": (0.0, 1.0)}


def circles(inputs):
    """Squared distances to two points, which no x makes small at once; little of the third is refused."""
    if inputs["x"][:, 2].min() < 0.1:
        raise ConvergenceError("too little")
    return {"distances": np.stack([((inputs["x"] - c) ** 2).sum(axis=1) for c in (0.2, 0.7)], axis=1)}


MODEL = FunctionModel(circles, X, (ScalarSpec("distances", 2),))
TERMS = Value("distances", (1, 0)), Value("distances", (0, 1))


class Random:
    """Batches of random designs."""

    gradients = False

    def __init__(self, batch=20):
        self.batch, self.asked = batch, []

    def search(self, space):
        assert space.objectives == 2
        generator = np.random.default_rng(0)
        while True:
            self.asked.append(generator.uniform(space.lower, space.upper, (self.batch, 3)))
            yield self.asked[-1]


def beats(one, other):
    return all(a <= b for a, b in zip(one, other, strict=True)) and any(a < b for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def archive():
    return explore(MODEL, TERMS, START, Random(), bounds=BOUNDS, iterations=8)


def test_all_designs_that_could_be_solved_are_kept(archive):
    optimizer = Random()
    limit = Constraint(Mean("x"), most=0.6)
    kept = explore(MODEL, TERMS, START, optimizer, bounds=BOUNDS, constraints=[limit], iterations=8)
    asked = np.concatenate(optimizer.asked)
    solved = asked[asked[:, 2] >= 0.1]
    np.testing.assert_array_equal(archive.designs["x"], solved)
    np.testing.assert_array_equal(archive.values, circles({"x": solved})["distances"])
    np.testing.assert_array_equal(kept.designs["x"], solved[solved.mean(axis=1) <= 0.6 * 1.001])
    assert len(archive.failures) == len(asked) - len(solved) > 0
    batches = [batch[:, 2].min() < 0.1 for batch in optimizer.asked]
    assert archive.evaluations == 160 + 20 * sum(batches)
    assert archive.message == "8 iterations done"
    firsts = [((batch[batch[:, 2] >= 0.1] - 0.2) ** 2).sum(axis=1).min() for batch in optimizer.asked]
    np.testing.assert_allclose(archive.history, firsts)


def test_the_front_holds_what_nothing_beats(archive):
    designs, values = archive.front()
    rows = [v for v in archive.values if not any(beats(other, v) for other in archive.values)]
    np.testing.assert_array_equal(values, sorted(rows, key=lambda v: v[0]))
    np.testing.assert_array_equal(circles(designs)["distances"], values)
    assert 3 < len(values) < len(archive.values)


def test_the_elites_are_the_best_of_their_cells(archive):
    values = np.concatenate([archive.values, 1 - archive.values[:, :1]], axis=1)
    whole = Archive(archive.designs, values, (), 0, (), "", None)
    ranges, cells = ((0.1, 0.7), (0.0, 1.0)), (3, 4)
    designs, found = whole.elites(ranges, cells)
    best = []
    for i, j in product(range(3), range(4)):
        low = 0.1 + 0.2 * i, 0.25 * j
        rows = [v for v in values if 0 <= v[1] - low[0] < 0.2 and 0 <= v[2] - low[1] < 0.25]
        best += [min(rows, key=lambda v: v[0])] if rows else []
    np.testing.assert_array_equal(found, best)
    np.testing.assert_array_equal(circles(designs)["distances"], found[:, :2])


def test_the_upper_end_of_a_range_belongs_to_the_last_cell():
    values = np.array([[3.0, 1.0], [2.0, 0.6], [1.0, 1.1], [4.0, 0.0]])
    archive = Archive({"x": np.arange(4.0)}, values, (), 0, (), "", None)
    designs, found = archive.elites([(0, 1)], [3])
    np.testing.assert_array_equal(designs["x"], [3, 1, 0])
    np.testing.assert_array_equal(found[:, 0], [4, 2, 3])
    designs, found = archive.elites([(5, 6)], [3])
    assert found.shape == (0, 2)


@pytest.mark.parametrize(
    ("ranges", "cells"), [([(0, 1)] * 2, [2, 2]), ([(0, 1)], [2, 2]), ([(1, 1)], [2]), ([(0, 1)], [0]), ([], [])]
)
def test_ranges_that_do_not_fit_are_refused(ranges, cells, archive):
    with pytest.raises((ContractError, ValueError), match="expected (1 ranges and numbers of|a range .* and) cells"):
        archive.elites(ranges, cells)


def test_nothing_kept_is_an_empty_archive():
    limit = Constraint(Mean("x"), least=2.0)
    found = explore(MODEL, TERMS, START, Random(), bounds=BOUNDS, constraints=[limit], iterations=2)
    assert found.designs["x"].shape == (0, 3)
    assert len(found.front()[1]) == len(found.elites([(0, 1)], [4])[1]) == 0


def test_contradictions_and_wrong_bounds_are_refused():
    both = [Constraint(Mean("x"), least=0.6), Constraint(Mean("x"), most=0.5)]
    with pytest.raises(ContractError, match="contradicting constraints"):
        explore(MODEL, TERMS, START, Random(), constraints=both)
    with pytest.raises(ContractError, match="bounds name"):
        explore(MODEL, TERMS, START, Random(), bounds={"z": (0, 1)})
    with pytest.raises(ValueError, match="iterations: expected at least 1, got 0"):
        explore(MODEL, TERMS, START, Random(), bounds=BOUNDS, iterations=0)
